"""The tools of one writing run, opened together and closed together. Each gets its own slice of the settings."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec

from . import __version__
from .addresses import Guard
from .api import PictoryApi
from .archive import MARKER, Archive, hold, render_marker
from .catalogue import Known
from .download import Downloader
from .events import Observer, Warned, silent
from .http import Limits, Web, tls_buffers, trust_store
from .key import Key
from .listing import walk
from .models import Video
from .rebuild import open_or_rebuild
from .retry import Retrier
from .settings import MIB, Settings
from .shelf import Shelf
from .sidecar import Sidecar, render
from .staging import BATCH
from .store import Store
from .strays import Strays
from .threads import Threads

RELEASE = f"pictory-archiver {__version__}"
MAX_REDIRECTS = 5
ALL_BUFFERS = 32 * MIB
"""What all workers hold together at most. For each that is a batch that fills while another is written, the last batch
of a file that is being finished, and half a batch in aiohttp, which stops reading at twice what it is told."""
ALL_TLS_BUFFERS = 5 * MIB


def utc_now() -> datetime.datetime:
    """The time."""
    return datetime.datetime.now(datetime.UTC)


class Workshop(msgspec.Struct, frozen=True):
    """What a run works with."""

    archive: Archive
    store: Store
    shelf: Shelf
    strays: Strays
    retrier: Retrier
    downloader: Downloader

    async def remember_first_key(self, key: Key) -> None:
        """Writes the salted fingerprint of the first key that worked into the marker."""
        if self.archive.marker.key_fingerprint is None:
            await self.remember_key(key)

    async def remember_key(self, key: Key) -> None:
        """Writes the salted fingerprint of a key into the marker, where it is another one than before."""
        fingerprint = self.archive.fingerprint(key)
        if self.archive.marker.key_fingerprint != fingerprint:
            self.archive.marker = msgspec.structs.replace(self.archive.marker, key_fingerprint=fingerprint)
            await self.store.write(MARKER, render_marker(self.archive.marker))

    async def write_sidecar(self, known: Known, sidecar: Sidecar) -> None:
        """Writes the sidecar of a video whose files are in place, and has the catalogue follow.

        What lies there in its place goes to quarantine where none is known that can be read, and where the former one
        was another revision.
        """
        data = render(sidecar)
        keep = known.sidecar_bytes is None or known.sidecar.revision != sidecar.revision
        await self.store.write(known.place.sidecar, data, keep=keep, after_files=True)
        await self.shelf.add(known.written(sidecar, data))


def user_agent(settings: Settings) -> str:
    """The name that this client gives itself."""
    return settings.api.user_agent or RELEASE.replace(" ", "/")


@contextlib.asynccontextmanager
async def connected_api(settings: Settings, key: Key, retrier: Retrier) -> AsyncIterator[PictoryApi]:
    """The API of an account, for as long as it is needed."""
    limits = Limits(settings.network.connect_timeout_seconds, settings.download.stall_seconds, 0)
    tls = trust_store(settings.network.ca_file)
    web = Web(user_agent=user_agent(settings), tls=tls, limits=limits, guard=None, max_redirects=0)
    try:
        yield PictoryApi(web, retrier, settings.api, key.value)
    finally:
        await web.close()


async def list_videos(
    key: Key, settings: Settings = Settings(), *, observer: Observer = silent
) -> AsyncIterator[Video]:
    """Every video that the account of this key lists, newest first, each id once.

    Raises `KeyRefused`, or `ListingError` where the listing cannot be read to its end.
    """
    async with connected_api(settings, key, Retrier(settings.retry, observer)) as api:
        async for page in walk(api.page, observer):
            for video in page.videos:
                yield video


async def try_key(settings: Settings, key: Key) -> int:
    """The number of videos on the first page, as a trial of the key. Raises `KeyRefused`, `ListingError`."""
    async with connected_api(settings, key, Retrier(settings.retry, silent)) as api:
        return len((await api.page(None)).videos)


@contextlib.asynccontextmanager
async def open_workshop(
    root: Path,
    settings: Settings,
    *,
    command: str,
    allowed_origins: frozenset[str],
    observer: Observer,
    must_exist: bool,
    distrust_catalogue: bool,
) -> AsyncIterator[Workshop]:
    """Everything for a run but the API. Raises `ConfigError`, `ArchiveBusy`, `StorageError`.

    `command` is what another run will call this one. `must_exist`: no archive is made. `distrust_catalogue`: damage was
    met in it, it is made anew.
    """
    async with contextlib.AsyncExitStack() as stack:
        held = hold(
            root,
            time_zone=settings.layout.time_zone,
            now=utc_now(),
            must_exist=must_exist,
            command=command,
            observer=observer,
        )
        archive = stack.enter_context(held)
        workers = settings.download.workers
        batch = min(BATCH, ALL_BUFFERS * 2 // 7 // workers)
        stack.enter_context(tls_buffers(ALL_TLS_BUFFERS // workers))
        store = Store(archive.root, batch=batch, reserve=settings.download.reserve)
        stack.callback(store.close)
        threads = Threads(1, "rebuild")
        stack.callback(threads.close)
        catalogue, was_rebuilt = await threads.hop(
            lambda: open_or_rebuild(archive, settings.catalogue, distrust=distrust_catalogue)
        )
        if was_rebuilt:
            observer(Warned("the catalogue was damaged: it was rebuilt from the sidecars"))
        shelf = Shelf(catalogue)
        stack.callback(shelf.close)

        retrier = Retrier(settings.retry, observer)
        limits = Limits(
            settings.network.connect_timeout_seconds,
            settings.download.stall_seconds,
            settings.download.min_speed,
            read_ahead=batch // 4,
        )
        media = Web(
            user_agent=user_agent(settings),
            tls=trust_store(settings.network.ca_file),
            limits=limits,
            guard=Guard(allowed_origins),
            max_redirects=MAX_REDIRECTS,
        )
        stack.push_async_callback(media.close)
        yield Workshop(
            archive=archive,
            store=store,
            shelf=shelf,
            strays=Strays(shelf, store),
            retrier=retrier,
            downloader=Downloader(media, store, retrier, settings.download, observer, utc_now),
        )
