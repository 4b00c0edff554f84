"""What is known and what is listed, made into what to do, and why. Pure: no disk, no clock.

The state of each file follows from the sidecar as it was, from what the disk has lost since, and from what is asked
for now. Outputs become tasks at once. Inputs are settled after the listing, when it is known which of them the
archive holds anyway; until then they are pending.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

import msgspec
from msgspec import Struct

from .addresses import locator
from .listing_page import changed_fields
from .models import INPUTS, OUTPUTS, Asset, Kind, Slot, Source, Status, Video
from .settings import INPUTS_WORD
from .sidecar import Change, Sidecar, is_complete, timestamp

LOOK_BACK = timedelta(days=2)
DELETED_HERE = "deleted from the archive"
_ORDER = {kind: position for position, kind in enumerate(Kind)}
_OUTPUT_SLOTS = tuple(Slot(kind) for kind in OUTPUTS)
_UNSETTLED = frozenset((Status.PENDING, Status.FAILED, Status.MISSING, Status.DENIED))


class Task(Struct, frozen=True):
    """An output to fetch, and why. `former` is the file that is held of it, where it is fetched anew."""

    source: Source
    reason: str
    former: Asset | None = None


class Circumstances(Struct, frozen=True):
    """What else a plan depends on.

    `lost` names files that the sidecar promises and the disk does not have, or not in that size; `kept_away` those of
    them that were deleted here and shall stay so; `paused` those that are not to be tried now, unless they are wanted
    from another address than before; `out_of_reach` those that need a fresh URL. `again`: what was given up is tried
    once more. `refresh`: what is held and listed at another address is fetched anew.
    """

    lost: frozenset[Slot] = frozenset()
    kept_away: frozenset[Slot] = frozenset()
    paused: frozenset[Slot] = frozenset()
    out_of_reach: frozenset[Slot] = frozenset()
    again: bool = False
    refresh: bool = False


class VideoPlan(Struct, frozen=True):
    """What is to be done for one video.

    `assets` is the state of every file as it stands; `tasks` are the outputs to fetch; `unsettled` says that an input
    is to be looked for after the listing.
    """

    video: Video
    assets: tuple[Asset, ...]
    tasks: tuple[Task, ...]
    unsettled: bool

    @property
    def reason(self) -> str:
        """Why anything is to be fetched, for a person; the first reason where files differ."""
        return self.tasks[0].reason if self.tasks else ""


class Origin(Struct, frozen=True):
    """What a sidecar says of the one who wrote it: account, address of the listing, release."""

    account: str
    source: str
    archived_by: str


def plan_video(
    video: Video, before: Sidecar | None, wanted: frozenset[Kind], about: Circumstances = Circumstances()
) -> VideoPlan:
    """The plan for a video, from the sidecar that the archive has of it (None: not known)."""
    known = {asset.slot: asset for asset in before.assets} if before else {}
    sources = {source.slot: source for source in video.sources}
    slots = [*_OUTPUT_SLOTS, *(slot for slot in sources if slot.kind in INPUTS)]
    slots += [slot for slot, asset in known.items() if slot not in slots and asset.held]

    assets: list[Asset] = []
    tasks: list[Task] = []
    unsettled = False
    for slot in slots:
        old, source = known.get(slot), sources.get(slot)
        asset = _state(slot, source, old, about, is_wanted=slot.kind in wanted)
        assets.append(asset)
        waits = slot in about.out_of_reach or (slot in about.paused and asset is old)
        is_tried = slot.kind in wanted and not waits and may_be_tried(asset, again=about.again)
        if source and is_tried and slot.kind in OUTPUTS:
            tasks.append(Task(source, _reason(old, is_lost=slot in about.lost)))
        elif source and about.refresh and slot.kind in wanted and _is_elsewhere(asset, source):
            tasks.append(Task(source, "listed at another address", former=asset))
        unsettled |= is_tried and slot.kind in INPUTS
    return VideoPlan(
        video=video,
        assets=_ordered(assets),
        tasks=tuple(tasks),
        unsettled=unsettled,
    )


def compose(
    plan: VideoPlan,
    before: Sidecar | None,
    fetched: Mapping[Slot, Asset],
    *,
    origin: Origin,
    now: datetime,
    is_listed: bool = True,
) -> Sidecar:
    """The sidecar of a video after its files were fetched: another revision where one took the place of a held one.

    One that is listed is not gone upstream (any more).
    """
    assets = _ordered(fetched.get(asset.slot, asset) for asset in plan.assets)
    if before is None:
        return Sidecar(
            account=origin.account,
            source=origin.source,
            archived_by=origin.archived_by,
            archived_at=timestamp(now),
            id=plan.video.id,
            complete=is_complete(assets),
            video=plan.video.item,
            assets=assets,
        )
    was = changed_fields(before.video, plan.video.item)
    is_anew = any(task.former is not None and task.source.slot in fetched for task in plan.tasks)
    return msgspec.structs.replace(
        before,
        revision=before.revision + is_anew,
        account=origin.account,
        source=origin.source,
        archived_by=origin.archived_by,
        archived_at=timestamp(now),
        complete=is_complete(assets),
        video=plan.video.item if was else before.video,
        assets=assets,
        history=(*before.history, Change(until=timestamp(now), was=was)) if was else before.history,
        gone_upstream=None if is_listed else before.gone_upstream,
        accepted=_still_accepted(before.accepted, assets, is_listed=is_listed),
    )


def with_assets(before: Sidecar, found: Mapping[Slot, Asset], *, now: datetime) -> Sidecar:
    """The sidecar with some of its assets in a new state."""
    assets = _ordered(found.get(asset.slot, asset) for asset in before.assets)
    return msgspec.structs.replace(
        before,
        assets=assets,
        complete=is_complete(assets),
        archived_at=timestamp(now),
        accepted=_still_accepted(before.accepted, assets, is_listed=False),
    )


def rejected(asset: Asset) -> Asset:
    """A file that could not be had in so many runs that it is given up."""
    return msgspec.structs.replace(asset, status=Status.REJECTED)


def wanted_kinds(words: Iterable[str]) -> frozenset[Kind]:
    """The kinds of files that the words of the setting `download.assets` ask for; `inputs` stands for three."""
    names = set(words)
    inputs = INPUTS if INPUTS_WORD in names else ()
    return frozenset(kind for kind in OUTPUTS if kind in names).union(inputs)


def is_unsettled(asset: Asset) -> bool:
    """True for a file that is wanted and not held, and that another run may get."""
    return asset.status in _UNSETTLED


def may_be_tried(asset: Asset, *, again: bool) -> bool:
    """Whether a run that wants a file tries to get it; `again`: also one that was given up."""
    return is_unsettled(asset) or (again and asset.status is Status.REJECTED)


def is_overdue(created: datetime | None, now: datetime) -> bool:
    """True where a video without a URL should have been finished by now."""
    return created is None or created < now - LOOK_BACK


def _state(slot: Slot, source: Source | None, old: Asset | None, about: Circumstances, *, is_wanted: bool) -> Asset:
    """What is true of a file before this run fetches anything."""
    url = source.address if source else None
    is_lost = slot in about.lost
    if old is not None and slot in about.kept_away:
        return msgspec.structs.replace(_empty(slot, Status.SKIPPED, url or old.url), error=DELETED_HERE)
    if old is not None and not is_lost:
        if old.held:
            return old
        keeps_its_word = old.status is Status.SKIPPED if not is_wanted else is_unsettled(old)
        tells_of_a_failure = old.status is Status.REJECTED or (is_unsettled(old) and old.status is not Status.PENDING)
        if (keeps_its_word or tells_of_a_failure) and _is_same_address(url, old.url):
            return old
    return _empty(slot, Status.SKIPPED if not is_wanted and not is_lost else Status.PENDING, url)


def _empty(slot: Slot, status: Status, url: str | None) -> Asset:
    return Asset(kind=slot.kind, index=slot.index or None, status=status, path=None, url=url)


def _still_accepted(accepted: tuple[str, ...], assets: Iterable[Asset], *, is_listed: bool) -> tuple[str, ...]:
    """The accepted losses that are losses still: not held, and not listed with an address that was never tried."""
    over = {str(asset.slot) for asset in assets if asset.held or (is_listed and _is_fresh(asset))}
    return tuple(name for name in accepted if name not in over)


def _is_fresh(asset: Asset) -> bool:
    return asset.status is Status.PENDING and asset.url is not None


def _is_same_address(url: str | None, old: str | None) -> bool:
    """Another host is no change; where no URL is listed any more, the old one stands."""
    return url is None or (old is not None and locator(url) == locator(old))


def _is_elsewhere(asset: Asset, source: Source) -> bool:
    """Whether an output that is held is listed at another address than the one it came from."""
    return asset.kind in OUTPUTS and asset.held and not _is_same_address(source.address, asset.url)


def _reason(old: Asset | None, *, is_lost: bool) -> str:
    if is_lost:
        return "lost from the disk"
    if old is None:
        return "new"
    if old.status is Status.SKIPPED:
        return "asked for now"
    if old.error:
        return f"tried before: {old.error}"
    return "not finished"


def _ordered(assets: Iterable[Asset]) -> tuple[Asset, ...]:
    return tuple(sorted(assets, key=lambda asset: (_ORDER[asset.kind], asset.index or 0)))
