"""What is seen of an archive that is looked into: folders, sidecars, files. It blocks, and writes nothing."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from msgspec import Struct

from . import disk
from .archive import HIDDEN, INDEX, LIBRARY, MAX_SIDECAR, README, is_litter
from .catalogue import Known, Outline
from .errors import ConfigError, StorageError
from .findings import Finding, Seen, What, is_promise
from .layout import PARTIAL
from .models import Place, Slot
from .reading import Reader
from .settings import MIB
from .sidecar import FORMAT, BrokenSidecar, Sidecar, parse
from .subset import Subset
from .text import printable
from .tree import EXPORTS, is_nested, read_bytes
from .verdicts import Looked
from .verification import MAX_PATH

VIDEOS_PER_STEP = 8
MOST_VIDEOS_PER_STEP = 64
BYTES_PER_STEP = 8 * MIB

_OURS_AT_ROOT = frozenset(map(str, (README, INDEX, *EXPORTS.values())))


class Chunk(Struct, frozen=True):
    """Some of the sidecars of a folder; the last chunk of each has all its other names, and what else was found."""

    folder: PurePosixPath
    sidecars: tuple[str, ...]
    is_last: bool
    others: tuple[str, ...] = ()
    troubles: tuple[Finding, ...] = ()


class Lookout:
    """Looks into one archive, for a check. Its methods may be called by several threads at once, but for `walk`.

    With `quick`, sizes are compared and no file is read; else those of the videos of a `subset` are read. Where `only`
    some videos are wanted, nothing else of others is looked at than their sidecars. `looked` counts the sidecars.
    """

    def __init__(self, root: Path, *, quick: bool, subset: Subset, only: frozenset[str] | None) -> None:
        self._root = root
        self._quick = quick
        self._subset = subset
        self._only = only
        self.reader = Reader()
        self.looked = 0

    def walk(self) -> Iterator[Chunk]:
        """The folders in the order of their paths, each in chunks."""
        troubles: list[Finding] = []

        def on_error(error: OSError) -> None:
            where = os.path.relpath(os.fsdecode(error.filename or ""), self._root)
            detail = f"the folder cannot be read: {os.strerror(error.errno or 0)}"
            troubles.append(Finding(what=What.UNREADABLE, path=shown(where), detail=detail))

        for path, subfolders, names in os.walk(self._root, onerror=on_error):
            folder = PurePosixPath(os.path.relpath(path, self._root).replace(os.sep, "/"))
            is_top = folder == PurePosixPath()
            if not is_top and is_nested(path, subfolders):
                where, detail = shown(str(folder)), "another archive, which is not looked into"
                troubles.append(Finding(what=What.EXTRA, path=where, detail=detail))
                subfolders.clear()
                continue
            for name in sorted(subfolders):
                detail = ""
                if os.path.islink(os.path.join(path, name)):  # noqa: PTH114, PTH118 - names that may be no text
                    detail = "a link, which is not followed"
                elif not is_text(name):
                    detail = "a folder whose name is no text: the archive has none such, and it is not looked into"
                if detail:
                    troubles.append(Finding(what=What.EXTRA, path=shown(str(folder / name)), detail=detail))
            kept = (each for each in subfolders if not (is_litter(each) or (is_top and _is_hidden(each))))
            subfolders[:] = sorted(each for each in kept if is_text(each))
            names = sorted(name for name in names if not (is_litter(name) or (is_top and name in _OURS_AT_ROOT)))
            sidecars = [name for name in names if _may_be_sidecar(name)]
            others = tuple(sorted(set(names).difference(sidecars)))
            count = self._videos_per_step()
            *full, last = (sidecars[start : start + count] for start in range(0, max(len(sidecars), 1), count))
            for each in full:
                yield Chunk(folder, tuple(each), is_last=False)
            yield Chunk(folder, tuple(last), is_last=True, others=others, troubles=tuple(troubles))
            troubles.clear()
        if troubles:
            yield Chunk(PurePosixPath(), (), is_last=True, troubles=tuple(troubles))

    def chunk(self, chunk: Chunk) -> list[Looked]:
        """The sidecars of a chunk, and their files."""
        looked = [self.sidecar(chunk.folder, name) for name in chunk.sidecars]
        self.looked += len(looked)
        return looked

    def _videos_per_step(self) -> int:
        """Few where they are large, so that all readers have some to read; many where the steps would cost more than
        the reading, as far as those tell that were read so far."""
        if not self.looked:
            return VIDEOS_PER_STEP
        fitting = BYTES_PER_STEP * self.looked // max(self.reader.bytes, 1)
        return min(max(fitting, VIDEOS_PER_STEP), MOST_VIDEOS_PER_STEP)

    def sidecar(self, folder: PurePosixPath, name: str) -> Looked:
        """A sidecar, and the files that it promises."""
        path = f"{self._root}{os.sep}{folder}{os.sep}{name}"
        try:
            if not stat.S_ISREG(os.lstat(path).st_mode):
                return Looked(name, None, None, None, is_ours=False, problem="it is a link, or no file", seen={})
            data = read_bytes(path, MAX_SIDECAR + 1)
        except OSError as error:
            problem = f"it cannot be read: {os.strerror(error.errno or 0)}"
            return Looked(name, None, None, None, is_ours=False, problem=problem, seen={})
        digest = hashlib.sha256(data).hexdigest()
        try:
            sidecar = parse(data)
        except BrokenSidecar as error:
            is_ours = FORMAT.encode() in data
            return Looked(name, None, len(data), digest, is_ours=is_ours, problem=str(error), seen={})
        except ConfigError as error:
            return Looked(name, None, len(data), digest, is_ours=True, problem=str(error), seen={}, is_newer=True)
        return Looked(name, sidecar, len(data), digest, is_ours=True, problem="", seen=self.files(folder, sidecar))

    def files(self, folder: PurePosixPath, sidecar: Sidecar) -> dict[Slot, Seen]:
        """The files that a sidecar promises, as they are."""
        if not self.wants(sidecar):
            return {}
        read = self.reads(sidecar)
        where = f"{self._root}{os.sep}{folder}{os.sep}"
        promised = {asset.slot: asset.path for asset in sidecar.assets if is_promise(asset)}
        return {slot: self.reader.look(f"{where}{name}", read=read) for slot, name in promised.items()}

    def files_of(self, known: Known) -> dict[Slot, Seen]:
        """As `files`, where the folder was not walked: it may be lost, or a link by now."""
        try:
            disk.find(self._root, known.place.sidecar)
        except StorageError as error:
            return {asset.slot: Seen(None, trouble=str(error)) for asset in known.sidecar.assets if is_promise(asset)}
        return self.files(PurePosixPath(known.place.folder), known.sidecar)

    def without_sidecar(self, rows: Sequence[Outline]) -> list[Outline]:
        """Those of which no sidecar is there."""
        folders = {row.place.folder: row.place for row in rows}
        lost = {folder for folder, place in folders.items() if not self._has_folder(place)}
        root = f"{self._root}{os.sep}"
        return [
            row for row in rows if row.place.folder in lost or disk.size_of(f"{root}{row.place.sidecar_text}") is None
        ]

    def has_sidecar(self, place: Place) -> bool:
        """Whether a sidecar is at its place."""
        return self._has_folder(place) and disk.size_of(self._root / place.sidecar) is not None

    def _has_folder(self, place: Place) -> bool:
        """Whether the folder of a place may have sidecars: no link leads there."""
        try:
            disk.find(self._root, place.sidecar)
        except StorageError:
            return False
        return True

    def wants(self, sidecar: Sidecar) -> bool:
        """Whether a video is looked at."""
        return self._only is None or sidecar.id in self._only

    def reads(self, sidecar: Sidecar) -> bool:
        """Whether its files are read."""
        return not self._quick and self._subset.holds(sidecar.id)


def _may_be_sidecar(name: str) -> bool:
    return name.endswith(".json") and not name.endswith(f"{PARTIAL}.json") and is_text(name)


def _is_hidden(name: str) -> bool:
    return name in (str(HIDDEN), str(LIBRARY))


def is_text(name: str) -> bool:
    """False for names whose bytes are no text: they come as surrogates."""
    return name.isascii() or not any("\ud800" <= character <= "\udfff" for character in name)


def shown(path: str) -> str:
    """A path as it is told."""
    return printable(path, MAX_PATH)
