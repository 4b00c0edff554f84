"""A dry run: what a run would fetch, and why. Writes nothing at all."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Literal

from msgspec import Struct

from . import disk
from .archive import Archive, is_archive, refuse_missing, refuse_other_folders
from .catalogue import Catalogue
from .course import Course, meet_a_known_video, take_bearings
from .events import Observer
from .key import Key
from .models import INPUTS, Kind, Slot
from .plan import may_be_tried, wanted_kinds
from .planner import Planned, Planner, Policy
from .rebuild import for_reading
from .report import count, size
from .retry import Retrier
from .selection import Selection
from .settings import Settings
from .shelf import Shelf
from .sidecar import timestamp
from .store import Store
from .text import printable
from .way import Way
from .workshop import connected_api, utc_now


class Intended(Struct, frozen=True, kw_only=True, tag="video"):
    """A video of which something would be fetched: which files, and why."""

    video_id: str
    created: str | None
    model: str
    prompt: str
    path: str
    files: tuple[str, ...]
    reason: str


class Preview(Struct, frozen=True, kw_only=True, tag="preview"):
    """What all of it comes to. `bytes_estimated` is taken from what is held; None where nothing is held yet."""

    format: Literal["pictory-archiver/preview"] = "pictory-archiver/preview"
    version: Literal[1] = 1
    archive: str
    selection: str | None
    pages: int
    listed: int
    odd_items: int
    videos: int
    files: int
    bytes_estimated: int | None
    bytes_free: int


async def preview_sync(
    root: Path,
    settings: Settings,
    key: Key,
    *,
    selection: Selection,
    way: Way = Way(),
    observer: Observer,
    tell: Callable[[Intended], None] | None,
) -> Preview:
    """Lists, plans, and `tell`s of each video that needs something, where somebody wants to know. With `must_exist`
    there has to be an archive.

    Raises `KeyRefused`, `ListingError`, `ConfigError`, `StorageError`.
    """
    if way.must_exist:
        refuse_missing(root)
    refuse_other_folders(root)
    archive = Archive.open(root) if is_archive(root) else None
    odd = videos = 0
    files: Counter[Kind] = Counter()
    with ExitStack() as stack:
        catalogue = _known(archive, settings, stack)
        runs = catalogue.logbook.last_runs(1)
        policy = Policy(
            wanted=wanted_kinds(settings.download.assets),
            now=utc_now(),
            run=runs[0].id + 1 if runs else 1,
            keep_deleted=settings.download.respect_local_deletions,
            again=way.full,
            refresh=way.refresh,
        )
        shelf, store = Shelf(catalogue), Store(root)
        stack.callback(store.close)
        stack.callback(shelf.close)
        zone = archive.marker.time_zone if archive else settings.layout.time_zone
        planner = Planner(shelf, store, settings.layout, policy, account=settings.account, zone=zone)

        def count_in(each: Planned) -> None:
            nonlocal videos
            slots = _slots(each, policy)
            if slots and videos != selection.limit:
                videos += 1
                for slot in slots:
                    files[slot.kind] += 1
                if tell is not None:
                    tell(_intended(each, slots))

        async with connected_api(settings, key, Retrier(settings.retry, observer)) as api:
            if archive and not archive.knows(key) and not way.accept_listing and catalogue.count_videos()[0]:
                await meet_a_known_video(api.page, shelf)
            bearings = await shelf.ask(take_bearings, catalogue, policy)
            course = Course(
                api.page,
                observer,
                bearings,
                run=policy.run,
                now=policy.now,
                is_filtered=not selection.is_everything,
                full=way.full or way.refresh or bearings.unfinished is not None,
                may_resume=False,
                clock=lambda: None,
            )
            async with contextlib.aclosing(course.listing()) as pages:
                async for page in pages:
                    odd += len(page.odd)
                    planned = await planner.plan([video for video in page.videos if selection.admits(video)])
                    course.saw(page, planned)
                    for each in planned:
                        count_in(each)
                    if videos == selection.limit or selection.ends_before(page.videos):
                        break
        if selection.is_everything and not course.is_full:
            async for each in planner.plan_due():
                count_in(each)
        return Preview(
            archive=str(root),
            selection=selection.words(),
            pages=course.pages,
            listed=course.listed,
            odd_items=odd,
            videos=videos,
            files=files.total(),
            bytes_estimated=_estimate(catalogue, files),
            bytes_free=disk.free_space(root),
        )


def intended_line(intended: Intended) -> str:
    """One video of a dry run, for a person."""
    day = intended.created[:10] if intended.created else "undated   "
    prompt = printable(intended.prompt, 60)
    files, reason = ", ".join(intended.files), printable(intended.reason)
    return f"{day}  {printable(intended.video_id, 40)}  {files}  ({reason})  {prompt}"


def preview_lines(preview: Preview) -> list[str]:
    """The end of a dry run, for a person."""
    amount = "of unknown size (nothing is held yet to estimate it from)"
    if preview.bytes_estimated is not None:
        amount = f"about {size(preview.bytes_estimated)}, estimated from what is held"
    asked = f" ({preview.selection})" if preview.selection else ""
    return [
        f"Listed        {count(preview.listed, 'video')} on {count(preview.pages, 'page')}",
        f"Would fetch   {count(preview.files, 'file')} of {count(preview.videos, 'video')}{asked}, {amount}",
        f"Free space    {size(preview.bytes_free)}",
        f"This was a dry run: nothing was written to {preview.archive}",
    ]


def _known(archive: Archive | None, settings: Settings, stack: ExitStack) -> Catalogue:
    """What is known already: nothing, of an archive yet to be made."""
    if archive is not None:
        return stack.enter_context(for_reading(archive, settings.catalogue))
    catalogue = Catalogue.in_memory()
    stack.callback(catalogue.close)
    return catalogue


def _slots(planned: Planned, policy: Policy) -> list[Slot]:
    plan = planned.plan
    inputs = [
        asset.slot
        for asset in plan.assets
        if asset.kind in INPUTS and may_be_tried(asset, again=policy.again) and policy.tries(planned.tries[asset.slot])
    ]
    return [*(task.source.slot for task in plan.tasks), *inputs]


def _intended(planned: Planned, slots: list[Slot]) -> Intended:
    video = planned.plan.video
    tried = [asset for asset in planned.plan.assets if asset.kind in INPUTS and asset.error]
    fallback = f"tried before: {tried[0].error}" if tried else "inputs are not settled yet"
    return Intended(
        video_id=video.id,
        created=timestamp(video.created) if video.created else None,
        model=video.model,
        prompt=video.prompt,
        path=planned.place.text(planned.place.stem),
        files=tuple(str(slot) for slot in slots),
        reason=planned.plan.reason or fallback,
    )


def _estimate(catalogue: Catalogue, files: Counter[Kind]) -> int | None:
    held = {kind: (n, stored) for (kind, status), (n, stored) in catalogue.count_assets().items() if status == "stored"}
    if not held:
        return None
    everything = sum(stored for _, stored in held.values()) / sum(n for n, _ in held.values())
    mean = {kind: stored / n for kind, (n, stored) in held.items()}
    return round(sum(number * mean.get(kind, everything) for kind, number in files.items()))
