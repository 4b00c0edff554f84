"""An archive as somebody looks at it: its videos in an order, each as an `Entry`. Reads only, without key or network.

It reads the catalogue, which a run beside it may be writing to: each batch is of one moment. A lost or
damaged one is rebuilt in memory.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

from .archive import Archive
from .catalogue import Catalogue, DamagedCatalogue, Known
from .chains import CONTINUED, Chains, File, find_parents
from .entry import Entry, EntryFile, standing_of
from .filters import Filter
from .item_facts import pixels_of, request_of, seconds_of, text_of
from .models import Asset, Kind, Slot, Status
from .overview import Overview
from .rebuild import for_reading
from .settings import Catalogue as Settings

BATCH = 200

T = TypeVar("T")


class Gallery:
    """The videos of an archive. `chains` are their continuations: read when they are first asked for, unless given."""

    def __init__(self, catalogue: Catalogue, chains: Chains | None = None) -> None:
        self.catalogue = catalogue
        self._chains = chains

    @property
    def chains(self) -> Chains:
        if self._chains is None:
            self._chains = read_chains(self.catalogue.overview, self.catalogue.overview.links())
        return self._chains

    def ids(self, wanted: Filter, *, oldest_first: bool = False, limit: int | None = None) -> list[str]:
        """The ids of the videos that are meant, at most `limit`, newest first, those without a date last."""
        if limit is not None and not wanted.needs_a_look:
            first = self.catalogue.prompts.first(
                wanted.query.words, limit, since=wanted.since, until=wanted.until, oldest_first=oldest_first
            )
            if first is not None:
                return first
        created = self._created(wanted)
        return _by_date(created, created, oldest_first=oldest_first)[:limit]

    def ids_by_chain(self, wanted: Filter, *, oldest_first: bool = False) -> list[str]:
        """The ids of the videos that are meant and part of a chain: chain by chain, each in the order in which it
        plays. That with the newest beginning comes first; branches follow their main line."""
        created = self._created(wanted)
        trees: list[list[str]] = []
        for film in self.chains.films():
            if self.chains.continues(film[0]) is None:
                trees.append([])
            trees[-1] += (video_id for video_id in film if video_id in created)
        by_first = {tree[0]: tree for tree in trees if tree}
        order = _by_date(by_first, created, oldest_first=oldest_first)
        return [video_id for first in order for video_id in by_first[first]]

    def ids_of_film(self, video_id: str, wanted: Filter) -> list[str]:
        """The ids of the videos that are meant, of the film that a video is part of, in the order in which it plays. A
        video that is part of none is one by itself."""
        film = self.chains.through(video_id) or (video_id,)
        created = self._created(wanted)
        return [part for part in film if part in created]

    def _created(self, wanted: Filter) -> dict[str, datetime | None]:
        """When each of the videos was made that are meant, by id."""
        overview, found = self.catalogue.overview, self.catalogue.prompts.search(wanted.query.words)
        if found is None:
            return {each.id: each.created for each in overview.glances() if wanted.admits(each)}
        in_time = {video_id: created for video_id, created in found.items() if wanted.is_in_time(created)}
        if not wanted.needs_a_look:
            return in_time
        is_most = 2 * len(in_time) > self.catalogue.count_videos()[0]
        glances = overview.glances() if is_most else overview.glances_of(list(in_time))
        return {each.id: each.created for each in glances if wanted.admits(each)}

    def entries(self, ids: Sequence[str], *, chained: bool = True) -> Iterator[Entry]:
        """The videos of these ids, in their order. One that is gone from the catalogue by now is left out. Where they
        need not be `chained`, they tell of no continuations, and not all videos are read for these."""
        return self._entries(ids, self.chains if chained else Chains({}))

    def _entries(self, ids: Sequence[str], chains: Chains) -> Iterator[Entry]:
        for start in range(0, len(ids), BATCH):
            batch = ids[start : start + BATCH]
            known = self.catalogue.known(batch)
            linked = _linked_to(known.values()) - known.keys()
            around = known | self.catalogue.known(sorted(linked))
            for video_id in batch:
                if video_id in known:
                    yield entry_of(known[video_id], around, chains)


def look(
    archive: Archive, settings: Settings, work: Callable[[Gallery], T], *, has_begun: Callable[[], bool] = lambda: False
) -> T:
    """What comes of work with a gallery. Where the catalogue turns out to be damaged, the work is done once more, with
    one that is rebuilt in memory, unless it `has_begun` to tell what it found. Raises `StorageError`."""
    try:
        with open_gallery(archive, settings) as gallery:
            return work(gallery)
    except DamagedCatalogue:
        if has_begun():
            raise
    with open_gallery(archive, settings, distrust=True) as gallery:
        return work(gallery)


@contextlib.contextmanager
def open_gallery(archive: Archive, settings: Settings, *, distrust: bool = False) -> Iterator[Gallery]:
    """The videos of an archive, for as long as they are looked at. Raises `StorageError`."""
    with for_reading(archive, settings, distrust=distrust) as catalogue:
        yield Gallery(catalogue)


def read_chains(overview: Overview, links: Iterable[File]) -> Chains:
    """The continuations among all videos; `links` are those of the overview."""
    inputs = (each for each in links if each.kind in CONTINUED)
    return Chains(find_parents(inputs, overview.continued_files(), overview.history()))


def entry_of(known: Known, around: dict[str, Known], chains: Chains) -> Entry:
    """What is told of a video. `around` holds those that its inputs are linked to, as far as they are known."""
    sidecar = known.sidecar
    item = sidecar.video
    files = tuple(_file(known, asset, around) for asset in sidecar.assets)
    video = next((each for each in files if each.kind is Kind.VIDEO), None)
    return Entry(
        id=sidecar.id,
        account=sidecar.account,
        created_at=_time(known.created),
        prompt=text_of(item, "prompt"),
        model=text_of(item, "model"),
        aspect_ratio=text_of(item, "aspectRatio"),
        width=pixels_of(item, "width"),
        height=pixels_of(item, "height"),
        duration_seconds=seconds_of(item),
        status=standing_of(sidecar.assets, complete=sidecar.complete),
        gone_upstream=sidecar.gone_upstream,
        archived_at=None if known.sidecar_bytes is None else sidecar.archived_at,
        path=video.path if video else None,
        sidecar=None if known.sidecar_bytes is None else str(known.place.sidecar),
        bytes=sum(asset.bytes or 0 for asset in sidecar.assets if asset.status is Status.STORED),
        files=files,
        accepted=sidecar.accepted,
        continues=chains.continues(sidecar.id),
        continued_by=chains.continued_by(sidecar.id),
        chain=chains.through(sidecar.id),
        request=request_of(item),
    )


def _file(known: Known, asset: Asset, around: dict[str, Known]) -> EntryFile:
    return EntryFile(
        kind=asset.kind,
        index=asset.index,
        status=asset.status,
        path=_path(known, asset) or _path_of_linked(asset, around),
        bytes=asset.bytes,
        sha256=asset.sha256,
        url=asset.url,
        error=asset.error,
        video_id=asset.video_id,
        asset=asset.asset,
    )


def _path(known: Known, asset: Asset) -> str | None:
    if asset.status is not Status.STORED or not asset.path:
        return None
    return f"{known.place.folder}/{asset.path}" if known.place.folder else asset.path


def _path_of_linked(asset: Asset, around: dict[str, Known]) -> str | None:
    other = around.get(asset.video_id or "")
    if asset.status is not Status.LINKED or other is None or asset.asset is None:
        return None
    wanted = Slot(asset.asset)
    return next((_path(other, each) for each in other.sidecar.assets if each.slot == wanted), None)


def _linked_to(videos: Iterable[Known]) -> set[str]:
    return {
        asset.video_id
        for known in videos
        for asset in known.sidecar.assets
        if asset.status is Status.LINKED and asset.video_id is not None
    }


def _by_date(ids: Iterable[str], created: Mapping[str, datetime | None], *, oldest_first: bool) -> list[str]:
    """The ids in the order of their dates; those without one come last."""
    dated, undated = [], []
    for video_id in ids:
        moment = created[video_id]
        if moment is None:
            undated.append(video_id)
        else:
            dated.append((moment, video_id))
    return [video_id for _, video_id in sorted(dated, reverse=not oldest_first)] + sorted(undated)


def _time(moment: datetime | None) -> str | None:
    """UTC, with the milliseconds that the API gives: `2026-04-09T18:51:47.967Z`."""
    return None if moment is None else moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
