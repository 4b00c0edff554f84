"""The settings file: what it gives, and on which line."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct, inspect

from .accounts import MAX_ACCOUNTS, SETTINGS, Account, check_name
from .errors import ConfigError
from .given import Given, Layer, unknown
from .key import mask
from .setting_rules import ACCOUNTS, FIELDS, GROUPS
from .settings import KIB

if TYPE_CHECKING:
    import yaml

MAX_FILE_BYTES = 128 * KIB
"""Its accounts and comments take a few KiB; the reader of YAML is slow enough to hang on a megabyte."""

MAX_NUMBER = 10_000
"""Characters of a value that is no text: to read `1:1:1:1…` takes time that grows with the square of its length."""


class FromFile(Struct, frozen=True):
    """What a settings file gives, its accounts in their order, and what is odd about it."""

    layer: Layer
    accounts: tuple[Account, ...] = ()
    found: bool = True
    warnings: tuple[str, ...] = ()


def read_file(file: Path, *, must_exist: bool) -> FromFile:
    """The settings file. Raises `ConfigError`; what is wrong with one account is kept in that."""
    name = mask(str(file))
    try:
        with file.open("rb") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            data = stream.read(MAX_FILE_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        if must_exist:
            raise ConfigError(f"the settings file {name} is not there") from None
        return FromFile({}, found=False)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a file name"
        raise ConfigError(f"the settings file {name} cannot be read: {reason}") from None
    if len(data) > MAX_FILE_BYTES:
        raise ConfigError(f"the settings file {name} is larger than {MAX_FILE_BYTES // KIB} KiB")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{name}, line {line}: the settings file has to be UTF-8 text") from None
    writable = sys.platform != "win32" and stat.S_ISREG(mode) and mode & stat.S_IWOTH
    warnings = (f"the settings file {name} can be written by everyone: chmod 600 protects it",) if writable else ()
    root = _parse_yaml(text, file)
    if root is None or _is_empty(root):
        return FromFile({}, warnings=warnings)
    return FromFile(dict(_walk(root, "", file)), tuple(_accounts(root, file)), warnings=warnings)


def _parse_yaml(text: str, file: Path) -> yaml.Node | None:
    """The YAML document as a tree, so that lines and repeated keys are known."""
    import yaml

    try:
        return yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(f"{mask(str(file))}, line {line}: not YAML: {mask(error.problem or '')}") from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ConfigError(f"{mask(str(file))}, line {line}: a character that YAML does not allow") from None
    except RecursionError:
        raise ConfigError(f"{mask(str(file))}: nested too deeply") from None


def _walk(node: yaml.Node, prefix: str, file: Path) -> Iterator[tuple[str, Given]]:
    """The general settings: all but the accounts."""
    for name, value, where in _lines(node, prefix, file):
        path = prefix + name
        if path in FIELDS and path.count(".") == prefix.count("."):
            yield path, Given(_value(value, path, where, file), where, folder=file.parent)
        elif path in GROUPS:
            yield from () if _is_empty(value) else _walk(value, f"{path}.", file)
        elif path != ACCOUNTS:
            raise ConfigError(unknown(path, where))


def _accounts(root: yaml.Node, file: Path) -> Iterator[Account]:
    names: list[str] = []
    for name, node, _ in _lines(root, "", file):
        if name == ACCOUNTS and not _is_empty(node):
            for account, value, where in _lines(node, f"{ACCOUNTS}.", file):
                check_name(account, names, where)
                names.append(account)
                if len(names) > MAX_ACCOUNTS:
                    raise ConfigError(f"{ACCOUNTS}: more than {MAX_ACCOUNTS} of them (from {where})")
                yield Account(account, where, _account(account, value, file))


def _account(name: str, node: yaml.Node, file: Path) -> Layer | ConfigError:
    prefix = f"{ACCOUNTS}.{name}."
    try:
        return {} if _is_empty(node) else dict(_account_lines(node, prefix, file))
    except ConfigError as error:
        return error


def _account_lines(node: yaml.Node, prefix: str, file: Path) -> Iterator[tuple[str, Given]]:
    for name, value, where in _lines(node, prefix, file):
        told = prefix + name
        if name not in SETTINGS:
            raise ConfigError(unknown(told, where, [prefix + each for each in SETTINGS]))
        yield SETTINGS[name], Given(_plain(value, told, where), where, folder=file.parent, told=told)


def _lines(node: yaml.Node, prefix: str, file: Path) -> Iterator[tuple[str, yaml.Node, str]]:
    """The names of a group, each with its value and where it stands. A name that comes twice is refused."""
    import yaml

    if not isinstance(node, yaml.MappingNode):
        what = f"{prefix.rstrip('.')}: must" if prefix else "the settings file must"
        raise ConfigError(f"{what} consist of `name: value` lines (from {_where(node, file)})")
    seen = set()
    for key, value in node.value:
        where = _where(key, file)
        if not isinstance(key, yaml.ScalarNode):
            raise ConfigError(f"{prefix}?: a setting's name must be a word (from {where})")
        if key.value in seen:
            raise ConfigError(f"{mask(prefix + key.value)}: given twice (from {where})")
        seen.add(key.value)
        yield key.value, value, where


def _value(node: yaml.Node, path: str, where: str, file: Path) -> object:
    """The value of a setting. Only those that take several by name have a group."""
    import yaml

    if FIELDS[path].takes(inspect.DictType) and isinstance(node, yaml.MappingNode):
        return {name: _plain(each, f"{path}.{name}", line) for name, each, line in _lines(node, f"{path}.", file)}
    return _plain(node, path, where)


def _plain(node: yaml.Node, path: str, where: str) -> object:
    """A scalar or a list of scalars; what is nested deeper comes out as an empty group."""
    import yaml

    if isinstance(node, yaml.SequenceNode):
        return [{} if isinstance(each, yaml.CollectionNode) else _plain(each, path, where) for each in node.value]
    if not isinstance(node, yaml.ScalarNode):
        return {}
    try:
        if len(node.value) > MAX_NUMBER and node.tag != "tag:yaml.org,2002:str":
            raise ValueError
        return yaml.SafeLoader("").construct_object(node)
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, TypeError, OverflowError):
        raise ConfigError(f"{path}: not a value that YAML knows; put it in quotes (from {where})") from None


def _is_empty(node: yaml.Node) -> bool:
    return node.tag == "tag:yaml.org,2002:null"


def _where(node: yaml.Node, file: Path) -> str:
    return f"{mask(str(file))}, line {node.start_mark.line + 1}"
