"""`stats`: against sums made from the sidecars themselves, and against a plain model of what is counted."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pictory_archiver.entry import Standing
from pictory_archiver.filters import Glance
from pictory_archiver.models import Status
from pictory_archiver.settings import CREDITS_PER_SECOND
from pictory_archiver.simulator import Simulator, World
from pictory_archiver.stats import Figures, Tally, stats_lines

from .conftest import Account
from .support import Program, sidecars
from .test_schemas import validate
from .test_upkeep import lonely

Held = tuple[Simulator, Program]

UNDATED, NEW_MODEL, NO_LENGTH, OTHER_CASE = 2, 3, 4, 5
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture
def held(account: Account, archive: Path) -> Held:
    """An archive over some months, in local time, with what cannot be counted."""
    simulator, program = account(World(count=30))
    world = simulator.world
    world.change(UNDATED, createdDate=None)
    world.change(NEW_MODEL, model="new\x1b[2J", duration=8)
    world.change(NO_LENGTH, model="veo3.1", duration="long")
    world.change(OTHER_CASE, model="VEO3.1_Fast", duration="2.5s", createdDate="2026-01-31T23:30:00Z")
    program.settings["layout"] = {"time_zone": "Europe/Berlin"}
    assert program.run("sync", archive).status == 0
    return simulator, lonely(program)


def counted(program: Program, *words: str | Path) -> dict[str, Any]:
    return validate("stats", program.run("stats", *words, "--json").stdout)


def figures(record: dict[str, Any]) -> dict[str, Any]:
    return {name: record[name] for name in Figures.__struct_fields__}


def expected(simulator: Simulator, archive: Path, indexes: list[int], rates: dict[str, float]) -> dict[str, Any]:
    """The figures of these videos, from the items of the account and the files on the disk."""
    sums: dict[str, Any] = dict.fromkeys(Figures.__struct_fields__, 0)
    known = []
    kept = sidecars(archive)
    for index in indexes:
        item, (path, sidecar) = simulator.world.item(index), kept[simulator.world.id(index)]
        text = str(item["duration"]).removesuffix("s")
        seconds = float(text) if text.replace(".", "").isdigit() else None
        rate = {name.lower(): rate for name, rate in rates.items()}.get(item["model"].lower())
        sums["videos"] += 1
        sums["complete"] += sidecar.complete
        sums["seconds"] += seconds or 0
        sums["without_duration"] += seconds is None
        for asset in sidecar.assets:
            if asset.status is Status.STORED:
                size = path.with_name(asset.path or "").stat().st_size
                sums["bytes"] += size
                sums["video_bytes" if (asset.path or "").endswith(".mp4") else "image_bytes"] += size
        if seconds is None or rate is None:
            sums["without_credits"] += 1
        else:
            known.append(seconds * rate)
    return sums | {"credits": round(sum(known), 2) if known or not indexes else None}


def test_the_sums_are_those_of_the_sidecars(held: Held, archive: Path) -> None:
    simulator, program = held
    world = simulator.world
    found = counted(program, archive)
    everything = list(range(30))
    assert figures(found["total"]) == expected(simulator, archive, everything, CREDITS_PER_SECOND)
    assert found["time_zone"] == "Europe/Berlin"
    models: dict[str, list[int]] = defaultdict(list)
    months: dict[str | None, list[int]] = defaultdict(list)
    for index in everything:
        item = world.item(index)
        models[item["model"]].append(index)
        made = datetime.fromisoformat(item["createdDate"]).astimezone(BERLIN) if item["createdDate"] else None
        months[f"{made:%Y-%m}" if made else None].append(index)
    assert OTHER_CASE in months["2026-02"], "the month is a local one"
    assert {each["model"] for each in found["models"]} == models.keys()
    for each in found["models"]:
        assert figures(each) == expected(simulator, archive, models[each["model"]], CREDITS_PER_SECOND)
    counts = [each["videos"] for each in found["models"]]
    assert counts == sorted(counts, reverse=True)
    dated = sorted((month for month in months if month), reverse=True)
    assert [each["month"] for each in found["months"]] == [*dated, None]
    for month in found["months"]:
        assert figures(month) == expected(simulator, archive, months[month["month"]], CREDITS_PER_SECOND)
        for each in month["models"]:
            indexes = [index for index in months[month["month"]] if world.item(index)["model"] == each["model"]]
            assert figures(each) == expected(simulator, archive, indexes, CREDITS_PER_SECOND)
    assert found["models_without_rate"] == ["new\x1b[2J"]
    rates = {each["model"]: each["credits_per_second"] for each in found["models"]}
    assert (rates["VEO3.1_Fast"], rates["new\x1b[2J"]) == (10, None)
    backwards = counted(program, archive, "--reverse")
    assert [each["month"] for each in backwards["months"]] == [*reversed(dated), None]


def test_filters_choose_what_is_counted(held: Held, archive: Path) -> None:
    simulator, program = held
    for options, indexes in (
        (("--model", "veo3.1_fast", "--since", "2026-02-01", "--until", "2026-02-01"), [OTHER_CASE]),
        (("--limit", "2"), [0, 1]),
        (("--search", simulator.world.id(7)), [7]),
        (("--model", "none"), []),
    ):
        found = counted(program, archive, *options)
        assert figures(found["total"]) == expected(simulator, archive, indexes, CREDITS_PER_SECOND)
        assert sum(month["videos"] for month in found["months"]) == len(indexes)


def test_rates_of_the_settings(held: Held, archive: Path) -> None:
    simulator, program = held
    program.settings = {**program.settings, "stats": {"credits_per_second": {"Veo3.1": 0, "other": 3}}}
    found = counted(program, archive)
    assert figures(found["total"]) == expected(
        simulator, archive, list(range(30)), CREDITS_PER_SECOND | {"veo3.1": 0.0}
    )
    program.env["PICTORY_ARCHIVER_STATS_CREDITS_PER_SECOND"] = "VEO3.1_FAST=100"
    found = counted(program, archive, "--model", "veo3.1_fast", "--search", simulator.world.id(OTHER_CASE))
    assert found["total"]["credits"] == 250.0
    program.env["PICTORY_ARCHIVER_STATS_CREDITS_PER_SECOND"] = "veo3.1=dear"
    refused = program.run("stats", archive)
    assert (refused.status, refused.stdout) == (2, "")
    assert refused.stderr.startswith(
        'Error: stats.credits_per_second.veo3.1: must be a number from 0 to 100000, not "dear"'
    )


def test_the_table_says_what_is_not_known(held: Held, archive: Path) -> None:
    simulator, program = held
    told = program.run("stats", archive)
    assert (told.status, told.stderr) == (0, "")
    assert "\x1b" not in told.stdout
    lines = told.stdout.splitlines()
    assert lines[0].split() == ["VIDEOS", "LENGTH", "VIDEO", "FILES", "IMAGES", "CREDITS"]
    total = next(line for line in lines if line.startswith("All "))
    assert total.split()[1] == "30"
    credits_of_all = expected(simulator, archive, list(range(30)), CREDITS_PER_SECOND)["credits"]
    assert total.endswith(f"{credits_of_all:,.1f} + ?")
    of_new = [line for line in lines if line.startswith("  new\\x1b[2J")]
    assert len(of_new) == 2, "in its month, and below all"
    assert all(line.endswith("not known") for line in of_new)
    assert any(line.startswith("undated ") for line in lines)
    assert lines[-3].startswith("Credits are an estimate")
    assert lines[-2] == "Not known for the models new\\x1b[2J: the setting stats.credits_per_second can tell."
    assert lines[-1] == "Of 1 video the length is not known."


def test_an_empty_archive(account: Account, archive: Path) -> None:
    _, program = account(World(count=0))
    assert program.run("sync", archive).status == 0
    found = counted(program, archive)
    assert (found["total"]["videos"], found["total"]["credits"], found["models"], found["months"]) == (0, 0, [], [])
    assert program.run("stats", archive).stdout.splitlines()[-1].split() == [
        "All",
        "0",
        "0",
        "s",
        "0",
        "Bytes",
        "0",
        "Bytes",
        "0.0",
    ]


GLANCE = st.builds(
    Glance,
    id=st.uuids().map(str),
    created=st.none() | st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC)),
    prompt=st.just(""),
    model=st.sampled_from(["a", "A", "b", ""]),
    aspect_ratio=st.just(""),
    standing=st.sampled_from(Standing),
    is_gone=st.booleans(),
    duration_seconds=st.none() | st.integers(1, 100).map(float),
)


@given(
    st.lists(GLANCE, max_size=12),
    st.lists(st.tuples(st.integers(0, 12), st.sampled_from(["x.mp4", "x.png", "x"]), st.integers(0, 2**62))),
)
def test_parts_make_up_the_whole(videos: list[Glance], files: list[tuple[int, str, int]]) -> None:
    tally = Tally(ZoneInfo("Pacific/Kiritimati"))
    tally.add_videos(videos)
    named = [(videos[number].id if number < len(videos) else "other", name, size) for number, name, size in files]
    tally.add_files(named)
    stats = tally.stats("/archive", {"A": 2.0})
    own = [(name, size) for video_id, name, size in named if video_id != "other"]
    assert stats.total.videos == len(videos)
    assert stats.total.seconds == sum(video.duration_seconds or 0 for video in videos)
    assert stats.total.bytes == sum(size for _, size in own)
    assert stats.total.video_bytes == sum(size for name, size in own if name == "x.mp4")
    known = [video.duration_seconds * 2 for video in videos if video.model in ("a", "A") and video.duration_seconds]
    assert stats.total.credits == (sum(known) if known or not videos else None)
    assert stats.total.without_credits == len(videos) - len(known)
    for whole, parts in (
        (stats.total, stats.models),
        (stats.total, stats.months),
        *((m, m.models) for m in stats.months),
    ):
        for name in Figures.__struct_fields__:
            assert (getattr(whole, name) or 0) == sum(getattr(part, name) or 0 for part in parts)
    assert len(list(stats_lines(stats))) >= 2 + len(stats.models) + len(stats.months)
