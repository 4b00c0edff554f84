"""One file of one video: from its URL to its final name, or to a value that says why not.

Rules: what is kept has the announced length and a whole structure. A transfer that was cut goes on with `Range` and
`If-Range`, where the entity tag is strong, and only with a 206 that fits to the byte; in every other case it starts
again. Nothing but a `StorageError` leaves this room: a file that could not be had is an `Asset` like any other.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import re
from collections.abc import Callable
from urllib.parse import urlsplit

from msgspec import Struct

from . import layout
from .addresses import origin
from .errors import BrokenBody, HttpStatus, Unacceptable, Unreachable, WebError
from .events import BytesReceived, FileFailed, FileStored, Observer
from .http import Answer, Web
from .media import AnyMediaCheck, MediaCheck
from .media_types import expected
from .models import OUTPUTS, Asset, Kind, Place, Slot, Source, Status
from .pace import Pace
from .retry import Retrier
from .settings import MIB, Download
from .sidecar import timestamp
from .sink import Check, Committed
from .staging import Staged
from .store import Store
from .text import printable

RESUMABLE_ABOVE = 16 * MIB
MARK_EVERY = 16 * MIB
VIDEO_KINDS = (Kind.VIDEO, Kind.EXTEND_SOURCE)

_STRONG_ETAG = re.compile(r'"[!#-~]*"')
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})")


class Job(Struct, frozen=True):
    """A file to fetch: of which video, from where, to which place, with which modification time, under the name of
    which revision."""

    video_id: str
    source: Source
    place: Place
    modified: datetime.datetime | None
    revision: int = 1


class _Version(Struct, frozen=True):
    """Which bytes a transfer is about: their strong entity tag and their whole size."""

    etag: str
    total: int


class _Transfer(Struct):
    """What the attempts at one file share."""

    job: Job
    staged: Staged
    host: str
    version: _Version | None = None
    reopened: bool = False


class Downloader:
    """Fetches files for one run, first come first. `now` gives the time in UTC.

    As many workers as are set receive, and as many finish what was received: no connection waits for the disk, and what
    waits for the disk is bounded.
    """

    def __init__(
        self,
        web: Web,
        store: Store,
        retrier: Retrier,
        settings: Download,
        observer: Observer,
        now: Callable[[], datetime.datetime],
    ) -> None:
        self._web = web
        self._store = store
        self._retrier = retrier
        self._settings = settings
        self._pace = Pace(settings.limit_rate)
        self._observer = observer
        self._now = now
        self._receiving = asyncio.Semaphore(settings.workers)
        self._finishing = asyncio.Semaphore(settings.workers)

    async def fetch(self, job: Job) -> Asset:
        """The file as an asset: `stored`, `missing` (404, 410), `denied` (403) or `failed`.

        Raises `StorageError`.
        """
        slot = job.source.slot
        partial = layout.partial_name(job.place.stem, slot, revision=job.revision)
        staged = self._store.stage(job.place.folder, partial, lambda: _check_for(slot))
        try:
            transfer = _Transfer(job, staged, _host(job.source.url))
            asset = await self._retrier.run(
                lambda: self._attempt(transfer),
                host=transfer.host,
                what=f"{slot} of {printable(job.video_id, 60)}",
            )
        except WebError as error:
            asset = _failure(job.source, error)
            if asset.status is Status.MISSING:
                await staged.restart()
            self._observer(FileFailed(job.video_id, slot, asset.status, asset.error or ""))
        else:
            self._observer(FileStored(job.video_id, slot, job.place.text(asset.path or ""), asset.bytes or 0))
        finally:
            await staged.close()
        return asset

    async def _attempt(self, transfer: _Transfer) -> Asset:
        staged = transfer.staged
        try:
            async with self._receiving:
                await self._retrier.wait_for(transfer.host)
                await self._take_up(transfer)
                async with self._pace.file(), self._web.get(transfer.job.source.url, _conditions(transfer)) as answer:
                    await self._receive(transfer, answer)
                await self._finishing.acquire()
            try:
                committed = await staged.commit(lambda check: _final_name(transfer.job, check), transfer.job.modified)
            finally:
                self._finishing.release()
            return self._stored(transfer.job, committed, answer)
        except (Unreachable, HttpStatus):
            raise
        except WebError:
            transfer.version = None
            await staged.restart()
            raise

    async def _take_up(self, transfer: _Transfer) -> None:
        """Goes on from what an earlier run or attempt left; from nothing where it cannot be told from what."""
        staged = transfer.staged
        if not transfer.reopened:
            transfer.reopened = True
            point = await staged.reopen()
            if point and point.address == transfer.job.source.address and _STRONG_ETAG.fullmatch(point.etag):
                transfer.version = _Version(point.etag, point.total)
        if staged.size and transfer.version is None:
            await staged.restart()

    async def _receive(self, transfer: _Transfer, answer: Answer) -> None:
        """Takes the whole body. Raises `WebError`s; what was taken before an `Unreachable` is good."""
        staged = transfer.staged
        total: int | None
        if answer.status == 206:
            total = _fitting_range(transfer, answer)
        elif answer.status == 200:
            total = answer.length
            transfer.version = _version(answer)
            await staged.restart()
        elif answer.status == 416:
            raise BrokenBody("the server refused to go on where the transfer had stopped")
        else:
            raise await answer.refusal()
        cap = self._cap(transfer.job.source.slot.kind)
        if (total or 0) > cap:
            raise Unacceptable(f"larger than the limit of {cap:,} bytes")
        await staged.expect((total or 0) - staged.size)
        async with contextlib.aclosing(answer.blocks()) as blocks:
            async for block in blocks:
                if staged.size + len(block) > cap:
                    raise Unacceptable(f"larger than the limit of {cap:,} bytes")
                await self._pace.take(len(block))
                await staged.write(block)
                self._observer(BytesReceived(len(block)))
                version = transfer.version
                if version and _is_worth_a_mark(staged, version):
                    await staged.mark(transfer.job.source.address, version.etag, version.total)
                if staged.size == total:
                    break  # however the connection ends, all of it is here
        if total is not None and staged.size < total:
            raise Unreachable(f"cut off after {staged.size:,} of {total:,} bytes")
        if total is not None and staged.size > total:
            raise BrokenBody(f"{staged.size:,} bytes where {total:,} were announced")
        if staged.size == 0:
            raise BrokenBody("an empty file")

    def _cap(self, kind: Kind) -> int:
        return self._settings.max_video_bytes if kind in VIDEO_KINDS else self._settings.max_image_bytes

    def _stored(self, job: Job, committed: Committed, answer: Answer) -> Asset:
        return Asset(
            kind=job.source.slot.kind,
            index=job.source.slot.index or None,
            status=Status.STORED,
            path=committed.path.name,
            bytes=committed.bytes,
            sha256=committed.sha256,
            content_type=_header(answer, "Content-Type"),
            etag=_header(answer, "ETag"),
            last_modified=_header(answer, "Last-Modified"),
            url=job.source.address,
            stored_at=timestamp(self._now()),
        )


def _failure(source: Source, error: WebError) -> Asset:
    slot, status = source.slot, Status.FAILED
    if isinstance(error, HttpStatus):
        status = {403: Status.DENIED, 404: Status.MISSING, 410: Status.MISSING}.get(error.status, Status.FAILED)
    return Asset(
        kind=slot.kind,
        index=slot.index or None,
        status=status,
        path=None,
        error=printable(str(error)),
        url=source.address,
    )


def _check_for(slot: Slot) -> Check:
    return MediaCheck(expected(slot.kind)) if slot.kind in OUTPUTS else AnyMediaCheck()


def _final_name(job: Job, check: Check) -> str:
    extension = check.media_type.extension if isinstance(check, AnyMediaCheck) else None
    return layout.file_name(job.place.stem, job.source.slot, extension, revision=job.revision)


def _conditions(transfer: _Transfer) -> dict[str, str]:
    if transfer.version is None or not transfer.staged.size:
        return {}
    return {"Range": f"bytes={transfer.staged.size}-", "If-Range": transfer.version.etag}


def _host(url: str) -> str:
    """The host that a 429 is about. Raises `Forbidden` where the URL names none."""
    return urlsplit(origin(url)).netloc


def _is_worth_a_mark(staged: Staged, version: _Version) -> bool:
    return version.total > RESUMABLE_ABOVE and staged.marked + MARK_EVERY <= staged.size < version.total


def _version(answer: Answer) -> _Version | None:
    etag = answer.headers.get("ETag", "")
    if answer.length is None or not _STRONG_ETAG.fullmatch(etag):
        return None
    return _Version(etag, answer.length)


def _fitting_range(transfer: _Transfer, answer: Answer) -> int:
    """The whole size, where this 206 goes on exactly behind the last byte taken. Raises `BrokenBody`."""
    version = transfer.version
    if version is None or not transfer.staged.size:
        raise BrokenBody("a part of the file was sent where all of it was asked for")
    match = _CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", "").strip())
    fits = match is not None and tuple(map(int, match.groups())) == (
        transfer.staged.size,
        version.total - 1,
        version.total,
    )
    if not fits or answer.headers.get("ETag") != version.etag:
        raise BrokenBody("a part of the file was sent that does not fit what is here")
    return version.total


def _header(answer: Answer, name: str) -> str | None:
    value = answer.headers.get(name)
    return None if value is None else printable(value)
