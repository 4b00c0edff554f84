"""A value as it was given somewhere, and how it becomes the value of a setting.

Each value is checked by itself, so that a bad one is reported with its dotted path, where it was given, what is
wrong with it, and what is allowed. Nothing that looks like a key is ever shown.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec
from msgspec import Struct, inspect

from .errors import ConfigError
from .key import mask
from .setting_rules import ACCOUNTS, FIELDS, GROUPS, RULES, Field, in_words, parse_size
from .settings import IS_PATH, IS_SIZE

KEY_SOURCES = ("api.key_file", "api.key_command")


class Given(Struct, frozen=True):
    """A value as it was given. Text stands for any type; relative paths start from the folder. `told` is the path
    under which it was written, where that is not the setting's own."""

    value: object
    source: str
    is_text: bool = False
    folder: Path = Path()
    told: str = ""


class _BadEntry(ValueError):
    """What is wrong with one value of a setting that has several by name."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(problem)
        self.name = name


Layer = dict[str, Given]
"""What one source gives, by the dotted path of the setting."""


def convert(path: str, given: Given) -> object:
    """The value in the setting's type. Raises `ConfigError`."""
    field = FIELDS[path]
    told = given.told or path
    try:
        value = _parse_text(field, given.value) if given.is_text and isinstance(given.value, str) else given.value
        if field.extra == IS_SIZE and isinstance(value, str):
            value = parse_size(value)
        _check_entries(field, value, strict=not given.is_text)
        value = msgspec.convert(value, field.type, strict=not given.is_text)
        _refuse_control_characters(value)
        if field.extra == IS_PATH and isinstance(value, str):
            value = absolute(value, given.folder)
        return RULES[path](value) if path in RULES else value
    except msgspec.ValidationError:
        problem = f"must be {field.allowed()}, not {shown(given.value)}"
    except _BadEntry as error:
        told, problem = f"{told}.{error.name}", str(error)
    except (ValueError, ConfigError) as error:
        problem = str(error)
    raise ConfigError(f"{mask(told)}: {mask(problem)} (from {given.source})")


def absolute(path: str, folder: Path) -> str:
    """The path with `~` filled in, taken from the folder where it is relative. Raises `ConfigError`."""
    try:
        return str((folder / Path(path).expanduser()).absolute())
    except (RuntimeError, OSError):
        raise ConfigError(f"{mask(path)}: there is no such home or current folder: write the path in full") from None


def key_source(layer: Layer) -> str | None:
    """The path of the key file or the key command that a source names. Raises `ConfigError` where it names both."""
    named = [path for path in KEY_SOURCES if path in layer and layer[path].value is not None]
    if len(named) == len(KEY_SOURCES):
        both = " and ".join(f"{layer[path].told or path} (from {layer[path].source})" for path in named)
        raise ConfigError(f"{both}: only one of them is allowed")
    return named[0] if named else None


def unknown(path: str, where: str, known: Iterable[str] = (*FIELDS, *GROUPS, ACCOUNTS)) -> str:
    """What is said of a setting that there is not."""
    if path in FIELDS:
        group, _, name = path.rpartition(".")
        return f"{path}: write `{name}:` below `{group}:` (from {where})"
    return f"{mask(path)}: unknown setting (from {where}){did_you_mean(path, known)}"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The nearest known names; where none is near, those of the same group."""
    import difflib

    known = sorted(known)
    group, _, last = name.rpartition(".")
    beside = {each.rpartition(".")[2]: each for each in known if each.rpartition(".")[0] == group}
    elsewhere = [each for each in known if each.rpartition(".")[2] == last]
    if near := elsewhere or [beside[each] for each in difflib.get_close_matches(last, beside, n=1, cutoff=0.5)]:
        return f"; did you mean {near[0]}?"
    return f"; allowed: {', '.join(beside.values() or known)}"


def shown(value: object) -> str:
    """A value as a message may show it: short, in one line, without keys."""
    match value:
        case None:
            return "empty"
        case bool():
            return f"{str(value).lower()} (in quotes it would be text)"
        case dict() | list() | tuple():
            return "a list" if not isinstance(value, dict) else "a group"
        case int() if abs(value) >= 10**20:
            return "a number of so many digits"
        case str():
            return f'"{mask(value[:60])}"'
        case _:
            return mask(str(value)[:60])


def _check_entries(field: Field, value: object, *, strict: bool) -> None:
    """Raises `_BadEntry` for the first value that a setting with several by name does not take."""
    for kind in field.kinds:
        if isinstance(kind, inspect.DictType) and isinstance(value, dict):
            for name, each in value.items():
                try:
                    msgspec.convert({"name": each}, field.type, strict=strict)
                except msgspec.ValidationError:
                    problem = f"must be {in_words(kind.value_type)}, not {shown(each)}"
                    raise _BadEntry(name[:60], problem) from None


def _parse_text(field: Field, text: str) -> object:
    if field.takes(inspect.DictType):
        return _parse_entries(field, text)
    if field.takes(inspect.StrType):
        return text
    if field.takes(inspect.VarTupleType):
        return [word.strip() for word in text.split(",")]
    return text.strip()


def _parse_entries(field: Field, text: str) -> dict[str, str]:
    """`veo3.1=20,pixverse5.5=1.6`. Raises `ValueError`."""
    entries: dict[str, str] = {}
    for pair in text.split(","):
        name, sign, value = (part.strip() for part in pair.rpartition("="))
        if not sign:
            raise ValueError(f"must be {field.allowed()}, as name=value,name=value, not {shown(text)}")
        if name in entries:
            raise ValueError(f"{name[:60]} is given twice")
        entries[name] = value
    return entries


def _refuse_control_characters(value: object) -> None:
    for text in value if isinstance(value, tuple | dict) else (value,):
        if isinstance(text, str) and any(ord(character) < 32 or ord(character) == 127 for character in text):
            raise ValueError("must not hold line breaks or other control characters")
