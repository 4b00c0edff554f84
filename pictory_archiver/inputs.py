"""Inputs of videos: first frames, references, sources of extensions. Settled once the listing is known.

An input that is a file of another video of the archive is linked to it, by id and kind. One from elsewhere is
downloaded once per address and copied to each video that used it. A lost input never spoils a video.
"""

from __future__ import annotations

from functools import partial
from pathlib import PurePosixPath

import msgspec

from .catalogue import Known
from .download import Job
from .errors import NoRoom
from .layout import file_name
from .models import INPUTS, OUTPUTS, Asset, Slot, Source, Status
from .plan import DELETED_HERE, may_be_tried, rejected, with_assets
from .planner import Policy
from .pool import Pool
from .sidecar import say_the_same, timestamp
from .tries import Tries
from .workshop import Workshop, utc_now

BATCH_OF_VIDEOS = 200

Settled = dict[tuple[str, Slot], Asset]


async def settle_inputs(
    shop: Workshop,
    policy: Policy,
    *,
    since_run: int,
    live_urls: dict[tuple[str, Slot], str],
    workers: int,
) -> int:
    """Links, downloads or copies every input that is due, of the videos that `since_run` or a later run noted.

    `live_urls` holds the URLs that carry a signature, by video and slot; one that does not is not downloaded without.
    The answer is the number of inputs that were linked. Raises `StorageError`; before `NoRoom`, what was settled until
    then is written down.
    """
    await shop.shelf.flush()
    linked = 0
    lost: dict[str, Asset] = {}
    last = ""
    due = partial(
        shop.shelf.catalogue.inputs_due,
        timestamp(policy.now),
        keep_deleted=policy.keep_deleted,
        since_run=since_run,
        again=policy.again,
        run=policy.run,
        limit=BATCH_OF_VIDEOS,
    )
    while batch := await shop.shelf.ask(partial(due, after=last)):
        last = batch[-1].sidecar.id
        batch = await shop.strays.in_place(batch)
        settled: Settled = {}
        no_room: NoRoom | None = None
        try:
            async with Pool(2 * workers) as pool:
                for address, wanting in _by_address(batch, policy).items():
                    step = partial(_settle_address, shop, address, wanting, live_urls, lost, settled)
                    await pool.admit(step)
        except NoRoom as error:
            no_room = error
        for known in batch:
            await _write(shop, known, settled, policy)
        await shop.shelf.flush()
        if no_room:
            raise no_room
        linked += sum(asset.status is Status.LINKED for asset in settled.values())
    return linked


def _by_address(batch: list[Known], policy: Policy) -> dict[str, list[tuple[Known, Asset]]]:
    groups: dict[str, list[tuple[Known, Asset]]] = {}
    for known in batch:
        for asset in known.sidecar.assets:
            if asset.url and _is_due(known, asset, policy):
                groups.setdefault(asset.url, []).append((known, asset))
    return groups


def _is_due(known: Known, asset: Asset, policy: Policy) -> bool:
    if asset.kind not in INPUTS or str(asset.slot) in known.sidecar.accepted:
        return False
    if asset.status is Status.SKIPPED:
        return not (policy.keep_deleted and asset.error == DELETED_HERE)
    return may_be_tried(asset, again=policy.again) and policy.tries(known.tries.get(asset.slot, Tries()))


async def _settle_address(
    shop: Workshop,
    address: str,
    wanting: list[tuple[Known, Asset]],
    live_urls: dict[tuple[str, Slot], str],
    lost: dict[str, Asset],
    settled: Settled,
) -> None:
    """Settles everything that wants the file of one address."""
    original = await _held_input(shop, address, wanting, settled)
    for known, asset in wanting:
        key = (known.sidecar.id, asset.slot)
        if key in settled:
            continue
        found = await _copied(shop, original, known, asset) if original else None
        if found is None and address in lost:
            found = _in_slot(lost[address], asset.slot)
        if found is None and known.tries.get(asset.slot, Tries()).signed and key not in live_urls:
            continue
        if found is None:
            source = Source(asset.slot, live_urls.get(key, address), address)
            job = Job(known.sidecar.id, source, known.place, known.created)
            found = await shop.downloader.fetch(job)
            if found.status is Status.STORED:
                original = (known.place.path(found.path or ""), found)
            else:
                lost[address] = found
        settled[key] = found


async def _held_input(
    shop: Workshop, address: str, wanting: list[tuple[Known, Asset]], settled: Settled
) -> tuple[PurePosixPath, Asset] | None:
    """Links to the output that this address is, where the archive holds it; else the copy that another video has."""
    holder = await shop.shelf.ask(shop.shelf.catalogue.stored_under, address)
    if holder is None:
        return None
    video_id, kind, index = holder
    if kind in OUTPUTS:
        for known, asset in wanting:
            settled[known.sidecar.id, asset.slot] = Asset(
                kind=asset.kind,
                index=asset.index,
                status=Status.LINKED,
                path=None,
                video_id=video_id,
                asset=kind,
                url=address,
            )
        return None
    (known,) = await shop.strays.in_place([(await shop.shelf.ask(shop.shelf.catalogue.known, [video_id]))[video_id]])
    held = next(asset for asset in known.sidecar.assets if asset.slot == Slot(kind, index))
    return known.place.path(held.path or ""), held


async def _copied(shop: Workshop, original: tuple[PurePosixPath, Asset], known: Known, asset: Asset) -> Asset | None:
    """A copy of a held input for another video; None where the held one is lost or damaged."""
    path, held = original
    name = file_name(known.place.stem, asset.slot, path.suffix.removeprefix("."))
    if known.place.path(name) == path:
        return None
    committed = await shop.store.clone(path, known.place.path(name), sha256=held.sha256 or "", modified=known.created)
    if committed is None:
        return None
    return msgspec.structs.replace(_in_slot(held, asset.slot), path=committed.path.name, stored_at=timestamp(utc_now()))


def _in_slot(asset: Asset, slot: Slot) -> Asset:
    return msgspec.structs.replace(asset, kind=slot.kind, index=slot.index or None)


async def _write(shop: Workshop, known: Known, settled: Settled, policy: Policy) -> None:
    mine = {slot: asset for (video_id, slot), asset in settled.items() if video_id == known.sidecar.id}
    tries = dict(known.tries)
    for slot, asset in mine.items():
        if not asset.held:
            tries[slot] = tries.get(slot, Tries()).failed(policy.now, policy.run)
            mine[slot] = rejected(asset) if tries[slot].are_over else asset
    known = msgspec.structs.replace(known, tries=tries)
    sidecar = with_assets(known.sidecar, mine, now=utc_now())
    if not say_the_same(sidecar, known.sidecar):
        await shop.write_sidecar(known, sidecar)
    elif mine:
        await shop.store.settle(known.place.folder)
        await shop.shelf.add(known)
