"""Listed videos against the catalogue and the disk. Reads only; a dry run uses it as it is.

The disk is looked at for existence and size, no file is read, with one exception: a sidecar that is not the one the
catalogue knows is read, for it is the truth. That is how a run goes on after a crash between sidecar and catalogue.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

import msgspec
from msgspec import Struct

from . import layout
from .catalogue import Known, name_key
from .models import Kind, Place, Slot, Status, Video
from .plan import VideoPlan, plan_video
from .settings import Layout
from .shelf import Shelf
from .sidecar import BrokenSidecar, Sidecar, parse
from .store import Store

Sizes = dict[PurePosixPath, int | None]


class Planned(Struct, frozen=True):
    """A plan, where it takes place, and what it starts from.

    `before` is the state that the plan started from; `sidecar_bytes` is the size of the sidecar that says so on the
    disk (None: there is none, or a broken one); `catalogue_is_true` says that the catalogue knows it so.
    """

    plan: VideoPlan
    place: Place
    before: Sidecar | None
    sidecar_bytes: int | None
    catalogue_is_true: bool


class Planner:
    """Plans pages of a listing for one archive. `zone` is the time zone of its folders."""

    def __init__(
        self, shelf: Shelf, store: Store, settings: Layout, *, account: str, zone: str, wanted: frozenset[Kind]
    ) -> None:
        self._shelf = shelf
        self._store = store
        self._template = layout.compile_template(settings.template)
        self._max_name_bytes = settings.max_name_bytes
        self._account = account
        self._zone = layout.zone_of(zone)
        self._wanted = wanted

    async def plan(self, videos: Sequence[Video]) -> list[Planned]:
        """The plans for these videos, in their order. Raises `StorageError`, `ConfigError` for newer sidecars."""
        if not videos:
            return []
        recorded = await self._shelf.ask(self._shelf.catalogue.known, [video.id for video in videos])
        sizes = await self._store.sizes(_paths(recorded.values()))
        known = recorded | await self._adopted(recorded.values(), sizes)
        sizes |= await self._store.sizes(path for path in _paths(known.values()) if path not in sizes)

        places = await self._new_places([video for video in videos if video.id not in known])
        return [self._planned(video, known.get(video.id), places, sizes, recorded) for video in videos]

    def _planned(
        self, video: Video, known: Known | None, places: dict[str, Place], sizes: Sizes, recorded: dict[str, Known]
    ) -> Planned:
        before = known.sidecar if known else None
        place = known.place if known else places[video.id]
        lost = frozenset(_lost(known, sizes)) if known else frozenset()
        return Planned(
            plan=plan_video(video, before, lost=lost, wanted=self._wanted),
            place=place,
            before=before,
            sidecar_bytes=known.sidecar_bytes if known and sizes[place.sidecar] == known.sidecar_bytes else None,
            catalogue_is_true=known is not None and known is recorded.get(video.id),
        )

    async def _adopted(self, recorded: Iterable[Known], sizes: Sizes) -> dict[str, Known]:
        """What sidecars say that are not the ones the catalogue knows."""
        adopted = {}
        for known in recorded:
            size = sizes[known.place.sidecar]
            if size is None or size == known.sidecar_bytes:
                continue
            try:
                sidecar = parse(await self._store.read(known.place.sidecar) or b"")
            except BrokenSidecar:
                continue
            if sidecar.id == known.sidecar.id:
                adopted[sidecar.id] = msgspec.structs.replace(known, sidecar=sidecar, sidecar_bytes=size)
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
