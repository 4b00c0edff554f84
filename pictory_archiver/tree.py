"""What lies where in the folder of an archive: the names of its own files, what counts as nothing, and the sidecars.

Reads only, blocks, and needs no marker: a folder that was copied without it is looked through as any other.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path, PurePosixPath

from msgspec import Struct

from . import disk
from .errors import ConfigError
from .layout import OUTPUT_SUFFIXES
from .sidecar import FORMAT, BrokenSidecar, Sidecar, parse
from .text import printable

HIDDEN = PurePosixPath(".pictory-archiver")
MARKER = HIDDEN / "archive.json"
CATALOGUE = HIDDEN / "catalogue.sqlite3"
JOURNAL = HIDDEN / "journal.jsonl"
SCHEMA = HIDDEN / "sidecar.schema.json"
README = PurePosixPath("README.txt")
INDEX = PurePosixPath("index.html")
LIBRARY = PurePosixPath("library")
MANIFEST = PurePosixPath("SHA256SUMS")
EXPORTS = {
    "csv": PurePosixPath("videos.csv"),
    "jsonl": PurePosixPath("videos.jsonl"),
    "m3u": PurePosixPath("videos.m3u8"),
    "requests": PurePosixPath("requests.jsonl"),
    "sha256sums": MANIFEST,
}
"""The names that the formats of `export` have in the archive's own folder."""

LOCK = HIDDEN / "lock"

LITTER = frozenset(
    {".DS_Store", "@eaDir", "#recycle", "Thumbs.db", "desktop.ini", "lost+found", "System Volume Information"}
)
MAX_SIDECAR = 64 * 1024 * 1024
NAMES_FOR_A_HINT = 10_000
BYTES_FOR_A_HINT = 4096
_BLOCK = 64 * 1024


class OnDisk(Struct, frozen=True):
    """A sidecar as it lies on the disk: its path in the archive, what it says or why it cannot be read, and the size
    and the SHA-256 digest of its bytes. `is_ours`: what cannot be read was a sidecar, or may have been."""

    path: PurePosixPath
    says: Sidecar | BrokenSidecar
    bytes: int
    sha256: str
    is_ours: bool = True


def sidecars_below(root: Path) -> Iterator[OnDisk]:
    """Every sidecar of the archive in this folder, in the order of their paths, whether it is marked as one or not.

    What cannot be read, a folder too, comes as the error that says so. Raises `ConfigError` for a newer format.
    """
    unreadable: list[OnDisk] = []

    def on_error(error: OSError) -> None:
        where = os.path.relpath(os.fsdecode(error.filename or root), root)
        unreadable.append(_unreadable(_posix(where), error, "the folder cannot be read"))

    for path in paths_below(root, on_error):
        yield from unreadable
        unreadable.clear()
        found = read_sidecar(root, path)
        if found is not None:
            yield found
    yield from unreadable


def read_sidecar(root: Path, path: PurePosixPath) -> OnDisk | None:
    """The sidecar of this path; None where no file is, or none any more. Raises `ConfigError` for a newer format."""
    try:
        data = read_regular(f"{root}{os.sep}{path}")
    except OSError as error:
        return _unreadable(path, error, "it cannot be read")
    if data is None:
        return None
    says = _understood(data, path)
    is_ours = isinstance(says, Sidecar) or FORMAT.encode() in data or _has_files(root, path)
    return OnDisk(path, says, len(data), sha256(data).hexdigest(), is_ours)


def paths_below(root: Path, on_error: Callable[[OSError], None] | None = None) -> Iterator[PurePosixPath]:
    """The path of every file that may be a sidecar of the archive in this folder, by its name."""
    for folder, names in folders_of_videos(root, on_error):
        relative = os.path.relpath(folder, root)
        for name in names:
            yield _posix(name if relative == "." else f"{relative}{os.sep}{name}")


def folders_of_videos(root: Path, on_error: Callable[[OSError], None] | None = None) -> Iterator[tuple[str, list[str]]]:
    """Each folder of an archive, in the order of the paths, with the names that sidecars may have. A folder in it that
    is an archive itself is passed over: its sidecars are of that one."""
    top = str(root)
    for folder, subfolders, names in os.walk(top, onerror=on_error):
        if folder != top and is_nested(folder, subfolders):
            subfolders.clear()
            continue
        own = {str(HIDDEN), str(LIBRARY)} if folder == top else {str(HIDDEN)}
        subfolders[:] = sorted(name for name in subfolders if name not in own and may_be_ours(name))
        yield folder, sorted(name for name in names if is_sidecar_name(name))


def is_nested(folder: str, subfolders: list[str]) -> bool:
    """Whether a folder within an archive is another archive."""
    return str(HIDDEN) in subfolders and Path(folder, MARKER).is_file()


def is_sidecar_name(name: str) -> bool:
    """Whether a file of this name may be a sidecar."""
    return name.endswith(".json") and not name.endswith(".partial.json") and may_be_ours(name)


def holds_sidecars(root: Path) -> bool:
    """Whether sidecars of an archive lie in a folder, as far as its first 10,000 names tell."""
    left = NAMES_FOR_A_HINT
    for folder, names in folders_of_videos(root):
        for name in names[: max(left, 0)]:
            with contextlib.suppress(OSError):
                if FORMAT.encode() in (read_regular(f"{folder}{os.sep}{name}", BYTES_FOR_A_HINT) or b""):
                    return True
        left -= len(names) + 1
        if left <= 0:
            break
    return False


def _understood(data: bytes, path: PurePosixPath) -> Sidecar | BrokenSidecar:
    try:
        return parse(data)
    except BrokenSidecar as error:
        return error
    except ConfigError as error:
        raise ConfigError(f"{printable(str(path), 1000)}: {error}", hint=error.hint) from None


def _has_files(root: Path, path: PurePosixPath) -> bool:
    """Whether outputs of a video lie beside a file as they lie beside its sidecar."""
    beside = root / path.with_suffix("")
    return any(beside.with_name(beside.name + suffix).is_file() for suffix in OUTPUT_SUFFIXES.values())


def _unreadable(path: PurePosixPath, error: OSError, words: str) -> OnDisk:
    return OnDisk(path, BrokenSidecar(f"{words}: {os.strerror(error.errno or 0)}"), 0, "")


def _posix(path: str) -> PurePosixPath:
    return PurePosixPath(path.replace(os.sep, "/"))


def read_regular(path: str | Path, limit: int = MAX_SIDECAR) -> bytes | None:
    """The bytes of a file, all or the first ones; None where it is none, or none any more, or larger than any sidecar.

    Raises `OSError`.
    """
    with contextlib.suppress(FileNotFoundError):
        status = os.lstat(path)
        if stat.S_ISREG(status.st_mode) and status.st_size <= MAX_SIDECAR:
            return read_bytes(path, limit)
    return None


def read_bytes(path: str | Path, limit: int) -> bytes:
    """The first bytes of a regular file, at most so many. Raises `OSError`."""
    blocks = []
    descriptor = disk.opener(str(path), os.O_RDONLY)
    try:
        while limit and (block := os.read(descriptor, min(limit, _BLOCK))):
            blocks.append(block)
            limit -= len(block)
    finally:
        os.close(descriptor)
    return b"".join(blocks)


def is_litter(name: str) -> bool:
    """True for what operating systems leave in folders: it counts as nothing."""
    return name in LITTER or name.startswith("._")


def may_be_ours(name: str) -> bool:
    """False for litter, and for bytes that are no text (they come as surrogates): the catalogue could not hold them."""
    return not is_litter(name) and (name.isascii() or not any("\ud800" <= each <= "\udfff" for each in name))
