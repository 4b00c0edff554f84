"""An archive looked through: every sidecar against the files that it names, and what lies beside them.

It reads, and writes nothing. It goes folder by folder, so memory depends on the largest folder and not on the archive.
Files are read by several threads at once, ahead of the video that is being judged; the order is that of the paths.
What looks like damage is looked at twice: a run beside this one may have written in between.

Where a sidecar is lost or unreadable, the catalogue says what the video's files should be. Where there is no catalogue
either, only the names in the folder tell that something was there.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping, Sequence
from itertools import islice
from pathlib import PurePosixPath

import msgspec
from msgspec import Struct

from .archive import Archive
from .catalogue import Known, Outline
from .errors import ConfigError, StorageError
from .events import BytesRead, Found, Observer, VideosChecked
from .findings import Finding, What, is_promise, slots_in_doubt
from .layout import PARTIAL
from .lookout import Chunk, Lookout, is_text, shown
from .models import Place, Slot
from .reading import ReadingEnded
from .shelf import Shelf
from .sidecar import Sidecar
from .subset import EVERYTHING, Subset
from .text import printable
from .threads import Threads
from .verdicts import (
    Held,
    Looked,
    about_sidecar,
    bad_slots,
    damaged_files,
    dangling,
    is_another,
    is_clean,
    lies_of,
    notes_on,
)

STEPS_AHEAD_PER_READER = 3
ROWS_PER_STEP = 1000
JUDGED_AT_ONCE = 400
TELL_EVERY_SECONDS = 0.25
_TOP = PurePosixPath()

_PARTIALS = (PARTIAL, f"{PARTIAL}.json", f"{PARTIAL}.next")


class Examined(Struct, frozen=True, kw_only=True):
    """A video that was looked at, nearly always because something is not as it should be.

    `sidecar` is the one on the disk, None where it is lost or damaged; `known` is what the catalogue knows of a video
    at this place. `truth` is what is to be believed of the two, None where there is neither; `truth_sha256` is the
    digest that the file of the sidecar has if it is that one, None where it is not known; `bad` names its files that
    are not as it says.
    """

    place: Place
    sidecar: Sidecar | None
    known: Known | None
    truth: Sidecar | None
    truth_sha256: str | None = None
    findings: tuple[Finding, ...]
    bad: frozenset[Slot] = frozenset()

    @property
    def is_damaged(self) -> bool:
        return any(finding.is_damage for finding in self.findings)


class Survey:
    """One look through an archive. `videos`, `files` and `incomplete` count what was looked at so far; `files_read`
    those that were read.

    With `quick`, sizes are compared and no file is read; else those of the videos of a `subset` are read. Where `only`
    some videos are wanted, nothing else of others is looked at than their sidecars. `all_videos` yields those as well
    with which nothing is wrong.
    """

    def __init__(
        self,
        archive: Archive,
        shelf: Shelf,
        *,
        quick: bool = False,
        subset: Subset = EVERYTHING,
        only: frozenset[str] | None = None,
        all_videos: bool = False,
        workers: int,
        observer: Observer,
    ) -> None:
        self._shelf = shelf
        self._lookout = Lookout(archive.root, quick=quick, subset=subset, only=only)
        self._all_videos = all_videos
        self._ahead = STEPS_AHEAD_PER_READER * workers
        self._threads = Threads(workers + 1, "reading")
        self._observer = observer
        self._told_bytes = 0
        self._claimed: set[str] = set()
        self._unreadable: dict[str, Looked] = {}
        self._settled: set[str] = set()
        self.videos = self.files = self.files_read = self.incomplete = 0

    @property
    def bytes_read(self) -> int:
        """The bytes of media that were read so far."""
        return self._lookout.reader.bytes

    async def examined(self) -> AsyncGenerator[Examined | Finding]:
        """What is not as it should be: videos, and files that belong to none; or all videos.

        Raises `StorageError`, `ConfigError`.
        """
        walk = self._lookout.walk()
        ahead: deque[tuple[Chunk, asyncio.Future[list[Looked]]]] = deque()
        try:
            while True:
                if len(ahead) <= self._ahead // 2:
                    chunks = await self._threads.hop(lambda: list(islice(walk, self._ahead - len(ahead))))
                    ahead.extend((chunk, self._threads.start(self._lookout.chunk, chunk)) for chunk in chunks)
                if not ahead:
                    break
                await self._watched(ahead[0][1])
                steps: list[tuple[Chunk, list[Looked]]] = []
                while ahead and ahead[0][1].done() and sum(len(looked) for _, looked in steps) < JUDGED_AT_ONCE:
                    chunk, future = ahead.popleft()
                    steps.append((chunk, future.result()))
                async for each in self._judged(steps):
                    yield each
            async for each in self._rows_without_sidecar():
                yield each
            self._tell_bytes()
        finally:
            self._lookout.reader.end()
            for _, future in ahead:
                with contextlib.suppress(ReadingEnded, StorageError):
                    await future
            self._threads.close()

    async def _watched(self, future: asyncio.Future[list[Looked]]) -> None:
        """Waits for a step; observers learn meanwhile how much was read."""
        while not future.done():
            await asyncio.wait([future], timeout=TELL_EVERY_SECONDS)
            self._tell_bytes()

    def _tell_bytes(self) -> None:
        count = self._lookout.reader.bytes - self._told_bytes
        if count:
            self._told_bytes += count
            self._observer(BytesRead(count))

    # The judgement, one video after the other

    async def _judged(self, steps: Sequence[tuple[Chunk, list[Looked]]]) -> AsyncIterator[Examined | Finding]:
        sound = [each.sidecar for _, looked in steps for each in looked if each.sidecar is not None]
        outlines = await self._shelf.ask(self._shelf.catalogue.outlines, [sidecar.id for sidecar in sound])
        held = await self._held(sound)
        for chunk, looked in steps:
            async for each in self._judged_chunk(chunk, looked, outlines, held):
                yield each

    async def _judged_chunk(
        self, chunk: Chunk, looked: Sequence[Looked], outlines: Mapping[str, Outline], held: Held
    ) -> AsyncIterator[Examined | Finding]:
        for each in looked:
            if each.sidecar is None:
                self._unreadable[each.name] = each
                continue
            self._claimed.update((each.name, *(asset.path for asset in each.sidecar.assets if asset.path)))
            found = await self._judge(chunk.folder, each, outlines.get(each.sidecar.id), held)
            if found is not None and (self._all_videos or isinstance(found, Finding) or found.findings):
                self._tell(found)
                yield found
        if chunk.is_last:
            for finding in chunk.troubles:
                self._tell(finding)
                yield finding
            async for left in self._leftovers(chunk):
                self._tell(left)
                yield left
            self._claimed.clear()
            self._unreadable.clear()

    async def _judge(
        self, folder: PurePosixPath, looked: Looked, outline: Outline | None, held: Held
    ) -> Examined | Finding | None:
        """A video whose sidecar can be read; None where it turns out to be another's, or is not wanted."""
        sidecar = looked.believed
        place = Place("" if folder == _TOP else str(folder), looked.name.removesuffix(".json"))
        if outline is not None and outline.sidecar_bytes is None:
            outline = None
        if (outline is None or outline.place != place) and await self._is_of_another(place, sidecar):
            self._claimed.discard(looked.name)
            problem = f"it is the one of another video, {printable(sidecar.id, 60)}"
            self._unreadable[looked.name] = msgspec.structs.replace(looked, sidecar=None, problem=problem)
            return None
        moved = outline is not None and outline.place != place
        if moved and outline is not None:
            if sidecar.id in self._settled or await self._is_there(outline.place):
                detail = f"another sidecar of the video that lies at {outline.place.sidecar}"
                return Finding(what=What.EXTRA, path=str(place.sidecar), detail=detail, video_id=sidecar.id)
            self._settled.add(sidecar.id)
        if not self._lookout.wants(sidecar):
            return None
        self._count(sidecar, len(looked.seen))
        notes = tuple(notes_on(place, sidecar, outline))
        if is_clean(looked, outline, held):
            return Examined(
                place=place, sidecar=sidecar, known=None, truth=sidecar, truth_sha256=looked.sha256, findings=notes
            )
        return await self._judge_again(place, looked, outline, notes)

    async def _is_of_another(self, place: Place, sidecar: Sidecar) -> bool:
        """Whether this is the place of another video, as far as the catalogue knows."""
        there = await self._shelf.ask(self._shelf.catalogue.at, [place])
        return any(known.sidecar.id != sidecar.id and known.sidecar_bytes is not None for known in there)

    async def _judge_again(
        self, place: Place, looked: Looked, outline: Outline | None, notes: tuple[Finding, ...]
    ) -> Examined | None:
        """The second look at a video, with all that the catalogue knows of it."""
        again = await self._threads.hop(self._lookout.sidecar, PurePosixPath(place.folder), looked.name)
        if again.sidecar is None:
            self._unreadable[again.name] = again
            return None
        sidecar = again.sidecar
        if again.sha256 != looked.sha256:  # written meanwhile: what the catalogue said is of the former one
            outline = None
        known = (await self._shelf.ask(self._shelf.catalogue.known, [sidecar.id])).get(sidecar.id)
        if known is not None and (known.place != place or known.sidecar_bytes is None):
            known = None
        held = await self._held([sidecar, *([known.sidecar] if known else [])])
        lies, contradicted = lies_of(again, outline, known, held)
        truth, digest, seen = sidecar, again.sha256, again.seen
        if known is not None and contradicted:
            truth, digest = known.sidecar, known.sidecar_sha256
            seen = await self._threads.hop(self._lookout.files, PurePosixPath(place.folder), truth)
        false = [about_sidecar(What.FALSE_SIDECAR, place, lies[0], sidecar.id)] if lies else []
        findings = (*false, *damaged_files(place, truth, seen), *notes)
        bad = frozenset(bad_slots(truth, seen)) | dangling(truth, held) | slots_in_doubt(truth, again.name)
        return Examined(
            place=place, sidecar=sidecar, known=known, truth=truth, truth_sha256=digest, findings=findings, bad=bad
        )

    async def _held(self, sidecars: Iterable[Sidecar]) -> Held:
        """Those files that inputs are linked to that the archive holds, as far as the catalogue knows."""
        targets = {asset.video_id for sidecar in sidecars for asset in sidecar.assets if asset.video_id is not None}
        return await self._shelf.ask(self._shelf.catalogue.held_files, sorted(targets)) if targets else frozenset()

    async def _leftovers(self, chunk: Chunk) -> AsyncIterator[Examined | Finding]:
        """What no readable sidecar of a folder names: videos with a lost or damaged one, and files of none."""
        names = [name for name in (*chunk.others, *self._unreadable) if name not in self._claimed]
        if not names:
            return
        stems = sorted({name.partition(".")[0] for name in names if is_text(name)})
        places = [Place.of(chunk.folder / f"{stem}.json") for stem in stems]
        known = {each.place.stem: each for each in await self._shelf.ask(self._shelf.catalogue.at, places)}
        taken: set[str] = set()
        for stem in stems:
            unreadable = self._unreadable.get(f"{stem}.json")
            each = known.get(stem)
            if unreadable is not None and unreadable.is_newer:
                _refuse_newer(chunk.folder, unreadable, each)
            if each is not None and each.sidecar_bytes is not None:
                found = await self._judge_by_catalogue(each, unreadable)
                if found is not None:
                    yield found
                taken.update(asset.path for asset in each.sidecar.assets if asset.path)
                taken.add(f"{stem}.json")
            elif unreadable is not None and (unreadable.is_ours or _has_files(stem, chunk.others)):
                taken.add(unreadable.name)
                place = Place.of(chunk.folder / unreadable.name)
                self.videos += 1
                finding = about_sidecar(What.DAMAGED_SIDECAR, place, unreadable.problem, None)
                yield Examined(place=place, sidecar=None, known=None, truth=None, findings=(finding,))
        for name in sorted(set(names) - taken):
            path = shown(str(chunk.folder / name))
            if name.endswith(_PARTIALS):
                yield Finding(what=What.UNFINISHED, path=path, detail="a download that was not finished")
            elif name.partition(".")[0] in known:
                yield Finding(what=What.UNFINISHED, path=path, detail="no sidecar of its video names it yet")
            else:
                yield Finding(what=What.EXTRA, path=path, detail="no sidecar names it")

    async def _judge_by_catalogue(self, known: Known, unreadable: Looked | None) -> Examined | None:
        """A video whose sidecar is lost or damaged, by what the catalogue knows of it."""
        sidecar, place = known.sidecar, known.place
        if unreadable is None and (sidecar.id in self._settled or await self._is_there(place)):
            return None  # written meanwhile, or found elsewhere
        self._settled.add(sidecar.id)
        if not self._lookout.wants(sidecar):
            return None
        self._count(sidecar, sum(is_promise(asset) for asset in sidecar.assets))
        what, problem = What.LOST_SIDECAR, "it is not there"
        if unreadable is not None:
            what, problem = What.DAMAGED_SIDECAR, unreadable.problem
        seen = await self._threads.hop(self._lookout.files_of, known)
        findings = (about_sidecar(what, place, problem, sidecar.id), *damaged_files(place, sidecar, seen))
        bad = frozenset(bad_slots(sidecar, seen))
        return Examined(
            place=place,
            sidecar=None,
            known=known,
            truth=sidecar,
            truth_sha256=known.sidecar_sha256,
            findings=findings,
            bad=bad,
        )

    async def _rows_without_sidecar(self) -> AsyncIterator[Examined]:
        """Videos of the catalogue of whose files nothing at all was met."""
        after = ""
        while rows := await self._shelf.ask(self._shelf.catalogue.outlines_after, after, ROWS_PER_STEP):
            after = rows[-1].id
            rows = [row for row in rows if row.sidecar_bytes is not None and row.id not in self._settled]
            missing = await self._threads.hop(self._lookout.without_sidecar, rows)
            known = await self._shelf.ask(self._shelf.catalogue.known, [row.id for row in missing])
            for row in missing:
                found = await self._judge_by_catalogue(known[row.id], None) if row.id in known else None
                if found is not None:
                    self._tell(found)
                    yield found

    async def _is_there(self, place: Place) -> bool:
        return await self._threads.hop(self._lookout.has_sidecar, place)

    def _count(self, sidecar: Sidecar, files: int) -> None:
        self.videos += 1
        self.files += files
        self.files_read += files if self._lookout.reads(sidecar) else 0
        self.incomplete += not sidecar.complete
        self._observer(VideosChecked(1))

    def _tell(self, found: Examined | Finding) -> None:
        for finding in found.findings if isinstance(found, Examined) else (found,):
            self._observer(Found(finding.what, finding.path, finding.detail, is_damage=finding.is_damage))


def _refuse_newer(folder: PurePosixPath, looked: Looked, known: Known | None) -> None:
    """Raises `ConfigError` for a sidecar of a newer release, but not where rot alone has made one of it."""
    outline = None
    if known is not None:
        sidecar = known.sidecar
        outline = Outline(sidecar.id, known.place, known.sidecar_bytes, known.sidecar_sha256, sidecar.archived_at)
    if not is_another(looked, outline):
        raise ConfigError(
            f"{shown(str(folder / looked.name))}: {looked.problem}",
            hint="update pictory-archiver; nothing was changed",
        )


def _has_files(stem: str, names: Sequence[str]) -> bool:
    """Whether outputs of a video of this stem lie beside it."""
    return any(name.startswith(f"{stem}.") and not name.endswith(_PARTIALS) for name in names)
