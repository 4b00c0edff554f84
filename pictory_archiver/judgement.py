"""Is the listing believed? Then what it proves is written down: which videos are known, absent, gone upstream."""

from __future__ import annotations

import msgspec

from .course import Course
from .errors import ListingError
from .key import Key
from .listing_rule import doubt
from .sidecar import timestamp
from .workshop import Workshop, utc_now

BATCH_OF_GONE = 200


async def believe(shop: Workshop, course: Course, run: int, key: Key, *, accept: bool) -> None:
    """Marks what a listing proves that came to its end or might stop.

    Raises `ListingError` for a full one that cannot be true: nothing is marked then, and no run goes on with it.
    `accept` takes it for true.
    """
    if course.kind == "filtered":
        return
    catalogue, ask = shop.shelf.catalogue, shop.shelf.ask
    if course.is_full:
        if course.left_to_note:
            await ask(catalogue.note, course.left_to_note, run, None)
        held, lacking = await ask(catalogue.count_lacking, course.first_run)
        problem = doubt(held=held, lacking=lacking, listed=course.listed)
        if problem and not accept:
            course.abandon()
            await ask(catalogue.forget_unfinished)
            raise ListingError(
                problem,
                hint="is it the right key? What is here is kept as it is. If it is meant so: sync --accept-listing",
            )
    await ask(lambda: catalogue.confirm(run, first_run=course.first_run, is_full=course.is_full))
    if course.is_full:
        await _mark_gone(shop, run)
    await shop.remember_key(key)


async def _mark_gone(shop: Workshop, run: int) -> None:
    """Writes `gone_upstream` into the sidecars of videos that two full listings lacked. Their files stay."""
    while batch := await shop.shelf.ask(shop.shelf.catalogue.newly_gone, run, BATCH_OF_GONE):
        for known in await shop.strays.in_place(batch):
            now = timestamp(utc_now())
            gone = msgspec.structs.replace(known.sidecar, gone_upstream=now, archived_at=now)
            await shop.write_sidecar(known, gone)
        await shop.shelf.flush()
