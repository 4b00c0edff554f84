"""The API key: found, cleaned, and kept out of sight.

Rules: the key's text leaves a `Key` only through `.value`; no message of this module contains it or a part of it
beyond the fixed prefix; an exception that could hold it is never chained.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import stat
import sys
from collections.abc import Mapping
from pathlib import Path

from .errors import ConfigError
from .setting_rules import command_words
from .settings import KIB, Api
from .text import printable

PREFIX = "pictai_"
MASK = f"{PREFIX}…"
MAX_BYTES = 64 * KIB
COMMAND_SECONDS = 60.0
MAX_LINE = 1000
WHERE_TO_GET_ONE = "a key is made at app.pictory.ai/api-access"

_AROUND = " \t\r\n\v\f\ufeff\"'`“”‘’"
_LOOKS_LIKE_A_KEY = re.compile(re.escape(PREFIX) + r"[^\s\"',;]*", re.IGNORECASE)
_ESCAPED_ASCII = re.compile(rb"\\[uU]00[2-7]")
_BEARER = re.compile(r"\Abearer(?:\s+|\Z)", re.IGNORECASE)


class Key:
    """The API key. `source` says where it comes from, `warnings` what is odd about it; only `value` tells it."""

    __slots__ = ("_value", "source", "warnings")

    def __init__(self, text: str, *, source: str, warnings: tuple[str, ...] = ()) -> None:
        """Takes the key out of byte order marks, quotes, white space and `Bearer `. Raises `ConfigError`."""
        value = _bare(text)
        if not value:
            raise ConfigError(f"the API key from {source} is empty", hint=WHERE_TO_GET_ONE)
        if not re.fullmatch(r"[!-~]+", value):
            raise ConfigError(
                f"the API key from {source} holds white space or characters that no key has",
                hint="it has to be one key on one line",
            )
        if not value.startswith(PREFIX):
            warnings += (f"the API key from {source} does not start with {PREFIX}: is it a Pictory key?",)
        self._value = value
        self.source = source
        self.warnings = warnings

    @property
    def value(self) -> str:
        return self._value

    @property
    def masked(self) -> str:
        """What may be shown of it."""
        return MASK if self._value.startswith(PREFIX) else "…"

    def fingerprint(self, salt: bytes) -> str:
        """Tells whether two keys are the same, and nothing else about them: salted, in hex."""
        return hmac.new(salt, self._value.encode("ascii"), hashlib.sha256).hexdigest()

    def __repr__(self) -> str:
        return f"Key({self.masked})"

    def __reduce__(self) -> str:
        raise TypeError("a key is not written anywhere")


def _bare(text: str) -> str:
    while (bare := _BEARER.sub("", text.strip(_AROUND))) != text:
        text = bare
    return text


def mask(text: str) -> str:
    """The text with everything that looks like a key masked, and as one harmless line."""
    return printable(_LOOKS_LIKE_A_KEY.sub(MASK, text), MAX_LINE)


class Masking:
    """Masks one key in JSON text, also where its characters are escaped or in the other case."""

    def __init__(self, key: str) -> None:
        self._spelled = re.compile(
            "".join(rf"(?:\\?{re.escape(each)}|\\u00{ord(each):02x})" for each in key).encode(), re.IGNORECASE
        )
        self._bare = key.replace("\\", "").lower().encode()

    def masked(self, text: bytes) -> bytes:
        """The text without the key. Nearly no text holds it, and nearly each is known at a glance to be without."""
        may_hold_it = _ESCAPED_ASCII.search(text) or self._bare in text.replace(b"\\", b"").lower()
        return self._spelled.sub(MASK.encode(), text) if may_hold_it else text


def find_key(settings: Api, environ: Mapping[str, str], *, account: str | None = None) -> Key | None:
    """The key of `PICTORY_API_KEY`, else of the key file, else of the key command; None where none is set.

    A key in `PICTORY_API_KEY` belongs to no account of the settings: with the name of one, it is left aside.
    Raises `ConfigError` for a key that is there and cannot be used.
    """
    if account is None and (text := environ.get("PICTORY_API_KEY")):
        return Key(text, source="PICTORY_API_KEY")
    if settings.key_file is not None:
        general = "run `pictory-archiver init`, or correct api.key_file or PICTORY_API_KEY_FILE"
        advice = f"correct accounts.{account}.key_file" if account else general
        return _from_file(Path(settings.key_file), environ, advice)
    if settings.key_command is not None:
        return _from_command(settings.key_command)
    return None


def _from_file(path: Path, environ: Mapping[str, str], advice: str) -> Key:
    source = f"the key file {mask(str(path))}"
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            status = os.fstat(file.fileno())
            data = file.read(MAX_BYTES + 1) if stat.S_ISREG(status.st_mode) else None
    except FileNotFoundError:
        raise ConfigError(f"{source} is not there", hint=advice) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a file name"
        raise ConfigError(f"{source} cannot be read: {reason}") from None
    if data is None:
        raise ConfigError(f"{source} is not an ordinary file")
    if len(data) > MAX_BYTES:
        raise ConfigError(f"{source} is larger than {MAX_BYTES // KIB} KiB: it should hold the key alone")
    warnings = _judge_permissions(path, status.st_mode, source, environ)
    return Key(_decode(data, source), source=source, warnings=warnings)


def _open_at_once(name: str, flags: int) -> int:
    """Does not wait for the other end of a named pipe."""
    return os.open(name, flags | getattr(os, "O_NONBLOCK", 0))


def _judge_permissions(path: Path, mode: int, source: str, environ: Mapping[str, str]) -> tuple[str, ...]:
    if sys.platform == "win32":  # there the mode says nothing about others
        return ()
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise ConfigError(
            f"{source} can be written by others, so it is not trusted", hint=f"chmod 600 {mask(str(path))}"
        )
    if mode & (stat.S_IRGRP | stat.S_IROTH) and not _is_handed_in(path, environ):
        return (f"{source} can be read by others: chmod 600 protects it",)
    return ()


def _is_handed_in(path: Path, environ: Mapping[str, str]) -> bool:
    """True for a file whose permissions are those of systemd or of the container, not the user's doing."""
    folders = [Path(folder) for folder in ("/run/secrets", environ.get("CREDENTIALS_DIRECTORY")) if folder]
    return any(path.resolve().is_relative_to(folder.resolve()) for folder in folders)


def _from_command(command: str | tuple[str, ...]) -> Key:
    import subprocess

    try:
        words = command_words(command)
    except ValueError as error:
        raise ConfigError(f"api.key_command: {error}") from None
    source = f"the key command {mask(words[0])}"
    try:
        done = subprocess.run(  # noqa: S603 - the user's own command, started without a shell
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=COMMAND_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ConfigError(f"{source} gave no key within {COMMAND_SECONDS:.0f} seconds") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a program's name"
        raise ConfigError(f"{source} could not be started: {reason}") from None
    if done.returncode != 0:
        raise ConfigError(
            f"{source} failed with exit status {done.returncode}", hint="run it yourself to see what it says"
        )
    return Key(_decode(done.stdout, source), source=source)


def _decode(data: bytes, source: str) -> str:
    """Text of UTF-8, or of UTF-16 as older PowerShells write it."""
    utf16 = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    try:
        return data.decode("utf-16" if utf16 else "utf-8")
    except UnicodeDecodeError:
        raise ConfigError(f"the API key from {source} is not text") from None
