"""The rules for values of settings that their types cannot say, and what a setting takes, in words."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct, inspect

from .addresses import origin
from .errors import ConfigError, Forbidden
from .layout import compile_template
from .settings import ASSET_WORDS, CREDITS_PER_SECOND, IS_PATH, IS_SIZE, KIB, Section, Settings

SIZE = re.compile(r"\s*([0-9]{1,15}(?:\.[0-9]{1,9})?)\s*(?:([kmgtp])(i?))?(b?)\s*", re.ASCII | re.IGNORECASE)


def parse_size(text: str) -> int:
    """Bytes. `64MB` is 64,000,000, `64MiB` is 67,108,864, and so is `64M`; capitals don't matter.

    Raises `ValueError`.
    """
    match = SIZE.fullmatch(text)
    if match is None:
        raise ValueError(f"must be a size such as 500000, 64MB or 10MiB, not {text}")
    number, letter, binary, byte = match.groups()
    if not letter:
        return round(float(number))
    import bitmath

    unit = f"{letter.upper()}B" if byte and not binary else f"{letter.upper()}iB"
    size: float = bitmath.parse_string(f"{number}{unit.replace('KB', 'kB')}").bytes
    return round(size)


def format_size(size: int) -> str:
    """In the largest unit that gives a whole number; `parse_size` reads it."""
    for exponent, unit in ((5, "PiB"), (4, "TiB"), (3, "GiB"), (2, "MiB"), (1, "KiB")):
        number, rest = divmod(size, KIB**exponent)
        if number and not rest:
            return f"{number}{unit}"
    return str(size)


def _base_url(text: str) -> str:
    if not re.fullmatch(r"[!-~]+", text) or set(text) & set("?#@\\"):
        raise ValueError("must be a plain URL: no white space, no user name or password, no query, no fragment")
    try:
        server = urlsplit(origin(text))
    except Forbidden:
        raise ValueError("must be a URL that starts with https:// and a host") from None
    if server.scheme != "https" and not _is_loopback(server.hostname or ""):
        raise ValueError("must start with https:// (http:// is for this computer only: localhost, 127.0.0.1, [::1])")
    return text.rstrip("/")


def _is_loopback(host: str) -> bool:
    import ipaddress

    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _command(command: str | tuple[str, ...] | None) -> str | tuple[str, ...] | None:
    if command is not None and not command_words(command):
        raise ValueError("must name a program")
    return command


def command_words(command: str | tuple[str, ...]) -> tuple[str, ...]:
    """The program and its arguments; one text is split as a shell would, and no shell is used. Raises `ValueError`."""
    if not isinstance(command, str):
        return command
    try:
        return tuple(shlex.split(command))
    except ValueError:
        raise ValueError("must be a command line whose quotes are closed") from None


def _user_agent(text: str | None) -> str | None:
    if text is not None and not re.fullmatch(r"[!-~](?:[ -~]*[!-~])?", text):
        raise ValueError("must be printable ASCII text, without white space around it")
    return text


def _template(text: str) -> str:
    try:
        compile_template(text)
    except ConfigError as error:
        raise ValueError(str(error).removeprefix("layout.template ")) from None
    return text


def _time_zone(name: str) -> str:
    from .layout import zone_of

    try:
        zone_of(name)
    except ValueError:
        raise ValueError(
            f"must be a time zone's name such as UTC, Europe/Berlin or America/New_York, not {name}"
        ) from None
    return name


def _assets(words: tuple[str, ...]) -> tuple[str, ...]:
    if not words or len(set(words)) < len(words) or not set(words) <= set(ASSET_WORDS):
        raise ValueError(f"must be one or more of {', '.join(ASSET_WORDS)}, each once, not [{', '.join(words)}]")
    return words


def _ca_file(name: str | None) -> str | None:
    if name is not None:
        import ssl

        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(name)
        except ssl.SSLError:
            raise ValueError("must be a file of certificates in PEM form") from None
        except OSError as error:
            raise ValueError(f"must be a file of certificates that can be read ({error.strerror})") from None
    return name


def _rates(given: Mapping[str, float]) -> Mapping[str, float]:
    """Those given, and of the documented ones those that are not; capitals don't tell models apart."""
    names: dict[str, str] = {}
    for name in given:
        other = names.setdefault(name.casefold(), name)
        if other != name:
            raise ValueError(f"{other} and {name} are one model: capitals do not matter")
    return {name: rate for name, rate in CREDITS_PER_SECOND.items() if name.casefold() not in names} | dict(given)


def _healthcheck(text: str | None) -> str | None:
    """The user's own address: it may be a private one, and plain HTTP, as monitors at home are."""
    if text is not None:
        if not re.fullmatch(r"[!-~]+", text) or "#" in text:
            raise ValueError("must be a plain URL: no white space, no fragment")
        try:
            origin(text)
        except Forbidden:
            raise ValueError("must be a URL that starts with https:// (or http://) and a host") from None
    return text


RULES: Mapping[str, Callable[[Any], object]] = {
    "api.base_url": _base_url,
    "api.key_command": _command,
    "api.user_agent": _user_agent,
    "layout.template": _template,
    "layout.time_zone": _time_zone,
    "download.assets": _assets,
    "network.ca_file": _ca_file,
    "stats.credits_per_second": _rates,
    "notify.healthcheck": _healthcheck,
    "notify.exec": _command,
}
"""By dotted path: takes a value of the setting's type, returns it in its normal form, or raises `ValueError`
with a message that goes on after the path."""


class Field(Struct, frozen=True):
    """One setting: its type, and what its type consists of."""

    type: Any
    kinds: tuple[inspect.Type, ...]
    extra: Mapping[str, str]

    def takes(self, kind: type[inspect.Type]) -> bool:
        return any(isinstance(each, kind) for each in self.kinds)

    def allowed(self) -> str:
        """What a setting takes, in words."""
        if self.extra == IS_SIZE:
            number = self.kinds[0]
            return f"a size from {getattr(number, 'ge', 0)} to 1PiB in bytes, such as 500000, 64MB or 10MiB"
        if self.extra == IS_PATH:
            return "a path, as text"
        return " or ".join(in_words(kind) for kind in self.kinds)


def in_words(kind: inspect.Type) -> str:
    """What a type takes, in words."""
    match kind:
        case inspect.IntType(ge=low, le=high):
            return f"a whole number from {low} to {high}"
        case inspect.FloatType(gt=None, ge=low, le=high):
            return f"a number from {low:g} to {high:g}"
        case inspect.FloatType(gt=low, le=high):
            return f"a number above {low:g}, up to {high:g}"
        case inspect.StrType(min_length=low, max_length=high):
            return "text" if high is None else f"text of {low} to {high} characters"
        case inspect.VarTupleType():
            return "a list of texts"
        case inspect.DictType(key_type=name, value_type=value):
            return f"names ({in_words(name)}), each with {in_words(value)}"
        case inspect.BoolType():
            return "true or false"
        case _:
            return "empty"


def _fields(section: type[Section], prefix: str = "") -> Iterator[tuple[str, Field]]:
    for field in msgspec.structs.fields(section):
        path = prefix + field.name
        if isinstance(field.type, type) and issubclass(field.type, Section):
            yield from _fields(field.type, f"{path}.")
        else:
            yield path, _field(field.type)


def _field(annotation: Any) -> Field:
    extra: dict[str, str] = {}
    kinds = []
    whole = inspect.type_info(annotation)
    for kind in whole.types if isinstance(whole, inspect.UnionType) else (whole,):
        while isinstance(kind, inspect.Metadata):
            extra.update(kind.extra or {})
            kind = kind.type
        kinds.append(kind)
    return Field(annotation, tuple(kinds), extra)


FIELDS: Mapping[str, Field] = dict(_fields(Settings))
GROUPS = tuple(dict.fromkeys(path.partition(".")[0] for path in FIELDS if "." in path))
ACCOUNTS = "accounts"
"""What the group of accounts is called. It is no group of settings: the names in it are the user's."""
