"""The catalogue gives back what it was given, survives what it holds, and is rebuilt in one step or not at all."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from pictory_archiver import overview, rebuild
from pictory_archiver.archive import CATALOGUE, HIDDEN, Archive, hold
from pictory_archiver.catalogue import Catalogue, DamagedCatalogue, Known
from pictory_archiver.errors import ConfigError, StorageError
from pictory_archiver.logbook import Listing, ListingKind, Run, Unfinished
from pictory_archiver.models import INPUTS, OUTPUTS, Asset, Kind, OddItem, Place, Slot, Status
from pictory_archiver.settings import Settings
from pictory_archiver.sidecar import render, timestamp
from pictory_archiver.tries import Tries

from . import records
from .records import EXAMPLE, damages, every, leave_unwritten_rollback
from .test_upkeep import change

NOW = datetime(2026, 4, 9, tzinfo=UTC)
VIDEOS = st.sampled_from("abcd")


@pytest.fixture
def catalogue() -> Iterator[Catalogue]:
    with closing(Catalogue.in_memory()) as made:
        yield made


def known(video: str, *assets: Asset, run: int = 1, place: Place | None = None, **more: Any) -> Known:
    """A video with these files; without any, all outputs are stored."""
    sidecar = msgspec.structs.replace(EXAMPLE, id=video, assets=assets or EXAMPLE.assets, **more)
    tries = {asset.slot: Tries() for asset in sidecar.assets if not asset.held}
    return Known(place or Place("2026/04/09", video), sidecar, NOW, 10, run, tries=tries)


def file(kind: Kind, status: Status, **more: Any) -> Asset:
    """A file in a state."""
    return Asset(kind=kind, status=status, path=None, **more)


@settings(deadline=None, max_examples=25)
@given(st.lists(records.knowns(), max_size=4, unique_by=lambda each: each.sidecar.id))
def test_what_is_recorded_is_known(videos: list[Known]) -> None:
    with closing(Catalogue.in_memory()) as catalogue:
        catalogue.record(videos)
        expected = {each.sidecar.id: each for each in videos}
        assert catalogue.known([*expected, "another"]) == expected
        assert {each.sidecar.id: each for each in every(catalogue)} == expected
        catalogue.record(videos)  # again, and nothing is doubled
        assert every(catalogue) == sorted(videos, key=lambda each: each.sidecar.id.encode())


def test_many_videos_are_asked_for_at_once(catalogue: Catalogue) -> None:
    videos = [known(f"v{number:05}") for number in range(1203)]
    catalogue.record(videos)
    assert list(catalogue.known([each.sidecar.id for each in videos])) == [each.sidecar.id for each in videos]
    assert every(catalogue) == videos
    assert catalogue.count_videos() == (1203, 1203)


def test_a_record_replaces_the_former_one_with_all_its_files(catalogue: Catalogue) -> None:
    reference = Asset(kind=Kind.REFERENCE, index=2, status=Status.STORED, path="r.png", bytes=5)
    catalogue.record([known("a", *EXAMPLE.assets, reference), known("b")])
    catalogue.record([known("a", EXAMPLE.assets[0], run=2)])
    assert catalogue.known(["a"])["a"].sidecar.assets == (EXAMPLE.assets[0],)
    assert catalogue.known(["b"])["b"].sidecar.assets == EXAMPLE.assets
    assert catalogue.count_videos() == (2, 2)
    assert catalogue.count_videos(since_run=2) == (1, 1)
    catalogue.note(["b"], 3, None)
    assert catalogue.count_videos(since_run=2) == (2, 2)


def test_two_videos_at_places_that_one_file_system_takes_for_one_are_both_kept(catalogue: Catalogue) -> None:
    catalogue.record([known("a", place=Place("2026", "Film")), known("b", place=Place("2026", "film"))])
    assert len(catalogue.known(["a", "b"])) == 2
    assert catalogue.taken([Place("2026", "FILM"), Place("2027", "film")]) == {"2026/film"}


def test_a_batch_is_recorded_whole_or_not_at_all(catalogue: Catalogue) -> None:
    def videos() -> Iterator[Known]:
        yield known("a")
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="gone"):
        catalogue.record(videos())
    assert catalogue.count_videos() == (0, 0)
    catalogue.record([known("b")])
    assert catalogue.count_videos() == (1, 1)


def test_a_stored_file_is_found_by_its_address_and_an_output_before_an_input(catalogue: Catalogue) -> None:
    address = "https://cdn.example/x.png"
    first = file(Kind.FIRST_FRAME, Status.STORED, url=address)
    catalogue.record([known("a", first), known("b", file(Kind.LAST_FRAME, Status.STORED, url=address))])
    catalogue.record([known("c", file(Kind.LAST_FRAME, Status.FAILED, url="https://cdn.example/lost.png"))])
    assert catalogue.stored_under(address) == ("b", Kind.LAST_FRAME, 0)
    assert catalogue.stored_under("https://cdn.example/lost.png") is None
    catalogue.record([known("b", file(Kind.LAST_FRAME, Status.MISSING, url=address))])
    assert catalogue.stored_under(address) == ("a", Kind.FIRST_FRAME, 0)


def test_problems_are_the_files_that_are_neither_held_nor_skipped(catalogue: Catalogue) -> None:
    for number, status in enumerate(Status):
        catalogue.record([known(f"v{number}", file(Kind.VIDEO, status, error=str(status)), run=number)])
    fine = {Status.STORED, Status.LINKED, Status.SKIPPED}
    assert [each.status for each in catalogue.problems(OUTPUTS)] == [status for status in Status if status not in fine]
    assert not list(catalogue.problems(INPUTS))
    late = [each.video_id for each in catalogue.problems([Kind.VIDEO], since_run=5)]
    assert late == [f"v{number}" for number, status in enumerate(Status) if status not in fine and number >= 5]


def test_inputs_that_are_due_come_batch_by_batch(catalogue: Catalogue) -> None:
    catalogue.record(known(f"v{number}", file(Kind.REFERENCE, Status.PENDING, index=1)) for number in range(5))
    catalogue.record([known("old", file(Kind.REFERENCE, Status.FAILED), run=0)])
    catalogue.record([known("output", file(Kind.VIDEO, Status.FAILED))])
    catalogue.record([known("accepted", file(Kind.FIRST_FRAME, Status.FAILED), accepted=("first_frame",))])
    catalogue.record(
        [
            known("held", file(Kind.FIRST_FRAME, Status.LINKED)),
            known("refused", file(Kind.FIRST_FRAME, Status.REJECTED)),
        ]
    )

    def due(after: str, limit: int, *, since_run: int = 1, again: bool = False) -> list[str]:
        found = catalogue.inputs_due(
            "2026-04-09T00:00:00Z",
            keep_deleted=False,
            since_run=since_run,
            again=again,
            run=9,
            after=after,
            limit=limit,
        )
        return [each.sidecar.id for each in found]

    assert due("", 2) == ["v0", "v1"]
    assert due("v1", 9) == ["v2", "v3", "v4"]
    assert due("", 9, since_run=0) == ["old", "v0", "v1", "v2", "v3", "v4"]
    assert due("", 9, again=True) == ["refused", "v0", "v1", "v2", "v3", "v4"]


def test_a_file_is_due_by_its_pause_and_by_what_gives_it_a_url(catalogue: Catalogue) -> None:
    hour = timedelta(hours=1)
    slot = Slot(Kind.VIDEO)
    for name, tries in {
        "paused": Tries(2, NOW - hour, 1),
        "ripe": Tries(2, NOW - 30 * hour, 1),
        "young": Tries(1, NOW - hour, 1),
        "ahead": Tries(3, NOW + hour, 1),
        "tried now": Tries(1, NOW, 7),
        "signed": Tries(1, NOW - hour, 1, signed=True),
    }.items():
        failed = known(name, file(Kind.VIDEO, Status.FAILED, url="https://cdn.example/x"))
        catalogue.record([msgspec.structs.replace(failed, tries={slot: tries})])
    catalogue.record(
        [known("unborn", file(Kind.VIDEO, Status.PENDING)), known("unwanted", file(Kind.VIDEO, Status.SKIPPED))]
    )
    gone = known("gone", file(Kind.VIDEO, Status.PENDING), gone_upstream="2026-04-01T00:00:00Z")
    catalogue.record([gone])
    when = timestamp(NOW)
    by_address = catalogue.due_by_address([Kind.VIDEO], when, keep_deleted=False, run=7, after="", limit=9)
    assert [each.sidecar.id for each in by_address] == ["ahead", "ripe", "young"]
    by_listing = catalogue.ids_due_by_listing([Kind.VIDEO], when, keep_deleted=False, limit=9)
    assert sorted(by_listing) == ["signed", "unborn", "unwanted"]
    assert not catalogue.ids_due_by_listing([Kind.PREVIEW], when, keep_deleted=False, limit=9)


def test_what_a_full_listing_lacks_is_absent_and_gone_after_the_next(catalogue: Catalogue) -> None:
    catalogue.record([known("a"), known("b"), known("c")])
    catalogue.confirm(1, first_run=1, is_full=True)
    assert (catalogue.count_listed(), catalogue.count_unlisted()) == ((3, 3), (0, 0))
    catalogue.note(["a"], 2, None)
    assert catalogue.count_lacking(2) == (3, 2)
    catalogue.confirm(2, first_run=2, is_full=True)
    assert not catalogue.newly_gone(2, 9)
    assert (catalogue.count_listed(), catalogue.count_unlisted()) == ((1, 1), (2, 0))
    catalogue.note(["a", "b"], 3, None)
    catalogue.confirm(3, first_run=3, is_full=True)
    (gone,) = catalogue.newly_gone(3, 9)
    assert gone.sidecar.id == "c"
    catalogue.record(
        [msgspec.structs.replace(gone, sidecar=msgspec.structs.replace(gone.sidecar, gone_upstream="now"))]
    )
    assert (catalogue.count_listed(), catalogue.count_unlisted()) == ((2, 2), (0, 1))
    assert not catalogue.newly_gone(3, 9)


def test_videos_that_no_sound_listing_held_are_not_counted_as_listed(catalogue: Catalogue) -> None:
    catalogue.record([known("a"), known("b", run=2)])
    catalogue.confirm(2, first_run=2, is_full=False)
    assert catalogue.count_listed() == (1, 1)
    assert catalogue.known(["a"])["a"].confirmed is None
    assert catalogue.known(["b"])["b"].confirmed == 2


def test_a_video_is_found_by_its_id_the_beginning_of_it_or_a_file(catalogue: Catalogue) -> None:
    stored = Asset(kind=Kind.VIDEO, status=Status.STORED, path="film_ab1.mp4")
    catalogue.record([known("ab1", stored, place=Place("2026", "film_ab1")), known("ab2"), known("ab")])
    assert catalogue.ids_like("ab", 9) == ["ab"]
    assert catalogue.ids_like("ab2", 9) == ["ab2"]
    assert catalogue.ids_like("a", 9) == ["ab", "ab1", "ab2"]
    assert catalogue.ids_like("a", 2) == ["ab", "ab1"]
    assert [catalogue.ids_like(name, 9) for name in ("film_ab1.mp4", "film_ab1.json", "film_ab1")] == [["ab1"]] * 3
    assert catalogue.ids_like("%", 9) == []


def test_files_are_counted_by_kind_and_status(catalogue: Catalogue) -> None:
    catalogue.record([known("a"), known("b", file(Kind.VIDEO, Status.FAILED)), known("c")])
    counts = catalogue.count_assets()
    assert counts["video", "stored"] == (2, 2)
    assert counts["video", "failed"] == (1, 0)


class Counted(RuleBasedStateMachine):
    """Whatever is recorded, noted and proved, in whatever order: the totals are what a count comes to."""

    def __init__(self) -> None:
        super().__init__()
        self.catalogue = Catalogue.in_memory()
        self.run = 1

    @rule(video=records.knowns(), name=VIDEOS)
    def record(self, video: Known, name: str) -> None:
        files = tuple(
            msgspec.structs.replace(each, bytes=each.bytes and each.bytes % 2**40) for each in video.sidecar.assets
        )
        sidecar = msgspec.structs.replace(video.sidecar, id=name, assets=files)
        self.catalogue.record([msgspec.structs.replace(video, sidecar=sidecar)])

    @rule(name=VIDEOS)
    def record_a_file_that_is_named_twice(self, name: str) -> None:
        self.catalogue.record([known(name, *EXAMPLE.assets, file(Kind.VIDEO, Status.FAILED))])
        assert self.catalogue.known([name])[name].sidecar.assets[0].status is Status.FAILED

    @rule(names=st.lists(VIDEOS))
    def note(self, names: list[str]) -> None:
        self.run += 1
        self.catalogue.note(names, self.run, None)

    @rule(is_full=st.booleans())
    def confirm(self, is_full: bool) -> None:
        self.catalogue.confirm(self.run, first_run=self.run, is_full=is_full)

    @rule()
    def mark_gone(self) -> None:
        gone = self.catalogue.newly_gone(self.run + 1, 2)
        self.catalogue.record(
            msgspec.structs.replace(each, sidecar=msgspec.structs.replace(each.sidecar, gone_upstream="now"))
            for each in gone
        )

    @invariant()
    def totals_are_true(self) -> None:
        self.catalogue.check()
        counted = self.catalogue._database.execute(
            "SELECT count(*), coalesce(sum(complete), 0), "
            "coalesce(sum(confirmed IS NOT NULL AND absent IS NULL AND gone_upstream IS NULL), 0), "
            "coalesce(sum(absent IS NOT NULL AND gone_upstream IS NULL), 0), "
            "coalesce(sum(absent IS NOT NULL AND gone_upstream IS NOT NULL), 0) FROM videos"
        ).fetchone()
        told = (*self.catalogue.count_videos(), self.catalogue.count_listed()[0], *self.catalogue.count_unlisted())
        assert told == counted
        files = self.catalogue._database.execute(
            "SELECT kind, status, count(*), coalesce(sum(bytes), 0) FROM assets GROUP BY kind, status"
        )
        assert self.catalogue.count_assets() == {(kind, status): (n, size) for kind, status, n, size in files}

    def teardown(self) -> None:
        self.catalogue.close()


def test_the_totals_are_what_a_count_comes_to() -> None:
    run_state_machine_as_test(Counted, settings=settings(deadline=None, max_examples=30, stateful_step_count=12))


@settings(deadline=None, max_examples=25)
@given(st.lists(st.tuples(st.none() | st.integers(1, 3), st.integers(0, 99)), max_size=12, unique_by=lambda x: x[1]))
def test_stamps_come_oldest_first_however_many_are_read_at_once(videos: list[tuple[int | None, int]]) -> None:
    moments = {f"id{number:02}": None if day is None else datetime(2026, 1, day, tzinfo=UTC) for day, number in videos}
    knowns = [msgspec.structs.replace(known(video_id), created=moment) for video_id, moment in moments.items()]
    with closing(Catalogue.in_memory()) as catalogue, pytest.MonkeyPatch.context() as patch:
        patch.setattr(overview, "BATCH_OF_STAMPS", 2)
        catalogue.record(knowns)
        stamps = list(catalogue.overview.stamps())
        assert [(stamp.created, stamp.id) for stamp in stamps] == sorted(
            (moment.isoformat() if moment else "", video_id) for video_id, moment in moments.items()
        )
        assert all(stamp.place == Place("2026/04/09", stamp.id) for stamp in stamps)
        some = sorted(moments)[::2]
        assert sorted(catalogue.overview.stamps_of(some), key=lambda each: each.id) == [
            next(stamp for stamp in stamps if stamp.id == video_id) for video_id in some
        ]


@given(records.knowns(), records.knowns(), st.data())
def test_the_state_is_another_one_whenever_what_sidecars_say_is(one: Known, other: Known, data: st.DataObject) -> None:
    first, second = (each.written(each.sidecar, render(each.sidecar)) for each in (one, other))
    second = msgspec.structs.replace(second, sidecar=msgspec.structs.replace(second.sidecar, id=one.sidecar.id))
    unwritten = msgspec.structs.replace(first, sidecar_sha256=None)
    with closing(Catalogue.in_memory()) as catalogue:
        states = [catalogue.overview.state()]

        def note_state(*, is_new: bool) -> None:
            states.append(catalogue.overview.state())
            assert (states[-1] not in states[:-1]) if is_new else (states[-1] == states[-2])

        catalogue.record([first])
        note_state(is_new=True)
        catalogue.record([msgspec.structs.replace(first, tries={}, listed_run=7, confirmed=None, absent=3)])
        catalogue.note([first.sidecar.id], 9, None)
        catalogue.confirm(9, first_run=9, is_full=True)
        note_state(is_new=False)
        for each in data.draw(st.permutations([first, second, unwritten])):
            stamps = list(catalogue.overview.stamps())
            catalogue.record([each])
            note_state(is_new=each is unwritten or stamps != list(catalogue.overview.stamps()))
        catalogue._database.execute("DELETE FROM videos")
        note_state(is_new=True)


def test_runs_and_listings_are_remembered_newest_first(catalogue: Catalogue) -> None:
    log = catalogue.logbook
    numbers = [log.begin_run(f"2026-01-0{day}T00:00:00Z") for day in (1, 2, 3, 4, 5)]
    assert log.last_listing() is None

    def listing(number: int, kind: ListingKind, *, sound: bool = False, error: str | None = None) -> Listing:
        started, ended = f"2026-01-0{number}T00:00:00Z", f"2026-01-0{number}T01:00:00Z"
        return Listing(number, number, started, ended, kind, sound, 2, 150, 1, error)

    made = [
        listing(numbers[0], "full", sound=True),
        listing(numbers[1], "incremental", sound=True),
        listing(numbers[2], "full", error="HTTP 500"),
        listing(numbers[3], "filtered"),
    ]
    for each in made:
        log.end_run(Run(each.run, each.started, each.ended, 0, "verdict"), each)
        log.note_odd_items([OddItem(f"{each.run}", "not an object")], each.run)
    assert [run.id for run in log.last_runs(3)] == numbers[:1:-1]
    assert log.last_runs(1) == [Run(numbers[4], "2026-01-05T00:00:00Z", None, None, None)]
    assert log.last_runs(2)[1].verdict == "verdict"
    assert log.last_listing() == made[2]
    assert log.last_listing(sound=True) == made[1]
    assert log.last_listing(sound=True, full=True) == made[0]
    assert [log.count_odd_items(number) for number in (1, 3, 9)] == [4, 2, 0]


def test_where_a_full_listing_goes_on_is_remembered(catalogue: Catalogue) -> None:
    assert catalogue.logbook.unfinished() is None
    for point in (Unfinished(1, "2026-01-01T00:00:00Z", "token 3"), Unfinished(1, "2026-01-01T00:00:00Z", "token 4")):
        catalogue.note([], 1, point)
        assert catalogue.logbook.unfinished() == point
    catalogue.note([], 2, None)
    assert catalogue.logbook.unfinished() == point
    catalogue.confirm(2, first_run=2, is_full=False)
    assert catalogue.logbook.unfinished() == point
    catalogue.confirm(2, first_run=2, is_full=True)
    assert catalogue.logbook.unfinished() is None


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    """An archive with three sidecars and no catalogue."""
    with hold(tmp_path / "archive", time_zone="UTC", now=NOW) as held:
        folder = held.root / "2026/04/09"
        folder.mkdir(parents=True)
        for video in ("a", "b", "c"):
            sidecar = msgspec.structs.replace(EXAMPLE, id=video, video={"createdDate": "2026-04-09T00:00:00Z"})
            (folder / f"film_{video}.json").write_bytes(render(sidecar))
        yield held


def names(catalogue: Catalogue) -> dict[str, tuple[str, int]]:
    """Stem and revision by id."""
    found = {each.sidecar.id: (each.place.stem, each.sidecar.revision) for each in every(catalogue)}
    catalogue.close()
    return found


def test_a_catalogue_is_made_from_the_sidecars_once(archive: Archive) -> None:
    made, was_damaged = rebuild.open_or_rebuild(archive, Settings().catalogue)
    assert not was_damaged
    (one,) = made.known(["b"]).values()
    assert one.place == Place("2026/04/09", "film_b")
    assert one.created == NOW
    assert one.sidecar_bytes == (archive.root / one.place.sidecar).stat().st_size
    assert one.listed_run == 0
    made.record([known("d")])
    assert names(made).keys() == {"a", "b", "c", "d"}
    again, was_damaged = rebuild.open_or_rebuild(archive, Settings().catalogue)
    assert not was_damaged
    assert names(again).keys() == {"a", "b", "c", "d"}
    assert not list((archive.root / HIDDEN).glob("*.partial*"))


def test_whatever_happens_to_the_file_it_is_rebuilt(archive: Archive) -> None:
    rebuild.open_or_rebuild(archive, Settings().catalogue)[0].close()
    path = archive.root / CATALOGUE
    for name, damage in list(damages(path)):
        damage()
        made, was_damaged = rebuild.open_or_rebuild(archive, Settings().catalogue)
        assert was_damaged == (name != "deleted"), name
        assert names(made).keys() == {"a", "b", "c"}, name


def test_of_two_sidecars_for_one_video_the_higher_revision_counts(archive: Archive) -> None:
    folder = archive.root / "2026/04/09"
    newer = msgspec.structs.replace(EXAMPLE, id="b", revision=3)
    (folder / "film_b.r3.json").write_bytes(render(newer))
    (archive.root / "2025").mkdir()
    (archive.root / "2025/film_b.json").write_bytes(render(msgspec.structs.replace(newer, revision=2)))
    assert names(rebuild.open_or_rebuild(archive, Settings().catalogue)[0])["b"] == ("film_b.r3", 3)


def test_a_rebuild_that_is_interrupted_leaves_no_half_catalogue(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(catalogue: Catalogue, archive: Archive, **_: Any) -> None:
        catalogue.record([known("a")])
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(rebuild, "fill", interrupted)
        with pytest.raises(KeyboardInterrupt):
            rebuild.open_or_rebuild(archive, Settings().catalogue)
    assert not (archive.root / CATALOGUE).exists()
    assert names(rebuild.open_or_rebuild(archive, Settings().catalogue)[0]).keys() == {"a", "b", "c"}


@pytest.mark.parametrize("name", ["deleted", "garbage"])
def test_the_journal_of_a_lost_catalogue_is_not_played_into_the_new_one(archive: Archive, name: str) -> None:
    first, _ = rebuild.open_or_rebuild(archive, Settings().catalogue)
    first.record(known(f"v{number}") for number in range(50))
    first.close()
    path = archive.root / CATALOGUE
    leave_unwritten_rollback(path)
    dict(damages(path))[name]()
    made, _ = rebuild.open_or_rebuild(archive, Settings().catalogue)
    made.check()
    assert names(made).keys() == {"a", "b", "c"}
    assert not path.with_name(f"{path.name}-journal").exists()


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE videos",
        "PRAGMA user_version = 0",
        "UPDATE videos SET item = '{'",
        "UPDATE assets SET status = 'kept'",
        "UPDATE videos SET history = '[7]'",
        "UPDATE videos SET created = 'yesterday'",
        "UPDATE videos SET item = CAST(x'ff' AS TEXT)",
    ],
)
def test_a_catalogue_with_nonsense_in_it_is_damaged_and_nothing_else(archive: Archive, statement: str) -> None:
    rebuild.open_or_rebuild(archive, Settings().catalogue)[0].close()
    path = archive.root / CATALOGUE
    connection = sqlite3.connect(path)
    connection.execute(statement)
    connection.commit()
    connection.close()
    with pytest.raises(DamagedCatalogue) as caught, closing(Catalogue.open(path)) as opened:
        opened.known(["a"])
    assert caught.value.exit_status == 6


def test_another_program_s_database_is_set_aside(archive: Archive) -> None:
    connection = sqlite3.connect(archive.root / CATALOGUE)
    connection.executescript("CREATE TABLE songs (name); PRAGMA user_version = 1;")
    connection.close()
    made, was_damaged = rebuild.open_or_rebuild(archive, Settings().catalogue)
    assert was_damaged
    assert names(made).keys() == {"a", "b", "c"}


def test_a_newer_catalogue_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "catalogue"
    Catalogue.create(path).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    before = path.read_bytes()
    for opening in (Catalogue.open, Catalogue.open_read_only):
        with pytest.raises(ConfigError, match="version 99"):
            opening(path)
    assert path.read_bytes() == before


def test_a_catalogue_for_reading_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "name with ? and # and %20"
    made = Catalogue.create(path)
    made.record([known("a")])
    made.close()
    before = path.read_bytes()
    opened = Catalogue.open_read_only(path)
    with pytest.raises(StorageError):
        opened.record([known("b")])
    assert len(opened.known(["a", "b"])) == 1
    opened.close()
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(DamagedCatalogue):
        Catalogue.open_read_only(tmp_path / "nothing")
    assert list(tmp_path.iterdir()) == [path]


def test_a_catalogue_that_another_holds_for_long_is_an_error_of_storage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pictory_archiver.database.BUSY_SECONDS", 0.05)
    path = tmp_path / "catalogue"
    Catalogue.create(path).close()
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StorageError, match="locked") as caught:
        Catalogue.open(path)
    assert not isinstance(caught.value, DamagedCatalogue)
    holder.execute("ROLLBACK")
    holder.close()
    Catalogue.open(path).close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE file_totals SET files = files + 1",
        "UPDATE file_totals SET bytes = -1",
        "UPDATE file_totals SET files = 'many'",
        "UPDATE video_totals SET complete = complete - 1",
        "DELETE FROM video_totals",
        "DROP TRIGGER file_removed; DELETE FROM assets WHERE video_id = 'a'",
    ],
)
def test_a_catalogue_with_totals_that_are_not_true_is_damaged(archive: Archive, statement: str) -> None:
    rebuild.open_or_rebuild(archive, Settings().catalogue)[0].close()
    change(archive.root / CATALOGUE, statement)
    with pytest.raises(DamagedCatalogue), closing(Catalogue.open(archive.root / CATALOGUE)) as opened:
        opened.check()
    made, was_damaged = rebuild.open_or_rebuild(archive, Settings().catalogue, distrust=True)
    assert was_damaged
    assert made.count_videos() == (3, 3)
    assert names(made).keys() == {"a", "b", "c"}
