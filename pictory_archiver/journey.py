"""The journeys of videos: each from its plan over its files to its sidecar. docs/architecture.md draws it."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import PurePosixPath

import msgspec

from .addresses import is_signed
from .catalogue import Known
from .course import Leg
from .download import Job
from .events import VideoDone, VideoPlanned, VideosHeld
from .models import INPUTS, Asset, Slot, Status
from .plan import Origin, Task, compose, rejected
from .planner import Planned, Policy
from .pool import Pool
from .sidecar import Sidecar, say_the_same
from .tally import Tally
from .tries import Tries
from .workshop import Workshop, utc_now


class Journeys:
    """The journeys of one run.

    `denied` gathers the files whose links were denied, by video; `live_urls` the signed URLs of inputs, by video and
    slot.
    """

    def __init__(self, shop: Workshop, policy: Policy, origin: Origin, tally: Tally) -> None:
        self._shop = shop
        self._policy = policy
        self._origin = origin
        self._tally = tally
        self._revisited: set[str] = set()
        self.denied: dict[str, set[Slot]] = {}
        self.live_urls: dict[tuple[str, Slot], str] = {}

    def known(self, planned: Planned, first: Sidecar | None = None) -> Known:
        """What the catalogue is to know of a video. Where no sidecar is known, it is `first`, or tells the plan."""
        known = planned.known
        return Known(
            place=planned.place,
            sidecar=planned.before or first or self._compose(planned, {}),
            created=planned.plan.video.created,
            sidecar_bytes=planned.sidecar_bytes,
            sidecar_sha256=planned.sidecar_sha256,
            listed_run=self._policy.run if planned.is_listed or not known else known.listed_run,
            confirmed=known.confirmed if known else None,
            absent=known.absent if known and not planned.is_listed else None,
            tries=planned.tries,
        )

    async def start(self, pool: Pool, planned: Planned, leg: Leg) -> None:
        """Starts the journey of a video, where it needs one."""
        plan, tally = planned.plan, self._tally
        if plan.unsettled and planned.is_listed:
            inputs = (source for source in plan.video.sources if source.slot.kind in INPUTS and is_signed(source.url))
            self.live_urls |= {(plan.video.id, source.slot): source.url for source in inputs}
        as_it_stands = None if plan.tasks else self._compose(planned, {})
        if as_it_stands and _is_true(planned, as_it_stands):
            if planned.known and planned.tries != planned.known.tries:
                await self._shop.shelf.add(self.known(planned))
            tally(VideosHeld(1) if as_it_stands.complete else VideoDone(plan.video.id, complete=False))
            return
        if planned.is_new:
            tally.new += 1
        elif any(task.former for task in plan.tasks):
            tally.renewed += 1
        elif plan.tasks:
            tally.retried += 1
        else:
            tally.updated += 1
        tally(VideoPlanned(plan.video.id, len(plan.tasks), plan.reason))
        leg.unsettled += 1
        await pool.admit(partial(self._travel, planned, leg))

    async def _travel(self, planned: Planned, leg: Leg) -> None:
        """Fetches the outputs of one video, then writes its sidecar."""
        plan = planned.plan
        async with asyncio.TaskGroup() as files:
            fetching = [files.create_task(self._shop.downloader.fetch(_job(planned, task))) for task in plan.tasks]
        fetched = {task.result().slot: task.result() for task in fetching}
        denied = {slot for slot, asset in fetched.items() if asset.status is Status.DENIED}
        if denied:
            self.denied[plan.video.id] = denied
        superseded = self._superseded(planned, fetched)
        await self._write_sidecar(self._with_tries(planned, fetched), fetched)
        for path, instead in superseded.items():
            await self._shop.store.put_aside(path, instead=instead)
        leg.unsettled -= 1

    def _superseded(self, planned: Planned, fetched: dict[Slot, Asset]) -> dict[PurePosixPath, tuple[int, str]]:
        """The held files that others took the place of, and what these are (size, SHA-256).

        Where a new one could not be had, the one that is held stays what it is.
        """
        superseded = {}
        for task in planned.plan.tasks:
            if task.former is None:
                continue
            slot, former = task.source.slot, task.former
            if fetched[slot].held:
                if planned.plan.video.id in self._revisited:
                    self._tally.renewed_after_all(planned.plan.video.id, slot)
                superseded[planned.place.path(former.path or "")] = (
                    fetched[slot].bytes or 0,
                    fetched[slot].sha256 or "",
                )
            else:
                self._tally.kept_former(planned.plan.video.id, planned.place, fetched.pop(slot))
        return superseded

    def _with_tries(self, planned: Planned, fetched: dict[Slot, Asset]) -> Planned:
        """Counts the tries that failed. What failed too often is given up, unless a fresh link is still to be tried."""
        tries = dict(planned.tries)
        for slot, asset in fetched.items():
            if asset.held:
                tries.pop(slot, None)
                continue
            tries[slot] = tries.get(slot, Tries()).failed(self._policy.now, self._policy.run)
            if tries[slot].are_over and (asset.status is not Status.DENIED or planned.plan.video.id in self._revisited):
                fetched[slot] = rejected(asset)
        return msgspec.structs.replace(planned, tries=tries)

    async def _write_sidecar(self, planned: Planned, fetched: dict[Slot, Asset]) -> None:
        sidecar = self._compose(planned, fetched)
        if not _is_true(planned, sidecar):
            await self._shop.write_sidecar(self.known(planned, sidecar), sidecar)
        else:
            if fetched:
                await self._shop.store.settle(planned.place.folder)
            await self._shop.shelf.add(self.known(planned))
        self._tally(VideoDone(sidecar.id, sidecar.complete))

    def _compose(self, planned: Planned, fetched: dict[Slot, Asset]) -> Sidecar:
        return compose(
            planned.plan,
            planned.before,
            fetched,
            origin=self._origin,
            now=utc_now(),
            is_listed=planned.is_listed,
        )

    async def start_again(self, pool: Pool, planned: Planned) -> None:
        """Tries the files of a video that were denied once more, with the fresh links of this plan."""
        slots = self.denied.pop(planned.plan.video.id)
        self._revisited.add(planned.plan.video.id)
        tasks = tuple(task for task in planned.plan.tasks if task.source.slot in slots)
        narrowed = msgspec.structs.replace(planned, plan=msgspec.structs.replace(planned.plan, tasks=tasks))
        await pool.admit(partial(self._travel, narrowed, Leg(None)))


def _job(planned: Planned, task: Task) -> Job:
    """What takes the place of a held file has the name of the next revision: both are there until the sidecar tells."""
    revision = planned.before.revision + 1 if planned.before and task.former else 1
    video = planned.plan.video
    return Job(video.id, task.source, planned.place, video.created, revision)


def _is_true(planned: Planned, sidecar: Sidecar) -> bool:
    """Whether the sidecar on the disk already says this."""
    return planned.sidecar_bytes is not None and planned.before is not None and say_the_same(sidecar, planned.before)
