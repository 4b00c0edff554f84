"""The catalogue as an index that may be lost, moved and read by others; `reindex`, `accept`, `--max-age`; accounts."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pictory_archiver.archive import CATALOGUE, HIDDEN, JOURNAL
from pictory_archiver.catalogue_schema import STEPS
from pictory_archiver.database import Database
from pictory_archiver.simulator import REMOVED, Fault, Match, Simulator, World
from pictory_archiver.simulator import Status as Answer

from .conftest import Account
from .support import FAST, Program, asset, check_against_world, check_archive, files_of, sidecars, snapshot
from .test_incremental import pages_asked


def query(path: Path, sql: str) -> list[Any]:
    """What another SQLite program reads."""
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        return connection.execute(sql).fetchall()


def change(path: Path, script: str) -> None:
    """Changes a catalogue behind the program's back."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)


def lonely(program: Program) -> Program:
    """The program of somebody without a key and without a network."""
    return Program(program.home, "http://127.0.0.1:9/pictoryapis", (), key=None, settings=program.settings)


# accept


@pytest.fixture
def lossy(account: Account, archive: Path) -> tuple[Simulator, Program]:
    """An archive of which two files of one video and one of another are lost upstream."""
    simulator, program = account(
        World(count=8),
        [
            Fault(Match(kind="preview", video=2), Answer(404), times=None),
            Fault(Match(kind="video", video=2), Answer(404), times=None),
            Fault(Match(kind="thumbnail", video=5), Answer(500), times=None),
        ],
    )
    assert program.run("sync", archive).status == 3
    return simulator, program


def test_an_accepted_loss_stays_in_the_ledger_and_no_longer_counts(
    lossy: tuple[Simulator, Program], archive: Path
) -> None:
    simulator, program = lossy
    first, second = simulator.world.id(2), simulator.world.id(5)
    accepted = lonely(program).run("accept", archive, first)
    assert (accepted.status, accepted.stdout) == (0, f"Accepted: video, preview of {first}\n")
    assert program.run("sync", archive).status == 3
    assert program.run("status", archive).status == 3
    path = next(archive.rglob(f"*{second}.mp4"))
    assert lonely(program).run("accept", archive, path.name, "--kind", "thumbnail").status == 0

    simulator.forget()
    run = program.run("sync", archive)
    assert (run.status, run.verdict.startswith("6 AI Studio videos are here and verified. 3 losses accepted.")) == (
        0,
        True,
    )
    assert not simulator.requests(origin="cdn")
    told = program.run("status", archive)
    assert told.status == 0
    assert "8 AI Studio videos listed, 6 held, 3 losses accepted" in told.stdout.splitlines()[0]
    assert "\nAccepted      3 files\n" in told.stdout
    found = check_archive(archive)
    assert found[first][1].accepted == ("video", "preview")
    assert not found[first][1].complete
    lines = [json.loads(line) for line in (archive / JOURNAL).read_text().splitlines()]
    assert [(line["video_id"], line["files"]) for line in lines if line["type"] == "acceptance"] == [
        (first, ["video", "preview"]),
        (second, ["thumbnail"]),
    ]
    assert lonely(program).run("reindex", archive).status == 0
    assert program.run("sync", archive).status == 0  # the sidecar knows


def test_an_accepted_file_that_turns_up_at_another_address_is_fetched(
    lossy: tuple[Simulator, Program], archive: Path
) -> None:
    simulator, program = lossy
    world = simulator.world
    for video in (2, 5):
        assert program.run("accept", archive, world.id(video)).status == 0
    world.change(5, thumbnailImageUrl=world.link(world.path(4, "thumbnail")))
    assert program.run("sync", archive, "--full").status == 0
    sidecar = check_archive(archive)[world.id(5)][1]
    assert (asset(sidecar, "thumbnail").status, sidecar.accepted, sidecar.complete) == ("stored", (), True)


def test_what_cannot_be_accepted_changes_nothing(lossy: tuple[Simulator, Program], archive: Path) -> None:
    simulator, program = lossy
    before = files_of(archive)
    held, lost = simulator.world.id(0), simulator.world.id(2)
    for names, said in (
        ([held], "nothing of"),
        (["nobody"], "the archive knows no video nobody"),
        (["2"], "fits more than one video"),
        ([lost, "nobody"], "the archive knows no video nobody"),
    ):
        refused = program.run("accept", archive, *names)
        assert (refused.status, said in refused.stderr, refused.stdout) == (2, True, ""), refused
        assert len(refused.stderr.splitlines()) == 1
    assert program.run("accept", archive, lost, "--kind", "thumbnail").status == 2
    assert program.run("accept", archive.parent / "nowhere", lost).status == 2  # no archive, so an id
    assert program.run("accept", archive).status == 2
    assert files_of(archive) == before


def test_an_overdue_video_can_be_accepted_and_is_fetched_once_it_is_there(account: Account, archive: Path) -> None:
    world = World(count=5)
    simulator, program = account(world)
    url = world.item(3)["url"]
    world.change(3, url=REMOVED)
    assert program.run("sync", archive).status == 3
    assert program.run("accept", archive, world.id(3)).status == 0
    assert program.run("sync", archive).status == 0
    world.change(3, url=url)
    assert program.run("sync", archive, "--full").status == 0
    check_against_world(archive, simulator)
    assert sidecars(archive)[world.id(3)][1].accepted == ()


# The catalogue


def test_reindex_needs_no_network_and_the_next_run_fetches_nothing(account: Account, archive: Path) -> None:
    simulator, program = account(World(count=40, page_size=10))
    for _ in range(2):
        assert program.run("sync", archive).status == 0
    before = snapshot(archive)
    broken, _ = sidecars(archive)[simulator.world.id(3)]
    whole = broken.read_bytes()
    broken.write_bytes(whole[:50])
    simulator.forget()
    made = lonely(program).run("reindex", archive)
    assert (made.status, made.stdout) == (0, "Rebuilt the catalogue: 40 videos, 40 of them complete\n")
    (warning,) = made.stderr.splitlines()
    assert warning.startswith(f"Warning: {broken.relative_to(archive)} is passed over: ")
    assert not simulator.log
    told = program.run("status", archive)
    assert told.status == 5
    assert told.stdout.startswith("Unknown: no listing of the account is known to have reached its end. Run sync.")
    assert told.stdout.count("  exit 0: All 40 AI Studio videos are here and verified") == 2
    broken.write_bytes(whole)
    assert lonely(program).run("reindex", archive).stdout.startswith("Rebuilt the catalogue: 40 videos, 40 of them")
    assert program.run("sync", archive).verdict.startswith("All 40 ")
    assert pages_asked(simulator) == [1, 2, 3, 4]
    assert not simulator.requests(origin="cdn")
    now = snapshot(archive)
    name = broken.relative_to(archive).as_posix()
    assert {each: now[each] for each in now if each != name} == {each: before[each] for each in before if each != name}


def test_reindex_is_refused_beside_a_run_and_where_there_is_no_archive(account: Account, archive: Path) -> None:
    simulator, program = account(
        World(count=3), [Fault(Match(origin="api"), Answer(503, headers={"Retry-After": "60"}))]
    )
    running = program.start("sync", archive)
    while not simulator.requests(origin="api"):
        assert running.poll() is None
    commands: tuple[tuple[str | Path, ...], ...] = (("reindex", archive), ("accept", archive, "x"))
    for command in commands:
        busy = program.run(*command)
        assert (busy.status, f"process {running.pid} " in busy.stderr) == (75, True)
    running.kill()
    running.communicate()
    assert program.run("reindex", archive.parent).status == 6
    assert not (archive.parent / HIDDEN).exists()


def test_a_catalogue_in_another_folder(account: Account, archive: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "index" / "of archives"
    settings = {**FAST, "catalogue": {"folder": str(elsewhere)}}
    simulator, program = account(World(count=40, page_size=10), program={"settings": settings})
    for _ in range(2):
        assert program.run("sync", archive).status == 0
    assert pages_asked(simulator) == [1, 2, 3, 4, 1]
    assert not (archive / CATALOGUE).exists()
    (file,) = elsewhere.iterdir()
    assert query(file, "SELECT count(*) FROM archive_videos") == [(40,)]
    assert program.run("status", archive).status == 0
    assert program.run("sync", archive, "--dry-run").status == 0

    second = tmp_path / "second"
    assert program.run("sync", second).status == 0
    assert len(list(elsewhere.iterdir())) == 2
    file.unlink()
    simulator.forget()
    assert program.run("sync", archive).status == 0
    assert not simulator.requests(origin="cdn")
    (elsewhere / "in the way").write_text("")
    program.settings = {**FAST, "catalogue": {"folder": str(elsewhere / "in the way")}}
    assert program.run("sync", archive).status == 6


def as_of_the_first_version(path: Path) -> None:
    """Makes a catalogue one of version 1, with what it knows."""
    old = path.with_name("old.sqlite3")
    Database.create(old, STEPS[:1]).close()
    shared = {
        "videos": "id, folder, stem, name_key, created, account, source, item, revision, complete, history, "
        "gone_upstream, accepted, archived_by, archived_at, sidecar_bytes, listed_run",
        "assets": "video_id, kind, number, status, path, bytes, sha256, content_type, etag, last_modified, "
        "linked_video, linked_kind, error, url, stored_at",
        "runs": "id, started, ended, exit_status, verdict",
    }
    copy = "".join(f"INSERT INTO {table} ({names}) SELECT {names} FROM new.{table};" for table, names in shared.items())
    change(
        old,
        f"ATTACH '{path}' AS new; {copy} INSERT INTO listings "
        "SELECT run, ended, kind = 'full', pages, videos, odd_items, error FROM new.listings;",
    )
    old.replace(path)


def test_a_catalogue_of_the_first_version_is_brought_up_to_date_with_what_it_knows(
    account: Account, archive: Path
) -> None:
    simulator, program = account(World(count=40, page_size=10))
    assert program.run("sync", archive).status == 0
    as_of_the_first_version(archive / CATALOGUE)
    before = (archive / CATALOGUE).read_bytes()
    told = lonely(program).run("status", archive)
    assert (told.status, "40 AI Studio videos listed, 40 held" in told.stdout) == (0, True)
    word = simulator.world.item(7)["prompt"].split()[-1]
    found = lonely(program).run("search", archive, word, "--json").stdout
    assert simulator.world.id(7) in found
    assert (archive / CATALOGUE).read_bytes() == before
    simulator.forget()
    assert program.run("sync", archive).status == 0
    assert pages_asked(simulator) == [1]
    assert query(archive / CATALOGUE, "PRAGMA user_version") == [(len(STEPS),)]
    assert query(archive / CATALOGUE, "SELECT count(*) FROM archive_runs WHERE sound") == [(2,)]
    assert query(archive / CATALOGUE, "SELECT filled, (SELECT count(*) FROM prompts) FROM prompts_state") == [(1, 40)]
    assert lonely(program).run("search", archive, word, "--json").stdout == found


def test_a_step_that_fails_leaves_the_older_version_whole(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.sqlite3"
    Database.create(path, STEPS[:1]).close()
    before = path.read_bytes()
    with pytest.raises(Exception, match="damaged"):
        Database.open(path, [*STEPS[:1], "CREATE TABLE more (n);\nCREATE TABLE runs (n)"])
    assert path.read_bytes() == before
    Database.open(path, STEPS).close()


def test_the_views_answer_ordinary_questions(lossy: tuple[Simulator, Program], archive: Path) -> None:
    simulator, _ = lossy
    path = archive / CATALOGUE
    models = dict(query(path, "SELECT model, count(*) FROM archive_videos GROUP BY model"))
    items = [simulator.world.item(index) for index in simulator.world.indexes()]
    assert models == {model: sum(item["model"] == model for item in items) for model in models}
    assert sum(models.values()) == 8
    files = query(path, "SELECT path, bytes FROM archive_files WHERE status = 'stored'")
    assert files
    assert all((archive / name).stat().st_size == size for name, size in files)
    lost = query(path, "SELECT kind, status, error, tries FROM archive_not_held ORDER BY kind")
    assert lost == [
        ("preview", "missing", "HTTP 404", 1),
        ("thumbnail", "failed", "HTTP 500", 1),
        ("video", "missing", "HTTP 404", 1),
    ]
    assert query(path, "SELECT exit_status, listing, sound FROM archive_runs") == [(3, "full", 1)]
    document = (Path(__file__).parent.parent / "docs" / "catalogue.md").read_text()
    for view in ("archive_videos", "archive_files", "archive_runs"):
        row = next(line for line in document.splitlines() if line.startswith(f"| `{view}`"))
        for column in query(path, f"SELECT name FROM pragma_table_info('{view}')"):
            assert f"`{column[0]}`" in row


@pytest.mark.skipif(not shutil.which("sqlite3"), reason="sqlite3 is not installed")
def test_the_documents_example_runs_in_the_real_sqlite3(lossy: tuple[Simulator, Program], archive: Path) -> None:
    document = (Path(__file__).parent.parent / "docs" / "catalogue.md").read_text()
    example = document.split("```sh\n")[1].split("```")[0]
    done = subprocess.run(["sh", "-c", example], cwd=archive, capture_output=True, text=True, check=True)
    assert sum(int(line.split("|")[1]) for line in done.stdout.splitlines()) == 8


def test_damage_that_is_met_in_mid_run_is_mended_without_a_question(account: Account, archive: Path) -> None:
    simulator, program = account(World(count=40, page_size=10))
    assert program.run("sync", archive).status == 0
    change(archive / CATALOGUE, "UPDATE videos SET item = '{'")
    simulator.forget()
    mended = program.run("sync", archive)
    assert (mended.status, "the catalogue was damaged: it was rebuilt from the sidecars" in mended.stderr) == (0, True)
    assert not simulator.requests(origin="cdn")
    assert (archive / f"{CATALOGUE}.damaged").exists()
    quiet = program.run("sync", archive, "-q")
    assert (quiet.status, quiet.stderr) == (0, "")


# The ledger


def test_an_old_listing_is_not_trusted_with_max_age(account: Account, archive: Path) -> None:
    _, program = account(World(count=3))
    assert program.run("sync", archive).status == 0
    time.sleep(1.2)
    assert program.run("status", archive, "--max-age", "1h").status == 0
    old = program.run("status", archive, "--max-age", "1s")
    assert (old.status, "which is too long ago: 3 AI Studio videos listed, 3 held" in old.stdout) == (3, True)
    assert program.run("status", archive, "--max-age", "soon").status == 2


# Accounts


@pytest.fixture
def studio(account: Account, tmp_path: Path) -> tuple[Simulator, Program]:
    """One API with two accounts in the settings, the key of the second is wrong."""
    simulator, program = account(World(count=12))
    program.environment()  # makes the folder
    (program.home / "good.key").write_text(simulator.key)
    (program.home / "bad.key").write_text("pictai_wrong")
    for name in ("good.key", "bad.key"):
        (program.home / name).chmod(0o600)
    program.settings = {
        **FAST,
        "accounts": {
            "bad": {"archive": str(tmp_path / "bad"), "key_file": "bad.key"},
            "good": {"archive": str(tmp_path / "good"), "key_file": "good.key"},
        },
    }
    program.key = None
    return simulator, program


def test_one_account_that_fails_does_not_stop_the_others(studio: tuple[Simulator, Program], tmp_path: Path) -> None:
    simulator, program = studio
    report = tmp_path / "report.json"
    run = program.run("sync", "--all-accounts", "--report", report)
    assert run.status == 4
    check_against_world(tmp_path / "good", simulator)
    assert {sidecar.account for _, sidecar in sidecars(tmp_path / "good").values()} == {"good"}
    said = run.stdout.splitlines()
    assert (said[0], said[-1]) == ("# bad", "Not complete: bad (1 of 2 accounts).")
    assert "# good" in said
    told = json.loads(report.read_text())
    assert (told["format"], told["exit_status"]) == ("pictory-archiver/report-of-accounts", 4)
    assert [(each["account"], each["exit_status"]) for each in told["accounts"]] == [("bad", 4), ("good", 0)]
    assert json.loads(program.run("sync", "--all-accounts", "--json").stdout)["accounts"][1]["already_held"] == 12

    (program.home / "bad.key").write_text(simulator.key)
    again = program.run("sync", "--all-accounts", "--quiet")
    assert (again.status, again.stdout, again.stderr) == (0, "", "")
    check_against_world(tmp_path / "bad", simulator)


def test_an_account_that_cannot_even_begin_is_not_passed_over(
    studio: tuple[Simulator, Program], tmp_path: Path
) -> None:
    simulator, program = studio
    (tmp_path / "bad").write_text("a file in the way")
    run = program.run("sync", "--all-accounts")
    assert run.status == 2
    assert run.verdict == "Not complete: bad (1 of 2 accounts)."
    assert f"{tmp_path / 'bad'} is a file, not a folder" in run.stderr
    check_against_world(tmp_path / "good", simulator)


def test_one_account_by_its_name(studio: tuple[Simulator, Program], tmp_path: Path) -> None:
    simulator, program = studio
    assert program.run("sync", "--account", "good").status == 0
    assert not (tmp_path / "bad").exists()
    assert program.run("sync", "--account", "nobody").status == 2
    assert program.run("sync").status == 2
    assert program.run("status", "--account", "good").status == 0
    assert program.run("status", "--all-accounts").status == 6
    assert program.run("reindex", "--account", "good").status == 0
    assert program.run("accept", simulator.world.id(0), "--account", "good").status == 2


def test_the_key_of_the_environment_belongs_to_no_account(studio: tuple[Simulator, Program]) -> None:
    simulator, program = studio
    program.key = simulator.key
    run = program.run("sync", "--account", "bad")
    assert run.status == 4
    program.env["PICTORY_ARCHIVER_ARCHIVE"] = "/nowhere"
    assert program.run("sync", "--account", "good").status == 0


def test_accounts_share_the_time_that_a_run_may_take(studio: tuple[Simulator, Program], tmp_path: Path) -> None:
    simulator, program = studio
    (program.home / "bad.key").write_text(simulator.key)
    simulator.faults.add(Fault(Match(kind="video"), Answer(503, headers={"Retry-After": "30"}), times=None))
    run = program.run("sync", "--all-accounts", "--max-duration", "3s")
    assert run.status == 3
    simulator.faults.clear()
    assert program.run("sync", "--all-accounts").status == 0
    for name in ("good", "bad"):
        check_against_world(tmp_path / name, simulator)
