"""Videos against the catalogue and the disk. Reads only; a dry run uses it as it is.

The disk is looked at for existence and size, no file is read, with one exception: a sidecar that is not the one the
catalogue knows is read, for it is the truth. That is how a run goes on after a crash between sidecar and catalogue.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime

import msgspec
from msgspec import Struct

from . import layout
from .addresses import is_signed
from .catalogue import Known, name_key
from .listing_page import created_of, video_of
from .models import Asset, Kind, Place, Slot, Status, Video
from .plan import DELETED_HERE, Circumstances, VideoPlan, plan_video
from .settings import Layout
from .shelf import Shelf
from .sidecar import BrokenSidecar, Sidecar, parse, timestamp
from .store import Store
from .strays import Strays
from .tries import Tries

BATCH_OF_DUE = 200

Sizes = dict[str, int | None]
_NOTHING_KNOWN = Circumstances()
_UNTRIED = Tries()
_TRIED = frozenset((Status.FAILED, Status.MISSING, Status.DENIED, Status.REJECTED))


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
    disk (None: there is none, or a broken one), and `sidecar_sha256` its digest, where it is known; `catalogue_is_true`
    says that the catalogue knows it so. `known` is what the catalogue knew (None: nothing), `tries` what is known of
    the files that are not held; a video that `is_listed` comes from the listing of this run, any other from the
    catalogue.
    """

    plan: VideoPlan
    place: Place
    before: Sidecar | None
    sidecar_bytes: int | None
    sidecar_sha256: str | None
    catalogue_is_true: bool
    known: Known | None
    tries: Mapping[Slot, Tries]
    is_listed: bool

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
        self._strays = Strays(shelf, store)
        self._template = layout.compile_template(settings.template)
        self._max_name_bytes = settings.max_name_bytes
        self._policy = policy
        self._account = account
        self._zone = layout.zone_of(zone)

    async def plan(self, videos: Sequence[Video]) -> list[Planned]:
        """The plans for listed videos, in their order. Raises `StorageError`, `ConfigError` for newer sidecars."""
        if not videos:
            return []
        return await self._plan(videos, *await self._shelf.ask(self._looked_up, videos), is_listed=True)

    async def plan_due(self) -> AsyncIterator[Planned]:
        """The plans for what is due, was not tried in this run, and can be had without listing it again."""
        after = ""
        while batch := await self._shelf.ask(self._due, after):
            after = batch[-1].sidecar.id
            videos = [video_of(known.sidecar.id, known.sidecar.video) for known in batch]
            recorded = {known.sidecar.id: known for known in batch}
            for planned in await self._plan(videos, recorded, {}, set(), is_listed=False):
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

    def _looked_up(self, videos: Sequence[Video]) -> tuple[dict[str, Known], dict[str, Place], set[str]]:
        """What the catalogue knows of these videos, by id; the places that the others would get, by id; and which of
        these places are taken, by their `name_key`."""
        recorded = self._shelf.catalogue.known([video.id for video in videos])
        wished = {video.id: self._wished_place(video) for video in videos if video.id not in recorded}
        return recorded, wished, self._shelf.catalogue.taken(list(wished.values()))

    async def _plan(
        self,
        videos: Sequence[Video],
        recorded: Mapping[str, Known],
        wished: Mapping[str, Place],
        taken: set[str],
        *,
        is_listed: bool,
    ) -> list[Planned]:
        sizes = await self._sizes(recorded.values(), wished.values())
        known = {each.sidecar.id: each for each in await self._strays.in_place(list(recorded.values()), sizes)}
        if any(sizes[place.sidecar_text] is not None for place in wished.values()):
            known |= await self._not_recorded(wished)
        sizes |= await self._sizes(each for each in known.values() if each is not recorded.get(each.sidecar.id))
        adopted = await self._adopted(known.values(), sizes)
        sizes |= await self._sizes(adopted.values())
        known |= adopted

        places = {video_id: each.place for video_id, each in known.items()}
        places |= _new_places({video: place for video, place in wished.items() if video not in known}, taken)
        return [
            self._planned(
                video, places[video.id], known.get(video.id), recorded.get(video.id), sizes, is_listed=is_listed
            )
            for video in videos
        ]

    async def _sizes(self, videos: Iterable[Known], places: Iterable[Place] = ()) -> Sizes:
        """The sizes of the sidecars of these videos and of the files that they name, and of the sidecars at places."""
        paths = [place.sidecar_text for place in places]
        for known in videos:
            paths.append(known.place.sidecar_text)
            paths += [known.place.text(asset.path) for asset in known.sidecar.assets if asset.path]
        return await self._store.sizes(paths) if paths else {}

    async def _not_recorded(self, wished: Mapping[str, Place]) -> dict[str, Known]:
        """What is here of videos that the catalogue does not know: it is of an earlier day where a sidecar lies in the
        place that a video would get."""
        strays = await self._strays.places()
        found = {}
        for video_id in wished.keys() & strays.keys():
            place = strays[video_id]
            data = await self._store.read(place.sidecar) or b""
            with contextlib.suppress(BrokenSidecar):
                sidecar = parse(data)
                new = Known(place, sidecar, created_of(sidecar.video), sidecar_bytes=None, listed_run=0)
                found[video_id] = new.written(sidecar, data)
        return found

    def _planned(
        self, video: Video, place: Place, known: Known | None, recorded: Known | None, sizes: Sizes, *, is_listed: bool
    ) -> Planned:
        before = known.sidecar if known else None
        about = self._circumstances(known, sizes, is_listed=is_listed) if known else _NOTHING_KNOWN
        plan = plan_video(video, before, self._policy.wanted, about)
        is_there = known is not None and sizes[place.sidecar_text] == known.sidecar_bytes
        return Planned(
            plan=plan,
            place=place,
            before=before,
            sidecar_bytes=known.sidecar_bytes if known and is_there else None,
            sidecar_sha256=known.sidecar_sha256 if known and is_there else None,
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

    async def _adopted(self, videos: Iterable[Known], sizes: Sizes) -> dict[str, Known]:
        """What sidecars say that are not the ones the catalogue knows."""
        adopted = {}
        for known in videos:
            size = sizes[known.place.sidecar_text]
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


def _new_places(wished: Mapping[str, Place], taken: set[str]) -> dict[str, Place]:
    """A place for each of these videos, by id: none that another video has, case aside."""
    places = {}
    for video_id, place in wished.items():
        key = name_key(place)
        if key in taken:
            place = layout.distinct(place, video_id)
            key = name_key(place)
        places[video_id] = place
        taken.add(key)
    return places


def _lost(known: Known, sizes: Sizes) -> Iterable[Slot]:
    for asset in known.sidecar.assets:
        if asset.status is Status.STORED and (not asset.path or sizes[known.place.text(asset.path)] != asset.bytes):
            yield asset.slot


def _is_deleted(known: Known, asset: Asset, sizes: Sizes) -> bool:
    return asset.path is None or sizes[known.place.text(asset.path)] is None


def _tries(plan: VideoPlan, before: Mapping[Slot, Tries], *, is_listed: bool) -> dict[Slot, Tries]:
    """The tries for each file that is not held. A file that is wanted anew begins anew; only a listing tells whether
    its URL is signed."""
    signed = {source.slot: is_signed(source.url) for source in plan.video.sources} if is_listed else None
    found = {}
    for asset in plan.assets:
        if asset.held:
            continue
        slot = asset.slot
        old = before.get(slot, _UNTRIED)
        is_signed_now = old.signed if signed is None else signed.get(slot, False)
        new = old if asset.status in _TRIED else _UNTRIED
        found[slot] = new if new.signed == is_signed_now else msgspec.structs.replace(new, signed=is_signed_now)
    return found
