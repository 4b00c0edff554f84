"""An archive that holds a whole simulated account, made fast: true sidecars beside files that are no media.

    python -m benchmarks.held ARCHIVE VIDEOS[+NEW] CDN [BYTES|media|none]

A run over it has everything to compare and nothing to fetch. CDN is the origin of the account's URLs. Each MP4 has so
many random bytes, every other file a hundredth of that; without BYTES they are empty. With `media` they are real
media, the same few for all videos, each a hard link to one of them; with `none` there are sidecars alone. +NEW adds so
many new videos to such an archive.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import msgspec

from pictory_archiver.archive import hold
from pictory_archiver.catalogue import Known
from pictory_archiver.layout import file_name
from pictory_archiver.listing_page import parse_page
from pictory_archiver.models import OUTPUTS, Asset, Kind, Slot, Status
from pictory_archiver.plan import Origin, compose
from pictory_archiver.planner import Planned, Planner, Policy
from pictory_archiver.rebuild import open_or_rebuild
from pictory_archiver.settings import Settings
from pictory_archiver.shelf import Shelf
from pictory_archiver.sidecar import render
from pictory_archiver.simulator import World
from pictory_archiver.simulator.clips import media
from pictory_archiver.simulator.videos import SUFFIXES
from pictory_archiver.store import Store

MOST_LINKS = 30_000
"""Of one file: ext4 takes 65,000."""

ORIGIN = Origin("default", "https://api.example/v1/aistudio/videos", "benchmark")


Put = Callable[[Path, Slot, str], tuple[int, str]]
"""Makes a file of a video of this aspect ratio. → its size and digest"""


def put_random(video_bytes: int) -> Put:
    """Files of random bytes."""

    def put(path: Path, slot: Slot, _: str) -> tuple[int, str]:
        data = os.urandom(video_bytes if slot.kind is Kind.VIDEO else video_bytes // 100)
        path.write_bytes(data)
        return len(data), sha256(data).hexdigest()

    return put


def put_media(sources: Path) -> Put:
    """Real media, linked to the one file of their kind in a folder."""
    known: dict[str, tuple[int, str]] = {}

    def put(path: Path, slot: Slot, aspect_ratio: str) -> tuple[int, str]:
        name = aspect_ratio.replace(":", "x") + SUFFIXES[str(slot.kind)]
        source = sources / name
        if name not in known:
            data = media(name)
            sources.mkdir(parents=True, exist_ok=True)
            source.write_bytes(data)
            known[name] = len(data), sha256(data).hexdigest()
        found = known[name]
        os.link(source, path)
        if source.stat().st_nlink > MOST_LINKS:
            source.unlink()
            del known[name]
        return found

    return put


def put_nothing(_path: Path, _slot: Slot, _aspect_ratio: str) -> tuple[int, str]:
    """No files: a sidecar promises empty ones."""
    return 0, sha256(b"").hexdigest()


def put_for(word: str, folder: Path) -> Put:
    """What the last word of the command line asks for."""
    if word == "none":
        return put_nothing
    return put_media(folder.with_name(f"{folder.name}-media")) if word == "media" else put_random(int(word))


async def make_archive(root: Path, videos: int, new: int, cdn: str, put: Put) -> None:
    """Makes the archive in a folder that is not there yet, or adds new videos to one that was made so."""
    world = World(count=videos, cdn_base=cdn)
    world.add(new)
    now = datetime.now(UTC)
    with (
        hold(root, time_zone="UTC", now=now) as archive,
        closing(Shelf(open_or_rebuild(archive, Settings().catalogue)[0])) as shelf,
        closing(Store(root)) as store,
    ):
        policy = Policy(wanted=frozenset(OUTPUTS), now=now)
        planner = Planner(shelf, store, Settings().layout, policy, account=ORIGIN.account, zone="UTC")
        page = world.page()
        while True:
            listed = parse_page(msgspec.json.encode({"items": page.items[: new or None]})).videos
            shelf.catalogue.record([_hold_video(root, planned, now, put) for planned in await planner.plan(listed)])
            if page.next_key is None or new:
                return
            page = world.page(page.next_key)


def _hold_video(root: Path, planned: Planned, now: datetime, put: Put) -> Known:
    plan, place = planned.plan, planned.place
    (root / place.folder).mkdir(parents=True, exist_ok=True)
    stored = {}
    for task in plan.tasks:
        slot, address = task.source.slot, task.source.address
        name = file_name(place.stem, slot)
        size, digest = put(root / place.path(name), slot, plan.video.aspect_ratio)
        stored[slot] = Asset(kind=slot.kind, status=Status.STORED, path=name, bytes=size, sha256=digest, url=address)
    sidecar = compose(plan, None, stored, origin=ORIGIN, now=now)
    data = render(sidecar)
    (root / place.sidecar).write_bytes(data)
    known = Known(place=place, sidecar=sidecar, created=plan.video.created, sidecar_bytes=None, listed_run=0)
    return known.written(sidecar, data)


if __name__ == "__main__":
    root, videos, cdn, *size = sys.argv[1:]
    folder = Path(root)
    count, _, new = videos.partition("+")
    asyncio.run(make_archive(folder, int(count), int(new or 0), cdn, put_for("".join(size) or "0", folder)))
