"""The offline library: `index.html` and the folder `library/`, written from the catalogue. Blocks.

Chunks come first, under names that follow from what is in them; then the page; then `state.js`, which names the chunks:
in that moment, and at no other, the library is the new one. Chunks of the last edition but one go at the end, so that a
page that is open stays whole through one rebuilding. All of it is derived: it may be deleted, and is made anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from bisect import insort
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Iterator
from datetime import datetime
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Literal

import msgspec
from msgspec import Struct, structs

from . import disk
from .archive import Archive, hold
from .catalogue import Catalogue, DamagedCatalogue
from .chains import File
from .edition import CHUNK_NAME, Chunk, Edition, Stamp, basis_of, draw_up
from .entry import Entry
from .errors import ConfigError
from .events import Observer, VideosChecked, silent
from .ledger import ledger_of
from .looking import Gallery, read_chains
from .page_data import State, cards_script, details_script, state_script
from .page_file import icon, index_html
from .rebuild import open_or_rebuild
from .report import NOT_COVERED
from .settings import Settings
from .sidecar import render, timestamp
from .space import Space
from .tree import INDEX, LIBRARY, read_regular
from .workshop import RELEASE

STATE = LIBRARY / "state.js"
ICON = LIBRARY / "icon.svg"
CONTENTS = LIBRARY / "contents.json"
BATCH = 500
MARK = b'<meta name="generator" content="pictory-archiver'
"""By this a page is known to be one of ours."""

Script = Callable[[Chunk, str], bytes]
"""Makes the file of this name of a chunk."""


class Contents(Struct, frozen=True, kw_only=True):
    """What the library consists of: its edition, without the ids, and the sizes of its files. `built_at` is UTC."""

    format: Literal["pictory-archiver/library-contents"] = "pictory-archiver/library-contents"
    version: Literal[1] = 1
    built_at: str
    edition: Edition
    files: dict[str, int]


class Built(Struct, frozen=True, kw_only=True):
    """A library that was built: where its page is, of how many videos, and what was written for that."""

    format: Literal["pictory-archiver/library-built"] = "pictory-archiver/library-built"
    version: Literal[1] = 1
    archive: str
    page: str
    videos: int
    chunks: int
    files_written: int
    bytes_written: int
    verdict: str


class Pages:
    """The library's files, as a catalogue has them made. `edition` is the `former` one, where nothing that is in its
    chunks has changed since. Else each of its chunks is told to `is_settled`, with what makes its files; of those that
    are, no more files can be made."""

    def __init__(
        self,
        archive: Archive,
        catalogue: Catalogue,
        *,
        former: Edition | None = None,
        is_settled: Callable[[Chunk, Script], bool] = lambda _, __: False,
    ) -> None:
        self._archive = archive
        self._gallery = Gallery(catalogue)
        self._catalogue = catalogue
        self._read: Chunk | None = None
        self._entries: list[Entry] = []
        self.edition = self._edition(former, is_settled)

    def _edition(self, former: Edition | None, is_settled: Callable[[Chunk, Script], bool]) -> Edition:
        catalogue, time_zone = self._catalogue, self._archive.marker.time_zone
        basis = basis_of(catalogue.overview.state(), time_zone)  # before what a run beside it may change is read
        if former is not None and former.basis == basis:
            return former
        linked: defaultdict[str, list[str]] = defaultdict(list)
        chains = read_chains(catalogue.overview, _noted(catalogue.overview.links(), linked))
        self._gallery = Gallery(catalogue, chains)
        edition = draw_up(
            _stated(catalogue, catalogue.overview.stamps()),
            chains,
            linked,
            time_zone,
            find=lambda ids: _stated(catalogue, catalogue.overview.stamps_of(ids)),
            is_settled=lambda chunk: is_settled(chunk, self.script),
        )
        return structs.replace(edition, basis=basis)

    def script(self, chunk: Chunk, name: str) -> bytes:
        """The file of this name of a chunk."""
        if self._read is not chunk:
            self._entries = list(self._gallery.entries(chunk.ids))
            self._read = chunk
        return (cards_script if name == chunk.cards else details_script)(name, self._entries)

    def state(self, now: datetime) -> State:
        """The state of the archive."""
        ledger = ledger_of(self._archive, self._catalogue, now, in_passing=False)
        told = {name: getattr(ledger, name) for name in State.__struct_fields__ if hasattr(ledger, name)}
        return State(**told, bytes=sum(each.bytes for each in ledger.holdings), scope=NOT_COVERED)

    def state_file(self, state: State, built_at: str) -> bytes:
        """The script that the page begins with."""
        return state_script(
            state,
            self.edition,
            built_at=built_at,
            built_by=RELEASE,
            time_zone=self._archive.marker.time_zone,
        )


def build_library(
    archive: Archive,
    catalogue: Catalogue,
    now: datetime,
    *,
    reserve: int,
    observer: Observer = silent,
) -> Built:
    """Writes the library of an archive that is held, as far as it is not written yet.

    Raises `ConfigError` where a page lies there that is not ours, and `StorageError`: `NoRoom` where `reserve` bytes
    would not stay free. The observer is told of each chunk; what it raises ends the work. The former library is whole
    then.
    """
    _refuse_foreign_page(archive.root)
    writer = _Writer(archive.root, Space(archive.root, reserve))
    before = _read_contents(archive.root)
    there = _sizes(archive.root)
    known = dict(before.files) if before else {}

    def is_there(chunk: Chunk) -> bool:
        return all(name in known and there.get(name) == known[name] for name in chunk.files)

    def settle(chunk: Chunk, script: Script) -> bool:
        if not is_there(chunk):
            for name in chunk.files:
                data = script(chunk, name)
                writer.write(LIBRARY / name, data)
                known[name] = len(data)
            observer(VideosChecked(chunk.count))
        return True

    former = before.edition if before and all(map(is_there, before.edition.chunks)) else None
    pages = Pages(archive, catalogue, former=former, is_settled=settle)
    edition = pages.edition
    writer.write_if_other(ICON, icon())
    writer.write_if_other(INDEX, index_html())
    state = pages.state(now)
    built_at = before.built_at if before else timestamp(now)
    if pages.state_file(state, built_at) != _read(archive.root, STATE):
        built_at = timestamp(now)
        writer.write(STATE, pages.state_file(state, built_at))
    files = {name: known[name] for chunk in edition.chunks for name in chunk.files}
    contents = Contents(built_at=built_at, edition=edition.without_ids(), files=files)
    writer.write_if_other(CONTENTS, msgspec.json.encode(contents))
    _remove_others(archive.root, there, known.keys())
    return Built(
        archive=str(archive.root),
        page=str(archive.root / INDEX),
        videos=sum(chunk.count for chunk in edition.chunks),
        chunks=len(edition.chunks),
        files_written=writer.files,
        bytes_written=writer.bytes,
        verdict=state.verdict,
    )


def write_library(root: Path, settings: Settings, now: datetime, *, observer: Observer = silent) -> Built:
    """Builds the library of the archive in a folder, as the command `library` does.

    Raises `ArchiveBusy`, and what `build_library` raises.
    """
    time_zone = settings.layout.time_zone
    with hold(root, time_zone=time_zone, now=now, must_exist=True, command="library") as archive:
        try:
            return _write(archive, settings, now, observer, distrust=False)
        except DamagedCatalogue:
            return _write(archive, settings, now, observer, distrust=True)


def _write(archive: Archive, settings: Settings, now: datetime, observer: Observer, *, distrust: bool) -> Built:
    catalogue, _ = open_or_rebuild(archive, settings.catalogue, distrust=distrust)
    with contextlib.closing(catalogue):
        return build_library(archive, catalogue, now, reserve=settings.download.reserve, observer=observer)


class _Writer:
    """Writes files of the library, and counts them."""

    def __init__(self, root: Path, space: Space) -> None:
        self._root = root
        self._space = space
        self.files = 0
        self.bytes = 0

    def write(self, path: PurePosixPath, data: bytes) -> None:
        self._space.take(len(data))
        disk.write_file(disk.make_folder(self._root, path.parent) / path.name, data)
        self.files += 1
        self.bytes += len(data)

    def write_if_other(self, path: PurePosixPath, data: bytes) -> None:
        if _read(self._root, path) != data:
            self.write(path, data)


def _stated(catalogue: Catalogue, stamps: Iterable[Stamp]) -> Iterator[Stamp]:
    """Each with a state: where the digest of the sidecar is not known, that of what is."""
    stamps = iter(stamps)
    while batch := list(islice(stamps, BATCH)):
        lacking = catalogue.known([stamp.id for stamp in batch if not stamp.state])
        states = {video_id: hashlib.sha256(render(known.sidecar)).hexdigest() for video_id, known in lacking.items()}
        for stamp in batch:
            yield stamp if stamp.state else structs.replace(stamp, state=states.get(stamp.id, ""))


def _noted(links: Iterable[File], linked: defaultdict[str, list[str]]) -> Iterator[File]:
    """The links. By id are `linked`, while they pass, the videos whose files a video shows as its inputs."""
    for link in links:
        if link.linked_video is not None:
            insort(linked[link.video_id], link.linked_video)
        yield link


def _refuse_foreign_page(root: Path) -> None:
    """Raises `ConfigError` where somebody else's page, or no folder of ours, has the name of the library's."""
    page = _read(root, INDEX)
    if os.path.lexists(root / INDEX) and MARK not in (page or b""):
        raise ConfigError(
            f"{root / INDEX} is not a page of this program, and is not replaced",
            hint="move it away, and run `pictory-archiver library`",
        )


def _read_contents(root: Path) -> Contents | None:
    """What the former library consists of; None where there is none, or none that this release knows."""
    data = _read(root, CONTENTS)
    if data is None:
        return None
    try:
        return msgspec.json.decode(data, type=Contents)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _read(root: Path, path: PurePosixPath) -> bytes | None:
    """The bytes of a file; None where there is none, or something else. Raises `StorageError` where a link is."""
    found = disk.find(root, path)
    with disk.storage_errors(found):
        return read_regular(found)


def _sizes(root: Path) -> dict[str, int]:
    """The sizes of all chunks that lie there, by name."""
    folder = disk.make_folder(root, LIBRARY)
    with disk.storage_errors(folder), os.scandir(folder) as entries:
        return {
            entry.name: entry.stat(follow_symlinks=False).st_size
            for entry in entries
            if CHUNK_NAME.fullmatch(entry.name) and entry.is_file(follow_symlinks=False)
        }


def _remove_others(root: Path, there: Iterable[str], kept: Container[str]) -> None:
    """Removes the chunks that no edition has any more. One that cannot be removed does no harm."""
    for name in there:
        if name not in kept:
            with contextlib.suppress(OSError):
                (root / LIBRARY / name).unlink()
