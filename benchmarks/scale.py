"""An archive of very many videos: how long a night with nothing new takes, and a look into it.

    python -m benchmarks.scale [--videos 1000000] [--archive FOLDER]

The archive is a catalogue of true records and little more: of its files those alone are there that such a night looks
at. FOLDER keeps it for another time: a million videos take a while to make, and to build the library of.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from pictory_archiver.archive import CATALOGUE, MARKER, hold, render_marker
from pictory_archiver.catalogue import Catalogue, Known
from pictory_archiver.filters import Filter, Query
from pictory_archiver.key import Key
from pictory_archiver.layout import compile_template, file_name, place, zone_of
from pictory_archiver.listing_page import parse_page
from pictory_archiver.logbook import Listing, Run
from pictory_archiver.looking import Gallery
from pictory_archiver.models import OUTPUTS, Asset, Place, Status, Video
from pictory_archiver.plan import compose, plan_video
from pictory_archiver.rebuild import open_or_rebuild
from pictory_archiver.settings import Layout, Settings
from pictory_archiver.sidecar import render, timestamp
from pictory_archiver.simulator import DEFAULT_KEY, World

from .held import ORIGIN
from .measure import PROGRAM, Measured, Timed, measure, simulated_account, timed

MB = 1_000_000
ROUNDS = 5
SHOWN = 20
PAGE = 100
"""Videos of the page that a night with nothing new asks for: their files have to be there."""

FILE_BYTES = 1000
DIGEST = "0" * 64
QUERIES = (
    "20250301",
    "li 20250301",
    'puppy "wide shot" 202503',
    "lighthouse lisbon",
    "lighthouse",
    "nothing of the kind",
)
ROW = "{:<52} {:>9} {:>9} {:>9}"


def scale(videos: int, folder: Path, archive: Path) -> Iterator[str]:
    """The lines of a table. Commands by the wall clock, with the start of Python: the median of some rounds."""
    with simulated_account(videos, folder) as env:
        cdn = env["PICTORY_ARCHIVER_ALLOW_ORIGINS"].split()[-1]
        bare = {name: value for name, value in env.items() if not name.startswith("PICTORY")}
        yield ROW.format(f"an archive of {videos:,} videos", "seconds", "CPU s", "peak MB")
        if not archive.exists():
            # A process of its own: what it takes would count as the peak of every process that this one starts.
            command = [sys.executable, "-m", "benchmarks.scale", "--make", cdn, "--archive", str(archive)]
            made = timed([*command, "--videos", str(videos)], env=dict(os.environ), output=folder / "printed")
            yield _row("made, with no files", [made])
        nights = [_night(archive, env, folder) for _ in range(1 + ROUNDS)]
        yield _row("sync, after which the library is there", nights[:1])
        yield _row("sync, nothing new, one request", nights[1:])
        for words in (
            ["--help"],
            ["status", archive],
            ["list", archive, "--limit", str(SHOWN)],
            ["search", archive, "lighthouse lisbon", "--limit", str(SHOWN)],
        ):
            command = [*PROGRAM, *map(str, words)]
            title = " ".join(str(word) for word in words if word is not archive)
            yield _row(title, [timed(command, env=bare, output=folder / "printed") for _ in range(ROUNDS)])
    for query in QUERIES:
        command = [sys.executable, "-m", "benchmarks.scale", "--archive", str(archive), "--query", query]
        yield subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.rstrip()


def _night(archive: Path, env: dict[str, str], folder: Path) -> Measured:
    """A run that finds nothing new. Raises `RuntimeError` where it did something."""
    outputs = ",".join(OUTPUTS)
    night = measure("sync", archive, "--json", "-q", "--assets", outputs, env=env, scratch=folder)
    if (night.report["pages"], night.report["new"], night.report["files_stored"]) != (1, 0, 0):
        raise RuntimeError(f"that was no night with nothing new: {night.report}")
    return night


def _row(title: str, took: Sequence[Timed | Measured]) -> str:
    seconds = statistics.median(each.seconds for each in took)
    cpu_seconds = statistics.median(each.cpu_seconds for each in took)
    return ROW.format(
        title, f"{seconds:.2f}", f"{cpu_seconds:.2f}", f"{max(each.peak_bytes for each in took) / MB:.0f}"
    )


def search(archive: Path, query: str) -> str:
    """A line that tells how long the catalogue takes to find the ids of videos, in order: the first ones, and all."""
    wanted = Filter(query=Query.parse(query))
    times: dict[int | None, list[float]] = {SHOWN: [], None: []}
    found = 0
    for _ in range(ROUNDS):
        for limit, took in times.items():
            with closing(Catalogue.open_read_only(archive / CATALOGUE)) as catalogue:
                started = time.perf_counter()
                found = len(Gallery(catalogue).ids(wanted, limit=limit))
                took.append(time.perf_counter() - started)
    first, every = (statistics.median(took) * 1000 for took in times.values())
    return f"search {query!r:<32} the first {SHOWN} {first:7.1f} ms, all {every:7.1f} ms: {found:,} videos"


def make(root: Path, videos: int, cdn: str) -> None:
    """Makes an archive of a simulated account, as a full listing leaves it, in a folder that is not there yet."""
    world = World(count=videos, cdn_base=cdn, page_size=PAGE)
    now = datetime.now(UTC)
    with hold(root, time_zone="UTC", now=now) as archive:
        fingerprint = archive.fingerprint(Key(DEFAULT_KEY, source="the simulator"))
        (root / MARKER).write_bytes(render_marker(msgspec.structs.replace(archive.marker, key_fingerprint=fingerprint)))
        with closing(open_or_rebuild(archive, Settings().catalogue)[0]) as catalogue:
            run = catalogue.logbook.begin_run(timestamp(now))
            pages, token = 0, None
            while token or not pages:
                page = world.page(token)
                listed = parse_page(msgspec.json.encode({"items": page.items})).videos
                catalogue.record([_hold_video(video, run, now) for video in listed])
                if not pages:
                    _put_files(root, catalogue, [video.id for video in listed])
                pages, token = pages + 1, page.next_key
            catalogue.confirm(run, first_run=run, is_full=True)
            start = end = timestamp(now)
            listing = Listing(
                run, run, start, end, "full", sound=True, pages=pages, videos=videos, odd_items=0, error=None
            )
            catalogue.logbook.end_run(Run(run, start, end, 0, "made"), listing)


def _hold_video(video: Video, run: int, now: datetime) -> Known:
    plan = plan_video(video, None, frozenset(OUTPUTS))
    where = _place_of(video)
    stored = {}
    for task in plan.tasks:
        slot, name = task.source.slot, file_name(where.stem, task.source.slot)
        stored[slot] = Asset(
            kind=slot.kind,
            status=Status.STORED,
            path=name,
            bytes=FILE_BYTES,
            sha256=DIGEST,
            url=task.source.address,
            stored_at=timestamp(now),
        )
    sidecar = compose(plan, None, stored, origin=ORIGIN, now=now)
    known = Known(place=where, sidecar=sidecar, created=video.created, sidecar_bytes=None, listed_run=run)
    return known.written(sidecar, render(sidecar))


def _place_of(video: Video) -> Place:
    layout = Layout()
    return place(
        compile_template(layout.template),
        id=video.id,
        created=video.created,
        prompt=video.prompt,
        model=video.model,
        aspect_ratio=video.aspect_ratio,
        account=ORIGIN.account,
        zone=zone_of("UTC"),
        max_name_bytes=layout.max_name_bytes,
    )


def _put_files(root: Path, catalogue: Catalogue, ids: Sequence[str]) -> None:
    """Writes the sidecars of these videos, and files of the right sizes."""
    for known in catalogue.known(ids).values():
        (root / known.place.folder).mkdir(parents=True, exist_ok=True)
        (root / known.place.sidecar).write_bytes(render(known.sidecar))
        for asset in known.sidecar.assets:
            if asset.path is not None:
                (root / known.place.path(asset.path)).write_bytes(bytes(FILE_BYTES))


def main() -> None:
    """Prints the table; or makes the archive, or searches it, for that."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description="Measure a large archive.")
    parser.add_argument("--videos", type=int, default=1_000_000)
    parser.add_argument("--archive", type=Path, help="where it is, or is made and stays")
    parser.add_argument("--make", metavar="CDN", help=argparse.SUPPRESS)
    parser.add_argument("--query", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.make:
        make(options.archive, options.videos, options.make)
    elif options.query:
        print(search(options.archive, options.query))
    else:
        with tempfile.TemporaryDirectory() as folder:
            for line in scale(options.videos, Path(folder), options.archive or Path(folder) / "archive"):
                print(line, flush=True)


if __name__ == "__main__":
    main()
