"""Where the settings' values come from: command line, environment, YAML file, defaults, in this order.

Each value is checked by itself, so that a bad one is reported with its dotted path, where it was given, what is
wrong with it, and what is allowed. Nothing that looks like a key is ever shown.
"""

from __future__ import annotations

import os
import re
import stat
import sys
from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct, inspect

from .errors import ConfigError, Forbidden
from .key import mask
from .setting_rules import FIELDS, GROUPS, RULES, Field, parse_size
from .settings import IS_PATH, IS_SIZE, MIB, Settings

if TYPE_CHECKING:
    import yaml

CONFIG_VARIABLE = "PICTORY_ARCHIVER_CONFIG"
ORIGINS_VARIABLE = "PICTORY_ARCHIVER_ALLOW_ORIGINS"
VARIABLE_PREFIX = "PICTORY_ARCHIVER_"
PICTORYS_OWN_VARIABLES = {"PICTORY_API_BASE_URL": "api.base_url", "PICTORY_API_KEY_FILE": "api.key_file"}

DEFAULT = "default"
KEY_SOURCES = ("api.key_file", "api.key_command")
MAX_FILE_BYTES = MIB


class Loaded(Struct, frozen=True):
    """The settings, and by dotted path where each comes from. `file` is the settings file that was read."""

    settings: Settings
    sources: dict[str, str]
    file: Path | None
    warnings: tuple[str, ...] = ()


class _Given(Struct, frozen=True):
    """A value as it was given. Text stands for any type; relative paths start from the folder."""

    value: object
    source: str
    is_text: bool = False
    folder: Path = Path()


_Layer = dict[str, _Given]


VARIABLES: Mapping[str, str] = {
    **{VARIABLE_PREFIX + path.replace(".", "_").upper(): path for path in FIELDS},
    **PICTORYS_OWN_VARIABLES,
}
"""The path that each environment variable sets. Where two set the same, the later one here counts."""


def load(overrides: Mapping[str, object], *, config_file: Path | None, environ: Mapping[str, str]) -> Loaded:
    """The effective settings. `overrides` are the command line's, by dotted path; None there means not given.

    Raises `ConfigError`.
    """
    file, must_exist = settings_file(config_file, environ)
    from_file, found, warnings = _read_file(file, must_exist=must_exist)
    layers = (_from_command_line(overrides), _from_environment(environ), from_file)
    _choose_key_source(layers)
    given = ChainMap[str, _Given](*layers)
    values = {path: _convert(path, each) for path, each in given.items()}
    sources = {path: given[path].source if path in given else DEFAULT for path in FIELDS}
    settings = _assemble(values)
    if settings.retry.min_wait_seconds > settings.retry.max_wait_seconds:
        raise ConfigError(
            f"retry.min_wait_seconds: {settings.retry.min_wait_seconds:g} (from {sources['retry.min_wait_seconds']})"
            f" must not be more than retry.max_wait_seconds, {settings.retry.max_wait_seconds:g}"
            f" (from {sources['retry.max_wait_seconds']})"
        )
    return Loaded(settings, sources, file if found else None, warnings)


def settings_file(config_file: Path | None, environ: Mapping[str, str]) -> tuple[Path, bool]:
    """The settings file's path, and whether it was named by the user, so that it has to be there."""
    named = config_file if config_file is not None else environ.get(CONFIG_VARIABLE)
    if named:
        return Path(absolute(str(named), Path())), True
    import platformdirs

    return platformdirs.user_config_path("pictory-archiver", appauthor=False) / "config.yaml", False


def absolute(path: str, folder: Path) -> str:
    """The path with `~` filled in, taken from the folder where it is relative. Raises `ConfigError`."""
    try:
        return str((folder / Path(path).expanduser()).absolute())
    except (RuntimeError, OSError):
        raise ConfigError(f"{mask(path)}: there is no such home or current folder: write the path in full") from None


def allow_origins(environ: Mapping[str, str], options: Iterable[str]) -> frozenset[str]:
    """The origins that tests and development admit, in the form `scheme://host[:port]` without a default port."""
    variable = environ.get(ORIGINS_VARIABLE, "").split()
    return frozenset(
        _origin(text, source)
        for source, texts in (("--allow-origin", options), (ORIGINS_VARIABLE, variable))
        for text in texts
    )


def _origin(text: str, source: str) -> str:
    from .addresses import origin, strip_signature

    try:
        exact = origin(text)
    except Forbidden:
        exact = ""
    if not exact or re.search(r"[/?#]", text.partition("://")[2]):
        raise ConfigError(
            f"{source}: must be http(s)://host[:port] and nothing more, not {_shown(strip_signature(text))}"
        )
    return exact


def _from_command_line(overrides: Mapping[str, object]) -> _Layer:
    for path in overrides.keys() - FIELDS.keys():
        raise ConfigError(_unknown(path, "command line"))
    return {
        path: _Given(value, "command line", is_text=isinstance(value, str))
        for path, value in overrides.items()
        if value is not None
    }


def _from_environment(environ: Mapping[str, str]) -> _Layer:
    """An empty variable counts as not set."""
    known = {*VARIABLES, CONFIG_VARIABLE, ORIGINS_VARIABLE, "PICTORY_API_KEY"}
    for name in sorted(environ):
        if name.startswith(VARIABLE_PREFIX) and name not in known:
            raise ConfigError(f"unknown environment variable {mask(name)}{_did_you_mean(name, known)}")
    return {path: _Given(environ[name], name, is_text=True) for name, path in VARIABLES.items() if environ.get(name)}


def _choose_key_source(layers: Iterable[_Layer]) -> None:
    """A key file or a key command, not both: a choice made further up hides the other kind further down."""
    chosen = None
    for layer in layers:
        named = [path for path in KEY_SOURCES if path in layer and layer[path].value is not None]
        if len(named) == len(KEY_SOURCES):
            raise ConfigError(
                f"api.key_file (from {layer['api.key_file'].source}) and api.key_command "
                f"(from {layer['api.key_command'].source}): only one of them is allowed"
            )
        if chosen is None and named:
            chosen = named[0]
        elif chosen is not None and named and named[0] != chosen:
            del layer[named[0]]


def _assemble(values: Mapping[str, object]) -> Settings:
    tree: dict[str, Any] = {}
    for path, value in values.items():
        group, _, name = path.rpartition(".")
        (tree.setdefault(group, {}) if group else tree)[name] = value
    return msgspec.convert(tree, Settings)


def _convert(path: str, given: _Given) -> object:
    """The value in the setting's type. Raises `ConfigError`."""
    field = FIELDS[path]
    try:
        value = _parse_text(field, given.value) if given.is_text and isinstance(given.value, str) else given.value
        if field.extra == IS_SIZE and isinstance(value, str):
            value = parse_size(value)
        value = msgspec.convert(value, field.type, strict=not given.is_text)
        _refuse_control_characters(value)
        if field.extra == IS_PATH and isinstance(value, str):
            value = absolute(value, given.folder)
        return RULES[path](value) if path in RULES else value
    except msgspec.ValidationError:
        problem = f"must be {field.allowed()}, not {_shown(given.value)}"
    except (ValueError, ConfigError) as error:
        problem = str(error)
    raise ConfigError(f"{path}: {mask(problem)} (from {given.source})")


def _parse_text(field: Field, text: str) -> object:
    if field.takes(inspect.StrType):
        return text
    if field.takes(inspect.VarTupleType):
        return [word.strip() for word in text.split(",")]
    return text.strip()


def _refuse_control_characters(value: object) -> None:
    for text in value if isinstance(value, tuple) else (value,):
        if isinstance(text, str) and any(ord(character) < 32 or ord(character) == 127 for character in text):
            raise ValueError("must not hold line breaks or other control characters")


def _shown(value: object) -> str:
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


def _unknown(path: str, where: str) -> str:
    if path in FIELDS:
        group, _, name = path.rpartition(".")
        return f"{path}: write `{name}:` below `{group}:` (from {where})"
    return f"{mask(path)}: unknown setting (from {where}){_did_you_mean(path, (*FIELDS, *GROUPS))}"


def _did_you_mean(name: str, known: Iterable[str]) -> str:
    """The nearest known names; where none is near, those of the same group."""
    import difflib

    known = sorted(known)
    group, _, last = name.rpartition(".")
    beside = {each.rpartition(".")[2]: each for each in known if each.rpartition(".")[0] == group}
    elsewhere = [each for each in known if each.rpartition(".")[2] == last]
    if near := elsewhere or [beside[each] for each in difflib.get_close_matches(last, beside, n=1, cutoff=0.5)]:
        return f"; did you mean {near[0]}?"
    return f"; allowed: {', '.join(beside.values() or known)}"


def _read_file(file: Path, *, must_exist: bool) -> tuple[_Layer, bool, tuple[str, ...]]:
    """The YAML file's values, whether there is such a file, and what is odd about it."""
    name = mask(str(file))
    try:
        with file.open("rb") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            data = stream.read(MAX_FILE_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        if must_exist:
            raise ConfigError(f"the settings file {name} is not there") from None
        return {}, False, ()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a file name"
        raise ConfigError(f"the settings file {name} cannot be read: {reason}") from None
    if len(data) > MAX_FILE_BYTES:
        raise ConfigError(f"the settings file {name} is larger than 1 MiB")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{name}, line {line}: the settings file has to be UTF-8 text") from None
    writable = sys.platform != "win32" and stat.S_ISREG(mode) and mode & stat.S_IWOTH
    warnings = (f"the settings file {name} can be written by everyone: chmod 600 protects it",) if writable else ()
    return _parse_yaml(text, file), True, warnings


def _parse_yaml(text: str, file: Path) -> _Layer:
    """The settings of a YAML document. It is read as a tree, so that lines and repeated keys are known."""
    import yaml

    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(f"{mask(str(file))}, line {line}: not YAML: {mask(error.problem or '')}") from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ConfigError(f"{mask(str(file))}, line {line}: a character that YAML does not allow") from None
    except RecursionError:
        raise ConfigError(f"{mask(str(file))}: nested too deeply") from None
    if root is None or _is_empty(root):
        return {}
    return dict(_walk(root, "", file))


def _walk(node: yaml.Node, prefix: str, file: Path) -> Iterator[tuple[str, _Given]]:
    import yaml

    if not isinstance(node, yaml.MappingNode):
        what = f"{prefix.rstrip('.')}: must" if prefix else "the settings file must"
        raise ConfigError(f"{what} consist of `name: value` lines (from {_where(node, file)})")
    seen = set()
    for key, value in node.value:
        where = _where(key, file)
        if not isinstance(key, yaml.ScalarNode):
            raise ConfigError(f"{prefix}?: a setting's name must be a word (from {where})")
        path = prefix + key.value
        if path in seen:
            raise ConfigError(f"{mask(path)}: given twice (from {where})")
        seen.add(path)
        if path in FIELDS and path.count(".") == prefix.count("."):
            yield path, _Given(_plain(value, path, where), where, folder=file.parent)
        elif path not in GROUPS:
            raise ConfigError(_unknown(path, where))
        elif not _is_empty(value):
            yield from _walk(value, f"{path}.", file)


def _plain(node: yaml.Node, path: str, where: str) -> object:
    """A scalar or a list of scalars; what is nested deeper comes out as an empty group."""
    import yaml

    if isinstance(node, yaml.SequenceNode):
        return [{} if isinstance(each, yaml.CollectionNode) else _plain(each, path, where) for each in node.value]
    if not isinstance(node, yaml.ScalarNode):
        return {}
    try:
        return yaml.SafeLoader("").construct_object(node)
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, TypeError):
        raise ConfigError(f"{path}: not a value that YAML knows; put it in quotes (from {where})") from None


def _is_empty(node: yaml.Node) -> bool:
    return node.tag == "tag:yaml.org,2002:null"


def _where(node: yaml.Node, file: Path) -> str:
    return f"{mask(str(file))}, line {node.start_mark.line + 1}"
