"""`list`, `search`, `show`: an account of every sort of video, as a person and as a program see it."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from wcwidth import width

from benchmarks.held import make_archive, put_random
from pictory_archiver.archive import CATALOGUE
from pictory_archiver.models import OUTPUTS, Status
from pictory_archiver.simulator import REMOVED, Fault, Match, Simulator, World
from pictory_archiver.simulator import Status as Answer

from . import schemas
from .conftest import Account, Mount
from .damage import cut, file_of
from .records import damages
from .support import Program, sidecars, snapshot
from .test_hostile_archive import ESCAPE, WORDS
from .test_interruption import wait_until
from .test_streams import BROKEN, FULL, through_shell
from .test_upkeep import change, lonely

Held = tuple[Simulator, Program]

HOSTILE = f"=cmd|' /C calc'!A0\n<script>alert(1)</script>\t{ESCAPE} ﷽ end\u200b"
COUNT = 12
UNDATED, IN_THE_MAKING, GONE, LOSSY, EVIL, TWIN = 2, 1, 4, 5, 6, 8


@pytest.fixture
def held(account: Account, archive: Path) -> Held:
    """An archive with every sort of video, seen by somebody without a key and without a network."""
    simulator, program = account(
        World(count=COUNT), [Fault(Match(kind="preview", video=LOSSY), Answer(404), times=None)]
    )
    world = simulator.world
    world.change(
        UNDATED, createdDate="long ago", prompt="Ein Café über dem Fluß", model="Other", duration="abc", width="x"
    )
    world.change(IN_THE_MAKING, url=REMOVED, createdDate=datetime.now(UTC).isoformat())
    world.change(EVIL, prompt=HOSTILE, model=ESCAPE, aspectRatio=ESCAPE, account=ESCAPE, duration=ESCAPE)
    world.change(TWIN, createdDate=world.item(TWIN + 1)["createdDate"], aspectRatio="21:9")
    assert program.run("sync", archive).status == 3
    world.delete(GONE)
    for _ in range(2):
        assert program.run("sync", archive, "--full").status == 3
    simulator.forget()
    return simulator, lonely(program)


def listed(program: Program, *words: str | Path, command: str = "list") -> list[dict[str, Any]]:
    """The videos that a command lists, each valid by the published schema."""
    outcome = program.run(command, *words, "--json")
    assert outcome.status == 0, outcome.stderr
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\u2028]", outcome.stdout)
    validator = jsonschema.Draft202012Validator(json.loads(schemas.path_of("video").read_bytes()))
    found = [json.loads(line) for line in outcome.stdout.splitlines()]
    for each in found:
        validator.validate(each)
        assert set(each) == set(validator.schema["$defs"]["Entry"]["properties"])
    return found


def indexes(simulator: Simulator, videos: list[dict[str, Any]]) -> list[int]:
    return [simulator.world.index(video["id"]) for video in videos]


def in_order(simulator: Simulator) -> list[int]:
    """All videos, the newest first; two of one moment by their ids, the undated one at the end."""
    items = {index: simulator.world.item(index) for index in range(COUNT)}
    dated = sorted((items[i]["createdDate"][:23], items[i]["id"], i) for i in items if i != UNDATED)
    return [index for *_, index in reversed(dated)] + [UNDATED]


# list


def test_every_video_is_listed_with_all_that_is_known_of_it(held: Held, archive: Path) -> None:
    simulator, program = held
    world = simulator.world
    before = snapshot(archive)
    videos = listed(program, archive)
    assert indexes(simulator, videos) == in_order(simulator)
    by_index = dict(zip(in_order(simulator), videos, strict=True))
    kept = sidecars(archive)
    for index, video in by_index.items():
        item, (path, sidecar) = world.item(index), kept[world.id(index)]
        assert video["prompt"] == item["prompt"]
        assert video["model"] == item["model"]
        assert video["sidecar"] == path.relative_to(archive).as_posix()
        assert video["gone_upstream"] == sidecar.gone_upstream
        assert (video["gone_upstream"] is not None) == (index == GONE)
        stored = [each for each in sidecar.assets if each.status is Status.STORED]
        assert video["bytes"] == sum(each.bytes or 0 for each in stored)
        for file in video["files"]:
            if file["path"]:
                assert (archive / file["path"]).is_file()
            if file["status"] == "stored":
                assert (archive / file["path"]).stat().st_size == file["bytes"]
        assert {file["kind"] for file in video["files"]} >= {*OUTPUTS}
        wanted = {name: item[name] for name in ("prompt", "model", "aspectRatio", "duration")}
        assert video["request"].items() >= wanted.items()
    states = {index: video["status"] for index, video in by_index.items()}
    assert states == dict.fromkeys(range(COUNT), "complete") | {IN_THE_MAKING: "pending", LOSSY: "incomplete"}
    assert (by_index[UNDATED]["created_at"], by_index[UNDATED]["duration_seconds"]) == (None, None)
    assert (by_index[UNDATED]["width"], by_index[UNDATED]["height"]) == (None, world.item(UNDATED)["height"])
    assert by_index[0]["duration_seconds"] in (5.0, 8.0)
    assert by_index[IN_THE_MAKING]["path"] is None
    assert next(file["error"] for file in by_index[LOSSY]["files"] if file["kind"] == "preview") == "HTTP 404"
    assert snapshot(archive) == before
    assert not simulator.log


FILTERS: list[tuple[list[str], set[int]]] = [
    (["--status", "pending"], {IN_THE_MAKING}),
    (["--status", "incomplete"], {LOSSY}),
    (["--status", "gone"], {GONE}),
    (["--status", "incomplete", "--status", "gone"], {LOSSY, GONE}),
    (["--model", "OTHER"], {UNDATED}),
    (["--aspect-ratio", "21:9"], {TWIN}),
    (["--aspect-ratio", "21:9", "--model", "other"], set()),
    (["--search", "CAFE FLUSS"], {UNDATED}),
    (["--search", '"cafe fluss"'], set()),
    (["--search", '"uber dem"'], {UNDATED}),
    (["--since", "9999-12-31"], set()),
    (["--until", "0001-01-01"], set()),
    (["--limit", "0"], set()),
]


@pytest.mark.parametrize(
    ("options", "chosen"), FILTERS, ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_filters_choose(held: Held, archive: Path, options: list[str], chosen: set[int]) -> None:
    simulator, program = held
    videos = listed(program, archive, *options)
    assert set(indexes(simulator, videos)) == chosen
    if not chosen:
        outcome = program.run("list", archive, *options)
        assert (outcome.status, outcome.stdout, outcome.stderr) == (0, "", "No video fits.\n")


def test_days_order_and_limit(held: Held, archive: Path) -> None:
    simulator, program = held
    items = {index: simulator.world.item(index)["createdDate"] for index in range(COUNT) if index != UNDATED}
    day = items[7][:10]
    of_day = {index for index, made in items.items() if made.startswith(day)}
    assert set(indexes(simulator, listed(program, archive, "--since", day, "--until", day))) == of_day
    since = {index for index, made in items.items() if made[:10] >= day}
    assert set(indexes(simulator, listed(program, archive, "--since", day))) == since
    *dated, undated = in_order(simulator)
    assert indexes(simulator, listed(program, archive, "--reverse")) == [*reversed(dated), undated]
    assert indexes(simulator, listed(program, archive, "--limit", "3")) == dated[:3]
    assert indexes(simulator, listed(program, archive, "--reverse", "--limit", "3")) == dated[::-1][:3]


def test_days_are_those_of_the_archives_folders(account: Account, archive: Path) -> None:
    simulator, program = account(World(count=3))
    for index, made in enumerate(("2026-03-10T23:30:00Z", "2026-03-10T12:00:00Z", "2026-03-09T23:30:00Z")):
        simulator.world.change(index, createdDate=made)
    program.settings["layout"] = {"time_zone": "Europe/Berlin"}
    assert program.run("sync", archive).status == 0
    del program.settings["layout"]
    options = ("--since", "2026-03-10", "--until", "2026-03-10")
    assert indexes(simulator, listed(program, archive, *options)) == [1, 2]
    assert [line[:16] for line in program.run("list", archive, *options).stdout.splitlines()] == [
        "2026-03-10 13:00",
        "2026-03-10 00:30",
    ]
    assert "2026-03-10 00:30:00 (Europe/Berlin)" in program.run("show", archive, simulator.world.id(2)).stdout


def test_into_a_pipe_go_whole_lines(held: Held, archive: Path) -> None:
    simulator, program = held
    outcome = program.run("list", archive)
    rows = [line.split("\t") for line in outcome.stdout.splitlines()]
    assert {len(row) for row in rows} == {8}
    by_index = {simulator.world.index(row[6]): row for row in rows}
    assert list(by_index) == in_order(simulator)
    assert by_index[UNDATED] == [
        *("undated", "-", by_index[UNDATED][2], "Other", simulator.world.item(UNDATED)["aspectRatio"], "complete"),
        *(simulator.world.id(UNDATED), "Ein Café über dem Fluß"),
    ]
    assert by_index[GONE][5] == "complete, gone"
    assert by_index[IN_THE_MAKING][5] == "pending"
    assert all(by_index[index][7] == simulator.world.item(index)["prompt"] for index in (0, 3, 7))
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e\u2028]", outcome.stdout)
    assert "=cmd|' /C calc'!A0\\x0a<script>" in by_index[EVIL][7]


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
@pytest.mark.parametrize("columns", [80, 109, 110, 200])
def test_in_a_terminal_every_video_has_one_line(held: Held, archive: Path, columns: int) -> None:
    from .terminal import Terminal

    simulator, program = held
    world = simulator.world
    with Terminal(program.command("list", archive), program.environment(), columns=columns) as terminal:
        assert terminal.finish() == 0
    title, *lines = terminal.output.replace("\r\n", "\n").splitlines()
    assert len(lines) == COUNT
    assert title.split() == ["DATE", "LENGTH", "SIZE", "MODEL", "RATIO", *(["ID"] if columns >= 110 else []), "PROMPT"]
    start = title.index("PROMPT")
    by_index = dict(zip(in_order(simulator), lines, strict=True))
    for line in lines:
        assert width(line) <= max(columns, start + 1)
        assert not WORDS.search(line)
    marks = {IN_THE_MAKING: "…", LOSSY: "!", GONE: "✓†", 0: "✓"}
    for index, mark in marks.items():
        assert f" {mark} " in by_index[index], by_index[index]
    prompt = world.item(0)["prompt"]
    assert by_index[0][start:].removesuffix("…") == prompt[: len(by_index[0][start:].removesuffix("…"))]
    if columns >= 110:
        short = by_index[0][title.index("ID") :].split()[0]
        assert len(short) < 20
        assert program.run("show", archive, short, "--json").report["id"] == world.id(0)


# search


def test_words_of_prompts_find_videos(held: Held, archive: Path) -> None:
    simulator, program = held
    found = listed(program, archive, "fluss", "CAFÉ", command="search")
    assert indexes(simulator, found) == [UNDATED]
    assert listed(program, archive, '"dem fluß"', command="search") == found
    assert listed(program, archive, "fluss", "--model", "veo3.1", command="search") == []
    assert indexes(simulator, listed(program, archive, simulator.world.id(7), command="search")) == [7]
    in_prompts = [
        i for i in in_order(simulator) if "a" in simulator.world.item(i)["prompt"].lower() + simulator.world.id(i)
    ]
    assert indexes(simulator, listed(program, archive, "a", command="search")) == in_prompts
    assert indexes(simulator, listed(program, archive, "a", "--limit", "1", command="search")) == in_prompts[:1]
    nothing = program.run("search", archive, "nothing like this")
    assert (nothing.status, nothing.stdout, nothing.stderr) == (0, "", "No video fits.\n")


def test_a_word_that_is_no_archive_is_never_taken_for_one(held: Held, archive: Path, tmp_path: Path) -> None:
    simulator, program = held
    (tmp_path / "cafe").mkdir()
    program.settings["archive"] = str(archive)
    for words in (("cafe",), ("cafe", "fluss"), (archive, "cafe")):
        done = program.run("search", *words, "--json", cwd=tmp_path)
        assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == [simulator.world.id(UNDATED)]
    nothing: tuple[tuple[str | Path, ...], ...] = ((archive,), (archive, '""'), ("  ",), ())
    for none in nothing:
        outcome = program.run("search", *none)
        assert (outcome.status, outcome.stdout) == (2, "")
        assert "to look for" in outcome.stderr or "Missing argument" in outcome.stderr
    assert program.run("search", archive, "a", "--search", "b").status == 2


# show


def test_all_that_is_known_of_a_video_is_told(held: Held, archive: Path) -> None:
    simulator, program = held
    world = simulator.world
    kept = sidecars(archive)
    for index in range(COUNT):
        told = program.run("show", archive, world.id(index))
        assert (told.status, told.stderr) == (0, "")
        assert not WORDS.search(told.stdout)
        lines = told.stdout.splitlines()
        assert lines[0] == world.id(index)
        if index != EVIL:
            assert f"  {world.item(index)['prompt'].splitlines()[0]}".rstrip() in lines
        path, sidecar = kept[world.id(index)]
        for each in sidecar.assets:
            if each.status is Status.STORED:
                assert path.with_name(each.path or "").relative_to(archive).as_posix() in told.stdout
                assert f"{each.bytes:,} bytes  SHA-256 {each.sha256}" in told.stdout
    assert "  preview       missing: HTTP 404\n" in program.run("show", archive, world.id(LOSSY)).stdout
    assert "incomplete, without preview\n" in program.run("show", archive, world.id(LOSSY)).stdout
    assert "gone since " in program.run("show", archive, world.id(GONE)).stdout
    assert "Status          in the making" in program.run("show", archive, world.id(IN_THE_MAKING)).stdout
    undated = program.run("show", archive, world.id(UNDATED)).stdout
    assert "Made            not known when\n" in undated
    assert "Length          not known\n" in undated
    assert "Credits         not known: the setting stats.credits_per_second has no rate" in undated
    item = world.item(0)
    credits_of = {"veo3.1": 20, "veo3.1_fast": 10, "pixverse5.5": 1.6}[item["model"]]
    seconds = int(item["duration"].removesuffix("s"))
    newest = program.run("show", archive, world.id(0)).stdout
    assert f"about {seconds * credits_of:,.1f}: an estimate, at {credits_of:g} a second\n" in newest
    assert f"{item['width']} × {item['height']}, {item['aspectRatio']}\n" in newest
    request = json.loads(newest.splitlines()[-1])
    assert request["prompt"] == item["prompt"]


def test_the_loss_that_was_accepted_is_told(held: Held, archive: Path) -> None:
    simulator, program = held
    assert program.run("accept", archive, simulator.world.id(LOSSY)).status == 0
    assert "Accepted        the loss of preview\n" in program.run("show", archive, simulator.world.id(LOSSY)).stdout


def test_a_video_is_named_by_id_beginning_or_path(held: Held, archive: Path) -> None:
    simulator, program = held
    world = simulator.world
    video_id = world.id(7)
    paths = [file_of(archive, world, 7, suffix) for suffix in ("mp4", "json", "preview.jpg")]
    names: list[str | Path] = [video_id, video_id[:-3], *paths, paths[0].relative_to(archive), paths[0].name]
    for name in names:
        assert program.run("show", archive, name, "--json").report["id"] == video_id
        assert 7 in indexes(simulator, listed(program, archive, "--chain", name))
    assert program.run("show", paths[0].relative_to(archive), "--json", cwd=archive).report["id"] == video_id
    for name, said in (("nobody", "the archive knows no video nobody"), ("20", "fits more than one video")):
        for command, *options in (("show", name), ("list", "--chain", name)):
            refused = program.run(command, archive, *options)
            assert (refused.status, refused.stdout, said in refused.stderr) == (2, "", True)
            assert len(refused.stderr.splitlines()) == 1
    assert program.run("show", archive).status == 2
    assert program.run("show", archive, video_id, video_id).status == 2
    evil = program.run("show", archive, ESCAPE)
    assert (evil.status, WORDS.search(evil.stderr)) == (2, None)


def test_options_that_exclude_each_other(held: Held, archive: Path) -> None:
    simulator, program = held
    video = simulator.world.id(0)
    for options, said in (
        (("--chain", video, "--chains"), "--chain and --chains exclude each other"),
        (("--chain", video, "--reverse"), "--chain and --reverse exclude each other"),
        (("--since", "2026-02-01", "--until", "2026-01-01"), "--since is later than --until"),
        (("--status", "lost"), "lost"),
        (("--limit", "-1"), "-1"),
        (("--since", "yesterday"), "is no date"),
    ):
        refused = program.run("list", archive, *options)
        assert (refused.status, refused.stdout, said in refused.stderr) == (2, "", True), options


# Wherever, and whatever is the matter with it


def test_an_empty_archive(account: Account, archive: Path) -> None:
    _, program = account(World(count=0))
    assert program.run("sync", archive).status == 0
    for words in (["list"], ["list", "--json"], ["list", "--chains"]):
        outcome = program.run(words[0], archive, *words[1:])
        assert (outcome.status, outcome.stdout) == (0, "")
        assert outcome.stderr in ("The archive holds no videos yet.\n", "No video fits.\n")
    assert program.run("search", archive, "fox").stderr == "No video fits.\n"
    assert program.run("show", archive, "2").status == 2


def test_what_is_no_archive(account: Account, tmp_path: Path) -> None:
    _, program = account(World(count=0))
    for words in (["list"], ["stats"]):
        outcome = program.run(*words, tmp_path / "nowhere")
        assert (outcome.status, outcome.stdout, len(outcome.stderr.splitlines())) == (6, "", 1)


def seen(program: Program, archive: Path) -> list[str]:
    """What the commands print."""
    video = listed(program, archive)[0]["id"]
    words = (
        ["list", archive],
        ["search", archive, "a"],
        ["show", archive, video],
        ["stats", archive],
        ["list", archive, "--json"],
    )
    outcomes = [program.run(*each) for each in words]
    assert {(outcome.status, outcome.stderr) for outcome in outcomes} == {(0, "")}
    return [outcome.stdout for outcome in outcomes]


@pytest.mark.parametrize(
    "damage", ["deleted", "emptied", "garbage", "text", "cut short", "cut to its header", "zeros in the middle"]
)
def test_a_lost_or_damaged_catalogue_does_not_matter(held: Held, archive: Path, damage: str) -> None:
    _, program = held
    sound = seen(program, archive)
    catalogue = archive / CATALOGUE
    dict(damages(catalogue))[damage]()
    left = catalogue.read_bytes() if catalogue.exists() else None
    assert seen(program, archive) == sound
    assert left == (catalogue.read_bytes() if catalogue.exists() else None), "nothing is written"


@pytest.fixture
def large(tmp_path: Path, account: Account) -> tuple[Path, Program]:
    """An archive of more videos than are read at once."""
    root = tmp_path / "large"
    asyncio.run(make_archive(root, 500, 0, "https://cdn.example", put_random(100)))
    _, program = account(World(count=0))
    return root, lonely(program)


BAD_ROW = "UPDATE assets SET kind = 'nonsense' WHERE video_id = '{}' AND kind = 'preview'"


def test_damage_that_is_met_in_the_middle(large: tuple[Path, Program]) -> None:
    """Before anything was printed it begins anew; behind that it ends with 6, and a part never looks like the whole."""
    archive, program = large
    ids = [video["id"] for video in listed(program, archive)]
    sound = {words: program.run(*words) for words in (("list", archive), ("list", archive, "--json"))}
    change(archive / CATALOGUE, BAD_ROW.format(ids[10]))
    for words, outcome in sound.items():
        assert program.run(*words) == outcome
    assert program.run("show", archive, ids[10], "--json").report["id"] == ids[10]
    (archive / CATALOGUE).unlink()
    assert program.run("reindex", archive).status == 0
    change(archive / CATALOGUE, BAD_ROW.format(ids[450]))
    for words, outcome in sound.items():
        ended = program.run(*words)
        assert (ended.status, len(ended.stderr.splitlines())) == (6, 1)
        assert "the catalogue is damaged" in ended.stderr
        assert outcome.stdout.startswith(ended.stdout)
        assert 0 < len(ended.stdout) < len(outcome.stdout)


def test_read_only_media(account: Account, mount: Mount) -> None:
    _, program = account(World(count=5))
    archive = mount("size=600m")
    assert program.run("sync", archive).status == 0
    sound = seen(lonely(program), archive)
    mount("ro", again=True)
    assert seen(lonely(program), archive) == sound
    mount("rw", again=True)
    (archive / CATALOGUE).unlink()
    mount("ro", again=True)
    assert seen(lonely(program), archive) == sound
    mount("rw", again=True)


def test_beside_a_running_sync(account: Account, archive: Path) -> None:
    """Whatever it calls complete is there."""
    simulator, program = account(World(count=60), latency=0.01)
    reader = lonely(program)
    process = program.start("sync", archive)
    wait_until((archive / CATALOGUE).exists, process)
    seen_complete: set[str] = set()
    looks = 0
    while process.poll() is None:
        for video in listed(reader, archive):
            if video["status"] == "complete":
                seen_complete.add(video["id"])
                assert all((archive / file["path"]).is_file() for file in video["files"] if file["kind"] in OUTPUTS)
        looks += 1
    process.communicate()
    assert (process.returncode, looks > 1) == (0, True)
    assert len(listed(reader, archive, "--status", "complete")) == 60
    assert seen_complete <= {simulator.world.id(index) for index in range(60)}


@pytest.mark.skipif(sys.platform == "win32", reason="shells and devices of POSIX")
@pytest.mark.parametrize("words", ["list .", "list . --json", "search . a", "stats .", "export . --to csv"])
def test_a_reader_that_leaves(large: tuple[Path, Program], words: str) -> None:
    archive, program = large
    command, _, *options = words.split()
    for how in ("| head -n 1", BROKEN["nobody reads stdout"]):
        done = through_shell(program, how, command, archive, *options)
        assert (done.returncode, done.stderr) == (0, "")
    done = through_shell(program, BROKEN["stdout full"], command, archive, *options)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (6, f"Error: {FULL}")


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_nothing_more_is_read_for_a_reader_that_left(large: tuple[Path, Program]) -> None:
    """The damage at the end is never met."""
    archive, program = large
    last = listed(program, archive)[-1]["id"]
    change(archive / CATALOGUE, BAD_ROW.format(last))
    assert program.run("list", archive, "--json").status == 6
    assert through_shell(program, BROKEN["nobody reads stdout"], "list", archive, "--json").returncode == 0


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_in_words(large: tuple[Path, Program], number: int) -> None:
    archive, program = large
    process = program.start("list", archive, "--json")
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(number)  # it has more to say than a pipe holds
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert stderr.strip().startswith("Stopped")
    assert len(stderr.strip().splitlines()) == 1


def test_it_is_about_the_account_that_is_named(held: Held, archive: Path) -> None:
    _, program = held
    program.settings = {**program.settings, "accounts": {"one": {"archive": str(archive), "key_file": "none"}}}
    assert len(listed(program, "--account", "one")) == COUNT
    assert program.run("list", archive, "--account", "one").status == 2
    assert program.run("search", "cafe", "--account", "one").stdout.count("\n") == 1
    assert program.run("show", file_of(archive, held[0].world, 7, "mp4"), "--account", "one").status == 0


def test_a_sidecar_that_cannot_be_read_is_passed_over_where_the_catalogue_is_lost(held: Held, archive: Path) -> None:
    simulator, program = held
    cut(file_of(archive, simulator.world, 7, "json"), 100)
    assert len(listed(program, archive)) == COUNT, "the catalogue knows it"
    (archive / CATALOGUE).unlink()
    assert set(indexes(simulator, listed(program, archive))) == {*range(COUNT)} - {7}
