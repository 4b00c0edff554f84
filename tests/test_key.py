"""The key: found where it should be, cleaned, and never shown."""

from __future__ import annotations

import copy
import hmac
import io
import os
import pickle
import string
import sys
import time
import traceback
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pictory_archiver import key as key_module
from pictory_archiver.errors import ConfigError
from pictory_archiver.key import MASK, Key, Masking, find_key, mask
from pictory_archiver.settings import Api

SECRET = "5ecre7Key"
TEXT = f"pictai_{SECRET}"
posix_only = pytest.mark.skipif(sys.platform == "win32", reason="the mode says nothing there")


def write(path: Path, data: bytes | str = TEXT, mode: int = 0o600) -> Path:
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    path.chmod(mode)
    return path


def from_file(path: Path, environ: dict[str, str] | None = None) -> Key:
    key = find_key(Api(key_file=str(path)), environ or {})
    assert key is not None
    return key


def refusal(settings: Api, environ: dict[str, str] | None = None) -> str:
    """The message of the refusal, after making sure that nothing of it shows the key."""
    with pytest.raises(ConfigError) as caught:
        find_key(settings, environ or {})
    everything = io.StringIO()
    traceback.print_exception(caught.value, file=everything)
    assert SECRET not in everything.getvalue() + caught.value.hint + repr(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- what a Key shows ---


def test_a_key_shows_its_prefix_at_most() -> None:
    key = Key(TEXT, source="PICTORY_API_KEY")
    assert key.value == TEXT
    assert repr(key) == str(key) == f"{key}" == f"{key:}" == f"Key({MASK})"
    assert repr(Key(SECRET, source="x")) == "Key(…)"
    assert SECRET not in f"{[key]} {(key,)} {key!a}"


def test_a_key_is_not_written_anywhere() -> None:
    key = Key(TEXT, source="x")
    assert not hasattr(key, "__dict__")
    for write_out in (pickle.dumps, copy.copy, msgspec.json.encode):
        with pytest.raises(TypeError) as caught:
            write_out(key)
        assert SECRET not in str(caught.value)


def test_the_fingerprint_is_salted_and_tells_keys_apart() -> None:
    one, same, other = (Key(text, source="x") for text in (TEXT, f"Bearer {TEXT}", f"{TEXT}2"))
    assert one.fingerprint(b"a") == same.fingerprint(b"a")
    assert len({one.fingerprint(b"a"), one.fingerprint(b"b"), other.fingerprint(b"a")}) == 3
    assert one.fingerprint(b"a") == hmac.new(b"a", TEXT.encode(), "sha256").hexdigest()


QUOTABLE = 'pictai_quoted/"0123\\aZ'


@given(data=st.data(), before=st.binary(max_size=20), after=st.binary(max_size=20))
def test_a_key_is_masked_however_json_spells_it(data: st.DataObject, before: bytes, after: bytes) -> None:
    spelled = "".join(
        data.draw(st.sampled_from([each, each.swapcase(), f"\\{each}", f"\\u{ord(each):04x}", f"\\u{ord(each):04X}"]))
        for each in QUOTABLE
    ).encode()
    masked = Masking(QUOTABLE).masked(before + spelled + after)
    assert masked in (before + MASK.encode() + after, before.removesuffix(b"\\") + MASK.encode() + after)


@pytest.mark.parametrize("text", [b"", b"pictai_quoted", b'"pictai_other/\\"0123\\\\az" \\u0041', "ünder".encode()])
def test_a_text_without_the_key_stays_as_it_is(text: bytes) -> None:
    assert Masking(QUOTABLE).masked(text) == text


@given(st.text(), st.text())
def test_a_masked_text_holds_no_key_and_is_one_line(before: str, after: str) -> None:
    masked = mask(f"{before} {TEXT} {after}")
    assert SECRET not in masked
    assert masked.isprintable() or not masked.splitlines()[1:]
    masked.encode()


# --- cleaning ---

WRAPPINGS = ["{}", " {} ", "\ufeff{}", "{}\r\n", '"{}"', "'{}'", "Bearer {}", "bearer\t{}", "“{}”", "`{}`"]


@given(st.lists(st.sampled_from(WRAPPINGS), max_size=5))
def test_a_key_is_taken_out_of_any_combination_of_wrappings(wrappings: list[str]) -> None:
    text = TEXT
    for wrapping in wrappings:
        text = wrapping.format(text)
    key = Key(text, source="x")
    assert key.value == TEXT
    assert key.warnings == ()


@given(st.text(string.ascii_letters + string.digits + "_-+/=.", min_size=1).map("pictai_".__add__))
def test_a_clean_key_stays_as_it_is(text: str) -> None:
    assert Key(text, source="x").value == text


@pytest.mark.parametrize(
    "text", ["", " ", '""', "\ufeff", "Bearer", "Bearer ", "'Bearer \"\"'", "\0", "bearer bearer "]
)
def test_an_empty_key_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^the API key from x (is empty|holds)"):
        Key(text, source="x")


@pytest.mark.parametrize("inner", [" ", "\n", "\t", "\0", "\x1b", "\x7f", "é", "\u200b", "\ufeff", "\ud800"])
def test_a_key_with_foreign_characters_is_refused(inner: str) -> None:
    message = refusal(Api(), {"PICTORY_API_KEY": f"{TEXT}{inner}{TEXT}"})
    assert message == "the API key from PICTORY_API_KEY holds white space or characters that no key has"


def test_another_prefix_gives_a_warning_only() -> None:
    key = Key(SECRET, source="x")
    assert key.value == SECRET
    assert key.warnings == ("the API key from x does not start with pictai_: is it a Pictory key?",)


# --- where it comes from ---


def test_no_key_is_none() -> None:
    assert find_key(Api(), {}) is None
    assert find_key(Api(), {"PICTORY_API_KEY": ""}) is None


def test_the_environment_comes_first_then_the_file(tmp_path: Path) -> None:
    file = write(tmp_path / "key", f"{TEXT}-file")
    settings = Api(key_file=str(file), key_command=(sys.executable, "-c", "raise SystemExit(1)"))
    first = find_key(settings, {"PICTORY_API_KEY": TEXT})
    second = find_key(settings, {})
    assert first is not None
    assert second is not None
    assert (first.value, first.source) == (TEXT, "PICTORY_API_KEY")
    assert (second.value, second.source) == (f"{TEXT}-file", f"the key file {file}")


# --- key files ---


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_key_file_as_editors_and_shells_write_it(tmp_path: Path, encoding: str) -> None:
    assert from_file(write(tmp_path / "key", f"{TEXT}\r\n".encode(encoding))).value == TEXT


def test_key_files_that_are_refused(tmp_path: Path) -> None:
    assert refusal(Api(key_file=str(tmp_path / "none"))) == f"the key file {tmp_path / 'none'} is not there"
    assert "cannot be read" in refusal(Api(key_file=str(tmp_path)))
    assert "cannot be read: not a file name" in refusal(Api(key_file="a\0b"))
    assert "is empty" in refusal(Api(key_file=str(write(tmp_path / "empty", ""))))
    assert "is not text" in refusal(Api(key_file=str(write(tmp_path / "binary", TEXT.encode() + b"\xff"))))
    assert "is larger than 64 KiB" in refusal(Api(key_file=str(write(tmp_path / "large", TEXT * 6000))))
    assert "white space" in refusal(Api(key_file=str(write(tmp_path / "two", f"{TEXT}\n{TEXT}"))))


def test_a_key_in_place_of_a_path_is_not_shown() -> None:
    assert refusal(Api(key_file=f"/etc/{TEXT}")) == f"the key file /etc/{MASK} is not there"
    assert refusal(Api(key_command=TEXT)).startswith(f"the key command {MASK} could not be started: ")


def test_a_file_of_exactly_the_limit_is_read(tmp_path: Path) -> None:
    padding = " " * (key_module.MAX_BYTES - len(TEXT))
    assert from_file(write(tmp_path / "key", TEXT + padding)).value == TEXT


@posix_only
def test_a_named_pipe_does_not_make_it_wait(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "is not an ordinary file" in refusal(Api(key_file=str(tmp_path / "pipe")))
    assert "is not an ordinary file" in refusal(Api(key_file=os.devnull))


@posix_only
@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666, 0o660, 0o777])
def test_a_file_that_others_can_write_is_refused(tmp_path: Path, mode: int) -> None:
    file = write(tmp_path / "key", mode=mode)
    assert "can be written by others" in refusal(Api(key_file=str(file)))
    assert "can be written by others" in refusal(Api(key_file=str(file)), {"CREDENTIALS_DIRECTORY": str(tmp_path)})


@posix_only
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o444])
def test_a_file_that_others_can_read_gives_a_warning(tmp_path: Path, mode: int) -> None:
    file = write(tmp_path / "key", mode=mode)
    assert from_file(file).warnings == (f"the key file {file} can be read by others: chmod 600 protects it",)
    assert from_file(file, {"CREDENTIALS_DIRECTORY": str(tmp_path / "other")}).warnings


@posix_only
def test_a_file_that_systemd_or_a_container_hands_in_gives_none(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    file = write(tmp_path / "real" / "key", mode=0o444)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert from_file(file, {"CREDENTIALS_DIRECTORY": str(tmp_path / "link")}).warnings == ()
    assert from_file(tmp_path / "link" / "key", {"CREDENTIALS_DIRECTORY": str(tmp_path / "real")}).warnings == ()
    assert key_module._is_handed_in(Path("/run/secrets/pictory"), {})
    assert not key_module._is_handed_in(Path("/run/secrets/../pictory"), {})
    assert not key_module._is_handed_in(Path("/run/secrets-of-mine/pictory"), {"CREDENTIALS_DIRECTORY": ""})


@posix_only
@pytest.mark.parametrize("mode", [0o600, 0o400, 0o700])
def test_a_private_file_is_fine(tmp_path: Path, mode: int) -> None:
    assert from_file(write(tmp_path / "key", mode=mode)).warnings == ()


def test_windows_has_no_such_modes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(tmp_path / "key", mode=0o666)
    monkeypatch.setattr(sys, "platform", "win32")
    assert from_file(file).warnings == ()


# --- key commands ---


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code)


def test_a_command_as_a_list_and_as_a_text() -> None:
    code = f"print('Bearer {TEXT}')"
    for command in (python(code), f'{sys.executable} -c "{code}"'):
        key = find_key(Api(key_command=command), {})
        assert key is not None
        assert (key.value, key.source) == (TEXT, f"the key command {sys.executable}")


def test_no_shell_is_between(tmp_path: Path) -> None:
    code = "import sys; print('_'.join(sys.argv[1:]))"
    key = find_key(Api(key_command=(*python(code), "pictai", "$HOME;`id`>x")), {})
    assert key is not None
    assert key.value == "pictai_$HOME;`id`>x"


def test_a_command_that_fails_is_named_without_its_output() -> None:
    code = f"import sys; print('{TEXT}'); print('{TEXT}', file=sys.stderr); sys.exit(3)"
    assert refusal(Api(key_command=python(code))) == f"the key command {sys.executable} failed with exit status 3"
    assert "is empty" in refusal(Api(key_command=python("")))
    assert "is not text" in refusal(Api(key_command=python(f"import os; os.write(1, b'{TEXT}\\xff')")))
    assert "white space" in refusal(Api(key_command=python(f"print('{TEXT} {TEXT}')")))


def test_a_command_that_is_not_there_or_makes_no_sense(tmp_path: Path) -> None:
    assert "could not be started: " in refusal(Api(key_command=("no-such-program-here", TEXT)))
    assert "could not be started: " in refusal(Api(key_command=str(write(tmp_path / "plain"))))
    assert "could not be started: " in refusal(Api(key_command=("a\0b",)))
    assert "quotes are closed" in refusal(Api(key_command='a "b'))


def test_a_command_may_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_module, "COMMAND_SECONDS", 0.5)
    code = f"import sys, time; print('{TEXT}', flush=True); time.sleep(30)"
    begin = time.monotonic()
    assert "gave no key within" in refusal(Api(key_command=python(code)))
    assert time.monotonic() - begin < 10


def test_a_command_gets_nothing_to_read() -> None:
    assert "is empty" in refusal(Api(key_command=python("import sys; sys.stdout.write(sys.stdin.read())")))
