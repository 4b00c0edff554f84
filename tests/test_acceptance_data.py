"""Hostile ids, prompts and dates, the settings that shape paths, and what a later change may do: cases 43 to 47."""

from __future__ import annotations

import json
import unicodedata
from datetime import datetime
from pathlib import Path
from typing import Any

from pathvalidate import is_valid_filename

from pictory_archiver.layout import LONGEST_SUFFIX
from pictory_archiver.models import OUTPUTS
from pictory_archiver.sidecar import Sidecar
from pictory_archiver.simulator import REMOVED, Simulator, World
from pictory_archiver.simulator.signing import KEY_PAIR

from .conftest import Account
from .support import FAST, asset, check_against_world, check_archive, files_of, sidecars, snapshot

HOSTILE_IDS = (
    *("../../x", "/etc/passwd", "..\\..\\x", "%2e%2e%2fx", "a\x00b", "C:\\x", "~root", ".", "..", "...", " ", "-rf"),
    *("CON", "nul.mp4", "com1", "LPT9.txt", "ends.", "ends ", "a:b", "\u202egpj.exe", "a/b/c", ".pictory-archiver"),
    *("\x1b[2J", "two\nlines", "🎬" * 75, "x" * 5000, "a'; DROP TABLE videos; --", "<script>", "{slug}", "%s", "*?"),
)
COLLIDING_IDS = (
    "Straße",
    "STRASSE",
    "strasse",
    "ABC",
    "abc",
    "Abc",
    "caf\u00e9",
    "cafe\u0301",
    "ﬁ",
    "fi",
    "a b",
    "a-b",
)
HOSTILE_PROMPTS = (
    *("../../etc/passwd", "CON", "aux.mp4", "🎬" * 75, "🎬" * 5000, "word " * 1000, "x" * 5000, "", "\u202e" * 20),
    *("ends.", "a\x00b\x1b[31m", "=HYPERLINK(1)", "</script>", "\u2028", "عربى", "e\u0301" * 300, " \t ", 17, None),
)
ODD_DATES = (
    *(REMOVED, None, 1775760707, 1775760707967, "", "yesterday", "0000-00-00T00:00:00Z", "2026-02-30T00:00:00Z"),
    *("99999-01-01T00:00:00Z", "10000-01-01", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "1e3"),
    *(["2026-04-09"], {"at": "2026"}, True, "2026-04-09T25:00:00Z", "09.04.2026", "2026-W15-4T00:00:00Z"),
)


def listed_as(world: World, index: int, **fields: Any) -> None:
    """Lists a video with these fields; its files stay where they are."""
    world.replace_item(index, {**world.item(index), **fields})


def place_of(root: Path, sidecar_path: Path) -> tuple[str, str]:
    """Folder and stem of a video, by its sidecar."""
    relative = sidecar_path.relative_to(root)
    return relative.parent.as_posix(), relative.name.removesuffix(".json")


def assert_portable(root: Path, max_bytes: int = 120) -> None:
    """Every name is one that each file system takes, in any partial form too, and no two are one where case folds."""
    folded: set[str] = set()
    for path in root.rglob("*"):
        assert path.resolve().is_relative_to(root.resolve())
        if ".pictory-archiver" in path.relative_to(root).parts:
            continue
        assert is_valid_filename(path.name, platform="universal"), path
        assert path.name.isascii()
        assert len(path.name.encode()) <= max_bytes
        key = unicodedata.normalize("NFKC", str(path.relative_to(root))).casefold()
        assert key not in folded
        folded.add(key)


def test_hostile_and_colliding_ids_stay_inside_the_root_and_apart(account: Account, archive: Path) -> None:
    ids = (*HOSTILE_IDS, *COLLIDING_IDS)
    world = World(count=len(ids))
    simulator, program = account(world)
    for index, text in enumerate(ids):
        # One prompt and one moment for all: what keeps them apart is the id alone.
        listed_as(world, index, id=text, prompt="the same", createdDate="2026-04-09T18:51:47.967Z")
    run = program.run("sync", archive, "-vv")
    assert run.status == 0, run

    found = check_archive(archive)
    assert set(found) == set(ids)
    assert all(sidecar.complete for _, sidecar in found.values())
    assert_portable(archive)
    assert sorted(path.name for path in archive.parent.iterdir()) == ["archive", "home"]
    for index, text in enumerate(ids):
        path, sidecar = found[text]
        for kind in OUTPUTS:
            assert path.with_name(asset(sidecar, kind).path).read_bytes() == body(simulator, index, kind)

    before = snapshot(archive)
    simulator.forget()
    again = program.run("sync", archive, "--json")
    assert (again.status, again.report["already_held"]) == (0, len(ids))
    assert not simulator.requests(origin="cdn")
    assert snapshot(archive) == before


def body(simulator: Simulator, index: int, kind: str) -> bytes:
    """What the CDN has for an output of a video."""
    place = simulator.world.find(simulator.world.path(index, kind))
    assert place is not None
    file = simulator.world.file(place)
    assert file is not None
    return file.body.read()


def test_prompts_of_any_length_and_script_give_portable_names_and_stay_verbatim(
    account: Account, archive: Path
) -> None:
    world = World(count=len(HOSTILE_PROMPTS) + 2)
    simulator, program = account(world)
    shared = "🎬" * 75  # 300 bytes
    prompts = (*HOSTILE_PROMPTS, shared + " one", shared + " two")
    for index, text in enumerate(prompts):
        world.change(index, prompt=text, createdDate="2026-04-09T18:51:47.967Z")
    assert program.run("sync", archive).status == 0

    found = check_archive(archive)
    assert_portable(archive)
    stems = set()
    for index, text in enumerate(prompts):
        path, sidecar = found[world.id(index)]
        assert sidecar.video["prompt"] == text
        stems.add(place_of(archive, path)[1].casefold())
        partial = place_of(archive, path)[1] + LONGEST_SUFFIX
        assert len(partial.encode()) <= 120
    assert len(stems) == len(prompts)

    simulator.forget()
    assert program.run("sync", archive).status == 0
    assert not simulator.requests(origin="cdn")


def test_a_date_that_is_missing_or_unreadable_goes_to_undated_and_one_without_a_zone_is_utc(
    account: Account, archive: Path
) -> None:
    world = World(count=len(ODD_DATES) + 4)
    simulator, program = account(world)
    for index, value in enumerate(ODD_DATES):
        world.change(index, createdDate=value)
    good = len(ODD_DATES)
    world.change(good, createdDate="2026-04-09T23:30:00")
    world.change(good + 1, createdDate="2026-04-09T23:30:00+05:30")
    world.change(good + 2, createdDate="1969-07-20T20:17:40Z")
    world.change(good + 3, createdDate="2026-04-09")
    assert program.run("sync", archive).status == 0

    found = check_archive(archive)
    assert len(found) == world.count
    for index in range(len(ODD_DATES)):
        path, sidecar = found[world.id(index)]
        assert place_of(archive, path)[0] == "undated", ODD_DATES[index]
        assert sidecar.complete
    places = [place_of(archive, found[world.id(good + offset)][0]) for offset in range(4)]
    assert [folder for folder, _ in places] == ["2026/04/09", "2026/04/09", "1969/07/20", "2026/04/09"]
    assert [stem[:7] for _, stem in places] == ["233000_", "180000_", "201740_", "000000_"]

    simulator.forget()
    assert program.run("sync", archive).status == 0
    assert not simulator.requests(origin="cdn")


def test_the_template_shapes_paths_once_and_no_later_change_moves_or_fetches_anything(
    account: Account, archive: Path
) -> None:
    world = World(count=4)
    simulator, program = account(world)
    template = "{account}/{model}/{aspect_ratio}/{created:%Y-%m}/{created:%d_%H%M%S_%j_%y}_{slug}_{id}"
    program.settings = {
        **FAST,
        "account": "My Studio",
        "layout": {"template": template, "time_zone": "Asia/Tokyo", "max_name_bytes": 160},
    }
    world.change(
        0, createdDate="2026-04-30T20:00:01Z", model="veo3.1", aspectRatio="9:16", prompt="Über den Wolken, a film"
    )
    assert program.run("sync", archive).status == 0
    found = check_archive(archive)
    assert place_of(archive, found[world.id(0)][0]) == (
        "My-Studio/veo3.1/9-16/2026-05",
        f"01_050001_121_26_uber-den-wolken-a-film_{world.id(0)}",
    )
    assert json.loads((archive / ".pictory-archiver/archive.json").read_bytes())["time_zone"] == "Asia/Tokyo"

    before = snapshot(archive)
    simulator.forget()
    program.settings = {
        **FAST,
        "layout": {"template": "{slug}/{id}", "time_zone": "America/New_York", "max_name_bytes": 100},
    }
    assert program.run("sync", archive).status == 0
    assert snapshot(archive) == before

    world.change(1, prompt="a new prompt", createdDate="2020-01-01T00:00:00Z", model="other", aspectRatio="1:1")
    world.change(2, createdDate=REMOVED)
    places = {video: path for video, (path, _) in found.items()}
    run = program.run("sync", archive, "--json")
    assert (run.status, run.report["updated"], run.report["files_stored"]) == (0, 2, 0)
    assert {video: path for video, (path, _) in check_archive(archive).items()} == places
    assert not simulator.requests(origin="cdn")

    # A new video follows the new template, in the time zone of the folders that is fixed with the archive.
    (new,) = world.add(1)
    world.change(new, prompt="Fresh")
    assert program.run("sync", archive).status == 0
    assert place_of(archive, check_archive(archive)[new][0]) == ("fresh", new)


def test_names_keep_to_the_setting_of_their_length(account: Account, archive: Path) -> None:
    world = World(count=6)
    _, program = account(world)
    for index in range(3):
        listed_as(world, index, id=f"{index}" + "long" * 40, prompt="word " * 50)
    program.settings = {**FAST, "layout": {"max_name_bytes": 100}}
    assert program.run("sync", archive).status == 0
    assert_portable(archive, max_bytes=100)
    stems = [place_of(archive, path)[1] for path, _ in check_archive(archive).values()]
    assert len(stems) == 6
    assert max(map(len, stems)) + len(LONGEST_SUFFIX) <= 100


def test_changed_metadata_updates_the_sidecar_keeps_the_former_values_and_fetches_nothing(
    account: Account, archive: Path
) -> None:
    world = World(count=3)
    simulator, program = account(world)
    program.run("sync", archive)
    video = world.id(1)
    path, first = sidecars(archive)[video]
    media = {name: data for name, data in files_of(archive).items() if not name.endswith((".json", "README.txt"))}
    simulator.forget()

    world.change(1, prompt="second", unheard_of={"a": [1, "✓"]}, width=REMOVED)
    run = program.run("sync", archive, "--json")
    assert (run.status, run.report["updated"], run.report["already_held"]) == (0, 1, 2)
    second = sidecars(archive)[video][1]
    assert second.video == {**without(first.video, "width"), "prompt": "second", "unheard_of": {"a": [1, "✓"]}}
    assert [change.was for change in second.history] == [
        {"prompt": first.video["prompt"], "width": first.video["width"], "unheard_of": None}
    ]
    assert second.assets == first.assets

    world.change(1, prompt="third")
    assert program.run("sync", archive).status == 0
    third = sidecars(archive)[video][1]
    assert [change.was.get("prompt") for change in third.history] == [first.video["prompt"], "second"]
    assert third.history[0] == second.history[0]
    assert not simulator.requests(origin="cdn")
    assert {name: data for name, data in files_of(archive).items() if name in media} == media
    check_archive(archive)

    before = snapshot(archive)
    assert program.run("sync", archive).status == 0
    assert snapshot(archive) == before
    assert path == sidecars(archive)[video][0]


def without(item: dict[str, Any], name: str) -> dict[str, Any]:
    """An item without one of its fields."""
    return {key: value for key, value in item.items() if key != name}


def test_another_host_or_signature_rewrites_nothing_and_another_url_fetches_nothing(
    account: Account, archive: Path
) -> None:
    now = [1_800_000_000.0]
    world = World(count=5, signed=True, clock=lambda: now[0])
    simulator, program = account(world)
    assert program.run("sync", archive).status == 0
    check_against_world(archive, simulator)
    before = snapshot(archive)
    simulator.forget()

    now[0] += 600  # every URL is signed anew
    world.cdn_base = "https://d999.cloudfront.example"
    assert program.run("sync", archive).status == 0
    assert snapshot(archive) == before

    world.change(2, url="https://elsewhere.example/moved.mp4?Signature=s&v=2")
    run = program.run("sync", archive, "--json")
    assert (run.status, run.report["updated"]) == (0, 1)
    moved = sidecars(archive)[world.id(2)][1]
    assert moved.complete
    assert moved.video["url"] == "https://elsewhere.example/moved.mp4?v=2"
    assert len(moved.history) == 1
    assert not simulator.requests(origin="cdn")


def test_no_signature_is_written_anywhere(account: Account, archive: Path) -> None:
    world = World(count=30, signed=True)
    simulator, program = account(world)
    world.change(3, url=world.link("/videos/gone.mp4"))  # a failure is written down, too
    world.change(4, firstFrameImageUrl="https://user:secret-part@host.example/x.png?X-Amz-Signature=abc&sig=def")
    run = program.run("sync", archive, "-vv")
    assert run.status == 3
    signatures = {request.query["Signature"] for request in simulator.requests(origin="cdn")}
    assert len(signatures) > 100
    written = {path: path.read_bytes() for path in archive.rglob("*") if path.is_file()}
    assert any(path.suffix == ".sqlite3" for path in written)
    written[Path("output")] = (run.stdout + run.stderr).encode()
    for path, data in written.items():
        for word in ("Signature=", "Expires=", "Key-Pair-Id", KEY_PAIR, "X-Amz", "sig=", "secret-part"):
            assert word.encode() not in data, (path, word)
    everything = b"".join(written.values())
    assert not [text for text in signatures if text.encode() in everything]


def test_files_carry_the_time_of_their_video_and_follow_the_umask(account: Account, archive: Path) -> None:
    world = World(count=2)
    _, program = account(world)
    world.change(0, createdDate="2025-12-24T18:00:00.250Z")
    world.change(1, createdDate=REMOVED)
    assert program.run("sync", archive, umask=0o027).status == 0
    path, sidecar = check_archive(archive)[world.id(0)]
    for each in stored(sidecar):
        assert path.with_name(each).stat().st_mtime == datetime.fromisoformat("2025-12-24T18:00:00.250Z").timestamp()
    for entry in archive.rglob("*"):
        mode = entry.stat().st_mode & 0o777
        assert mode & 0o027 == 0, entry
        if ".pictory-archiver" not in entry.parts:
            assert mode == (0o750 if entry.is_dir() else 0o640), entry
    undated = check_archive(archive)[world.id(1)][0]
    assert abs(undated.stat().st_mtime - archive.stat().st_mtime) < 3600


def stored(sidecar: Sidecar) -> list[str]:
    """The names of the files of a video."""
    return [each.path for each in sidecar.assets if each.path]
