"""Videos against the catalogue and the disk. Reads only; a dry run uses it as it is.

The disk is looked at for existence and size, no file is read, with one exception: a sidecar that is not the one the
catalogue knows is read, for it is the truth. That is how a run goes on after a crash between sidecar and catalogue.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import PurePosixPath

import msgspec
from msgspec import Struct

from . import layout
from .addresses import is_signed
from .catalogue import Known, name_key
from .listing_page import video_of
from .models import Asset, Kind, Place, Slot, Status, Video
from .plan import DELETED_HERE, Circumstances, VideoPlan, is_unsettled, plan_video
from .settings import Layout
from .shelf import Shelf
from .sidecar import BrokenSidecar, Sidecar, parse, timestamp
from .store import Store
from .tries import Tries

BATCH_OF_DUE = 200

Sizes = dict[PurePosixPath, int | None]


class Policy(Struct, frozen=True):
    """What a run wants: which kinds of files; whether files deleted here stay away; whether all is tried `again`,
    whatever its pauses; whether files are fetched anew that are listed at another address. `run` numbers it, `now` is
    the time of its start, UTC."""

    wanted: frozenset[Kind]
    now: datetime
    run: int = 0
    keep_deleted: bool = False
    again: bool = False
    refresh: bool = False

    def tries(self, tries: Tries) -> bool:
        """Whether a file with these tries is tried: it is due, or with a fresh link once more in the same run."""
        return self.again or tries.run == self.run or tries.is_due(self.now)


class Planned(Struct, frozen=True):
    """A plan, where it takes place, and what it starts from.

    `before` is the state that the plan started from; `sidecar_bytes` is the size of the sidecar that says so on the
    disk (None: there is none, or a broken one); `catalogue_is_true` says that the catalogue knows it so. `known` is
    what the catalogue knew (None: nothing), `tries` what is known of the files that are not held; a video that
    `is_listed` comes from the listing of this run, any other from the catalogue.
    """

    plan: VideoPlan
    place: Place
    before: Sidecar | None
    sidecar_bytes: int | None
    catalogue_is_true: bool
    known: Known | None
    tries: Mapping[Slot, Tries]
    is_listed: bool

    @property
    def is_as_recorded(self) -> bool:
        """Whether the sidecar on the disk is the one that the catalogue knew."""
        return self.known is not None and self.before is self.known.sidecar and self.sidecar_bytes is not None

    @property
    def is_new(self) -> bool:
        """True where no sidecar was ever written for the video."""
        return self.known is None or (self.known.sidecar_bytes is None and self.sidecar_bytes is None)


class Planner:
    """Plans videos for one archive. `zone` is the time zone of its folders."""

    def __init__(
        self, shelf: Shelf, store: Store, settings: Layout, policy: Policy, *, account: str, zone: str
    ) -> None:
        self._shelf = shelf
        self._store = store
        self._template = layout.compile_template(settings.template)
        self._max_name_bytes = settings.max_name_bytes
        self._policy = policy
        self._account = account
        self._zone = layout.zone_of(zone)

    async def plan(self, videos: Sequence[Video]) -> list[Planned]:
        """The plans for listed videos, in their order. Raises `StorageError`, `ConfigError` for newer sidecars."""
        if not videos:
            return []
        recorded = await self._shelf.ask(self._shelf.catalogue.known, [video.id for video in videos])
        return await self._plan(videos, recorded, is_listed=True)

    async def plan_due(self) -> AsyncIterator[Planned]:
        """The plans for what is due, was not tried in this run, and can be had without listing it again."""
        after = ""
        while batch := await self._shelf.ask(self._due, after):
            after = batch[-1].sidecar.id
            videos = [video_of(known.sidecar.id, known.sidecar.video) for known in batch]
            for planned in await self._plan(videos, {known.sidecar.id: known for known in batch}, is_listed=False):
                yield planned

    def _due(self, after: str) -> list[Known]:
        policy = self._policy
        return self._shelf.catalogue.due_by_address(
            policy.wanted,
            timestamp(policy.now),
            keep_deleted=policy.keep_deleted,
            run=policy.run,
            after=after,
            limit=BATCH_OF_DUE,
        )

    async def _plan(self, videos: Sequence[Video], recorded: dict[str, Known], *, is_listed: bool) -> list[Planned]:
        sizes = await self._store.sizes(_paths(recorded.values()))
        known = recorded | await self._adopted(recorded.values(), sizes)
        sizes |= await self._store.sizes(path for path in _paths(known.values()) if path not in sizes)

        places = {video_id: each.place for video_id, each in known.items()}
        places |= await self._new_places([video for video in videos if video.id not in known])
        return [
            self._planned(
                video, places[video.id], known.get(video.id), recorded.get(video.id), sizes, is_listed=is_listed
            )
            for video in videos
        ]

    def _planned(
        self, video: Video, place: Place, known: Known | None, recorded: Known | None, sizes: Sizes, *, is_listed: bool
    ) -> Planned:
        before = known.sidecar if known else None
        about = self._circumstances(known, sizes, is_listed=is_listed) if known else Circumstances()
        plan = plan_video(video, before, self._policy.wanted, about)
        return Planned(
            plan=plan,
            place=place,
            before=before,
            sidecar_bytes=known.sidecar_bytes if known and sizes[place.sidecar] == known.sidecar_bytes else None,
            catalogue_is_true=known is not None and known is recorded,
            known=recorded,
            tries=_tries(plan, known.tries if known else {}, is_listed=is_listed),
            is_listed=is_listed,
        )

    def _circumstances(self, known: Known, sizes: Sizes, *, is_listed: bool) -> Circumstances:
        policy = self._policy
        lost = frozenset(_lost(known, sizes))
        kept_away: frozenset[Slot] = frozenset()
        if policy.keep_deleted:
            kept_away = frozenset(
                asset.slot
                for asset in known.sidecar.assets
                if asset.error == DELETED_HERE or (asset.slot in lost and _is_deleted(known, asset, sizes))
            )
        paused = {slot for slot, tries in known.tries.items() if not policy.tries(tries)}
        accepted = {asset.slot for asset in known.sidecar.assets if str(asset.slot) in known.sidecar.accepted}
        signed = {slot for slot, tries in known.tries.items() if tries.signed}
        return Circumstances(
            lost=lost - kept_away,
            kept_away=kept_away,
            paused=frozenset(paused | accepted),
            out_of_reach=frozenset() if is_listed else frozenset(signed),
            again=policy.again,
            refresh=policy.refresh and is_listed,
        )

    async def _adopted(self, recorded: Iterable[Known], sizes: Sizes) -> dict[str, Known]:
        """What sidecars say that are not the ones the catalogue knows."""
        adopted = {}
        for known in recorded:
            size = sizes[known.place.sidecar]
            if size is None or size == known.sidecar_bytes:
                continue
            data = await self._store.read(known.place.sidecar) or b""
            try:
                sidecar = parse(data)
            except BrokenSidecar:
                continue
            if sidecar.id == known.sidecar.id:
                adopted[sidecar.id] = known.written(sidecar, data)
        return adopted

    async def _new_places(self, videos: Sequence[Video]) -> dict[str, Place]:
        """A place for each of these videos, by id: none that another video has, case aside."""
        wished = {video.id: self._wished_place(video) for video in videos}
        taken = await self._shelf.ask(self._shelf.catalogue.taken, list(wished.values()))
        places = {}
        for video_id, place in wished.items():
            places[video_id] = layout.distinct(place, video_id) if name_key(place) in taken else place
            taken.add(name_key(places[video_id]))
        return places

    def _wished_place(self, video: Video) -> Place:
        return layout.place(
            self._template,
            id=video.id,
            created=video.created,
            prompt=video.prompt,
            model=video.model,
            aspect_ratio=video.aspect_ratio,
            account=self._account,
            zone=self._zone,
            max_name_bytes=self._max_name_bytes,
        )


def _paths(known: Iterable[Known]) -> list[PurePosixPath]:
    paths = []
    for record in known:
        paths.append(record.place.sidecar)
        paths += [record.place.path(asset.path) for asset in record.sidecar.assets if asset.path]
    return paths


def _lost(known: Known, sizes: Sizes) -> Iterable[Slot]:
    for asset in known.sidecar.assets:
        if asset.status is Status.STORED and (not asset.path or sizes[known.place.path(asset.path)] != asset.bytes):
            yield asset.slot


def _is_deleted(known: Known, asset: Asset, sizes: Sizes) -> bool:
    return asset.path is None or sizes[known.place.path(asset.path)] is None


def _tries(plan: VideoPlan, before: Mapping[Slot, Tries], *, is_listed: bool) -> dict[Slot, Tries]:
    """The tries for each file that is not held. A file that is wanted anew begins anew; only a listing tells whether
    its URL is signed."""
    sources = {source.slot: source for source in plan.video.sources}
    found = {}
    for asset in plan.assets:
        if asset.held:
            continue
        old = before.get(asset.slot, Tries())
        signed = old.signed
        if is_listed:
            signed = asset.slot in sources and is_signed(sources[asset.slot].url)
        counts = (is_unsettled(asset) and asset.status is not Status.PENDING) or asset.status is Status.REJECTED
        found[asset.slot] = msgspec.structs.replace(old, signed=signed) if counts else Tries(signed=signed)
    return found
