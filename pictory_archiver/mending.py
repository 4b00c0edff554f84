"""The way of one damaged video: from what the survey found, over its files, to a sidecar that is true.

A file is replaced only by a whole one; the store keeps what was there in quarantine. The sidecar is written after its
files, and only where it says anything new: a file that came back as it was stored needs none.
"""

from __future__ import annotations

import asyncio
from functools import partial

import msgspec
from msgspec import Struct

from .catalogue import Known
from .download import Job
from .findings import Finding, by_slot, slots_in_doubt, without_false_claims
from .layout import file_name
from .listing_page import created_of
from .models import Asset, Place, Slot, Source, Status, Video
from .plan import with_assets
from .repair_report import How, Mended, Results
from .sidecar import BrokenSidecar, Sidecar, parse, say_the_same, timestamp
from .survey import Examined
from .workshop import RELEASE, Workshop, utc_now

UNKNOWN = "neither its sidecar nor the catalogue says what it was; `sync` fetches the video anew"


class Case(Struct):
    """A damaged video on its way.

    `sidecar` is the one on the disk (None: it is lost or damaged), `truth` what is to be believed, with what was had
    again. `former` are the bad files as they were stored, `lacking` those that are not had again yet, with what the
    last try came to. `files` are the findings by file, `others` those about the sidecar.
    """

    examined: Examined
    sidecar: Sidecar | None
    truth: Sidecar
    former: dict[Slot, Asset]
    lacking: dict[Slot, Asset]
    files: dict[Slot, Finding]
    others: list[Finding]


class Mender:
    """Mends videos, one after the other or at once, and writes down in `results` what came of it."""

    def __init__(self, shop: Workshop, results: Results) -> None:
        self._shop = shop
        self._results = results

    async def begin(self, examined: Examined) -> Case | None:
        """Mends what can be had from the archive or from the addresses in the sidecar. → what is lacking still

        Raises `StorageError`.
        """
        case = _case(examined)
        if case is None:
            for finding in examined.findings:
                if finding.is_damage:
                    self._results.leave(finding, UNKNOWN)
            return None
        bad = by_slot(asset for asset in case.truth.assets if asset.slot in examined.bad)
        sources = {slot: Source(slot, asset.url, asset.url) for slot, asset in bad.items() if asset.url}
        case.lacking = dict(bad)
        await self._fetch(case, sources)
        return case if case.lacking else None

    async def again(self, case: Case, video: Video) -> None:
        """Tries what is lacking with the links of a fresh listing. Raises `StorageError`."""
        fresh = {source.slot: source for source in video.sources}
        sources = {
            slot: fresh[slot] for slot, asset in case.lacking.items() if slot in fresh and fresh[slot].url != asset.url
        }
        await self._fetch(case, sources)
        self.give_up(case, "")

    def give_up(self, case: Case, why: str) -> None:
        """Leaves what is lacking as it is."""
        for slot, asset in case.lacking.items():
            if slot in case.files:
                reasons = [asset.error or "Pictory names no address for it", *([why] if why else [])]
                self._results.leave(case.files[slot], "; ".join(reasons))

    async def know(self, examined: Examined) -> None:
        """Has the catalogue know a sidecar as it is on the disk. Raises `StorageError`."""
        place = examined.place
        data = await self._shop.store.read(place.sidecar) or b""
        try:
            sidecar = parse(data)
        except BrokenSidecar:
            return
        known = (await self._shop.shelf.ask(self._shop.shelf.catalogue.known, [sidecar.id])).get(sidecar.id)
        known = msgspec.structs.replace(known or _unknown(sidecar, place), place=place)
        await self._shop.shelf.add(known.written(sidecar, data))

    async def _fetch(self, case: Case, sources: dict[Slot, Source]) -> None:
        """Gets files of one video, then has its sidecar say so."""
        async with asyncio.TaskGroup() as files:
            tasks = [files.create_task(self._get(case, source)) for source in sources.values()]
        had: dict[Slot, Asset] = {}
        for task in tasks:
            asset = task.result()
            if asset.held:
                had[asset.slot] = asset
            else:
                case.lacking[asset.slot] = asset
        await self._settle(case, had)

    async def _get(self, case: Case, source: Source) -> Asset:
        twin = await self._twin(case, source)
        if twin is not None:
            return twin
        created = created_of(case.truth.video)
        return await self._shop.downloader.fetch(Job(case.truth.id, source, case.examined.place, created))

    async def _twin(self, case: Case, source: Source) -> Asset | None:
        """A copy of the same file of another video, where the archive has one that is sound."""
        former = case.former.get(source.slot)
        catalogue = self._shop.shelf.catalogue
        find = partial(catalogue.stored_under, source.address, besides=case.truth.id)
        holder = await self._shop.shelf.ask(find) if former is not None else None
        if former is None or holder is None:
            return None
        video_id, kind, index = holder
        known = (await self._shop.shelf.ask(catalogue.known, [video_id]))[video_id]
        held = by_slot(known.sidecar.assets)[Slot(kind, index)]
        path, place = known.place.path(held.path or ""), case.examined.place
        name = file_name(place.stem, source.slot, path.suffix.removeprefix("."))
        copied = await self._shop.store.clone(
            path, place.path(name), sha256=former.sha256 or "", modified=created_of(case.truth.video)
        )
        if copied is None:
            return None
        return msgspec.structs.replace(former, path=name, stored_at=timestamp(utc_now()))

    async def _settle(self, case: Case, had: dict[Slot, Asset]) -> None:
        """Writes the sidecar where it is not true yet, and tells what was mended."""
        new = {slot: _as_before(asset, case.former.get(slot)) for slot, asset in had.items()}
        case.truth = with_assets(case.truth, new, now=utc_now()) if new else case.truth
        if case.others or case.sidecar is None or not say_the_same(case.truth, case.sidecar):
            await self._write_sidecar(case)
        elif had:
            await self._shop.store.settle(case.examined.place.folder)
        place, names = case.examined.place, {asset.path for asset in case.truth.assets}
        for slot, asset in had.items():
            former = case.former.get(slot)
            if former is not None and former.path not in names and (former.path or "").startswith(f"{place.stem}."):
                await self._shop.store.put_aside(place.path(former.path or ""))
            del case.lacking[slot]
            self._results.mend(_mended(asset, former, case))

    async def _write_sidecar(self, case: Case) -> None:
        known = (await self._shop.shelf.ask(self._shop.shelf.catalogue.known, [case.truth.id])).get(case.truth.id)
        place, sidecar = case.examined.place, case.truth
        written = [each for each in (known.sidecar if known else None, case.sidecar) if each is not None]
        as_written = next((each for each in written if say_the_same(each, sidecar)), None)
        if as_written is None:
            sidecar = msgspec.structs.replace(sidecar, archived_by=RELEASE, archived_at=timestamp(utc_now()))
        sidecar = as_written or sidecar
        known = msgspec.structs.replace(known or _unknown(sidecar, place), place=place, sidecar_bytes=None)
        await self._shop.write_sidecar(known, sidecar)
        if case.others:
            self._results.mend(Mended(how=How.REWRITTEN, path=str(place.sidecar), video_id=sidecar.id))
        case.sidecar, case.truth, case.others = sidecar, sidecar, []


def _case(examined: Examined) -> Case | None:
    """What is to be done for a video; None where nothing tells what it was."""
    truth = examined.truth
    if truth is None:
        return None
    linked = {asset.slot for asset in truth.assets if asset.slot in examined.bad and asset.status is Status.LINKED}
    in_doubt = slots_in_doubt(truth, examined.place.sidecar.name) | linked
    damage = [finding for finding in examined.findings if finding.is_damage]
    return Case(
        examined=examined,
        sidecar=examined.sidecar,
        truth=without_false_claims(truth, in_doubt),
        former={slot: asset for slot, asset in by_slot(truth.assets).items() if slot in examined.bad - in_doubt},
        lacking={},
        files={Slot(finding.kind, finding.index or 0): finding for finding in damage if finding.kind is not None},
        others=[finding for finding in damage if finding.kind is None],
    )


def _as_before(asset: Asset, former: Asset | None) -> Asset:
    """What the sidecar says of a file that was had again: as before, where its bytes are the same."""
    if former is None or (former.sha256, former.bytes) != (asset.sha256, asset.bytes):
        return asset
    return msgspec.structs.replace(former, path=asset.path)


def _mended(asset: Asset, former: Asset | None, case: Case) -> Mended:
    is_same = former is not None and former.sha256 == asset.sha256
    return Mended(
        how=How.FETCHED if former is None else How.RESTORED if is_same else How.REPLACED,
        path=str(case.examined.place.path(asset.path or "")),
        video_id=case.truth.id,
        kind=asset.kind,
        index=asset.index,
        former_sha256=None if is_same or former is None else former.sha256,
        sha256=None if is_same else asset.sha256,
    )


def _unknown(sidecar: Sidecar, place: Place) -> Known:
    """A video of which the catalogue knows nothing."""
    return Known(place=place, sidecar=sidecar, created=created_of(sidecar.video), sidecar_bytes=None, listed_run=0)
