"""Continuations and the films that they make: against a plain model, and through real runs that lose a link."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pictory_archiver.addresses import locator
from pictory_archiver.chains import CONTINUED, Chains, File, find_parents
from pictory_archiver.models import Kind
from pictory_archiver.simulator import REMOVED, Fault, Match, Simulator, World
from pictory_archiver.simulator import Status as Answer

from .conftest import Account
from .damage import file_of
from .support import Program, asset, sidecars
from .test_upkeep import lonely

IDS = tuple("abcdefgh")
PARENTS = st.dictionaries(st.sampled_from(IDS), st.sampled_from(IDS))
FIELDS = {
    Kind.VIDEO: "url",
    Kind.LAST_FRAME: "lastFrameImageUrl",
    Kind.EXTEND_SOURCE: "extendVideoUrl",
    Kind.FIRST_FRAME: "firstFrameImageUrl",
}


# A plain model


def without_circles(parents: Mapping[str, str]) -> dict[str, str]:
    """What is left of any links: none of a video to itself, and of each circle not that of its first video."""
    kept = {child: parent for child, parent in parents.items() if child != parent}
    for start in IDS:
        circle = [start]
        while kept.get(circle[-1]) not in (None, *circle):
            circle.append(kept[circle[-1]])
        if kept.get(circle[-1]) == start and start == min(circle):
            del kept[start]
    return kept


def children(kept: Mapping[str, str], video: str) -> list[str]:
    return sorted(child for child, parent in kept.items() if parent == video)


def height(kept: Mapping[str, str], video: str) -> int:
    return max((1 + height(kept, child) for child in children(kept, video)), default=0)


def line(kept: Mapping[str, str], video: str) -> list[str]:
    """A video, and what goes on from it for the most parts."""
    after = max(children(kept, video), key=lambda child: (height(kept, child), child), default=None)
    return [video, *(line(kept, after) if after else [])]


def ancestors(kept: Mapping[str, str], video: str) -> list[str]:
    return [*ancestors(kept, kept[video]), kept[video]] if video in kept else []


@example({"a": "b", "b": "a"})
@example({"b": "a", "c": "b", "a": "c", "d": "a", "e": "e"})
@given(PARENTS)
def test_any_links_make_trees(parents: dict[str, str]) -> None:
    kept = without_circles(parents)
    chains = Chains(parents)
    parts = kept.keys() | set(kept.values())
    assert len(chains) == len(parts)
    for video in IDS:
        assert chains.continues(video) == kept.get(video)
        assert list(chains.continued_by(video)) == children(kept, video)
        film = [*ancestors(kept, video), *line(kept, video)]
        assert list(chains.through(video)) == (film if video in parts else [])


@given(PARENTS)
def test_films_show_every_part_once_and_in_its_order(parents: dict[str, str]) -> None:
    kept = without_circles(parents)
    films = list(Chains(parents).films())
    assert sorted(video for film in films for video in film) == sorted(kept.keys() | set(kept.values()))
    seen: set[str] = set()
    tree = ""
    for film in films:
        assert list(film) == line(kept, film[0])
        if film[0] in kept:
            assert kept[film[0]] in seen, "a branch follows the line that it leaves"
            assert (ancestors(kept, film[0])[0]) == tree, "and stays with its tree"
        else:
            assert film[0] > tree
            tree = film[0]
        seen.update(film)


@given(PARENTS, st.sampled_from(IDS))
def test_all_parts_of_a_main_line_are_of_one_film(parents: dict[str, str], video: str) -> None:
    chains = Chains(parents)
    film = chains.through(video)
    if film:
        assert chains.through(film[-1]) == film
        assert chains.through(film[0])[: len(line(without_circles(parents), film[0]))] == chains.through(film[0])
        assert film.count(video) == 1


def test_a_chain_of_any_length() -> None:
    ids = [f"{number:06}" for number in range(50_000)]
    chains = Chains(dict(zip(ids[1:], ids, strict=False)))
    assert chains.through(ids[25_000]) == tuple(ids)
    assert list(chains.films()) == [tuple(ids)]
    assert Chains(dict(zip(ids, [*ids[1:], ids[0]], strict=True))).continues(ids[0]) is None, "a circle is cut"


# Which video is continued


ADDRESSES = st.sampled_from([f"https://{host}/{name}{more}" for host in "xy" for name in "pq" for more in ("", "?v=2")])
INPUT = st.tuples(st.sampled_from(IDS[:4]), st.sampled_from(list(CONTINUED)), ADDRESSES)
OUTPUT = st.tuples(st.sampled_from(IDS[:4]), st.sampled_from(list(CONTINUED.values())), ADDRESSES)
LINK = st.tuples(st.sampled_from(IDS[:4]), st.sampled_from(list(CONTINUED)), st.sampled_from(IDS[:4]))


def best(candidates: list[tuple[tuple[bool, int, bool, bool], str]]) -> str | None:
    return min(candidates)[1] if candidates else None


FRAME_P, FRAME_Q, END_P, END_Q = (
    (Kind.FIRST_FRAME, "https://x/p"),
    (Kind.FIRST_FRAME, "https://x/q"),
    (Kind.LAST_FRAME, "https://y/p"),
    (Kind.LAST_FRAME, "https://y/q"),
)


@example([("a", *FRAME_Q)], [("a", *FRAME_P)], [("b", *END_P), ("c", *END_Q)], [], [])
@example([("a", *FRAME_P)], [], [("c", *END_P)], [("b", *END_P)], [])
@example([], [("a", *FRAME_P)], [("c", *END_P)], [("b", *END_P)], [])
@example([("a", *FRAME_P)], [], [("b", *END_P)], [], [("a", Kind.FIRST_FRAME, "c")])
@example(
    [("a", Kind.EXTEND_SOURCE, "https://x/p"), ("a", *FRAME_P)],
    [],
    [("b", *END_P), ("c", Kind.VIDEO, "https://x/p")],
    [],
    [],
)
@example([("a", *FRAME_P)], [], [("a", *END_P), ("b", *END_P)], [], [])
@given(
    st.lists(INPUT, max_size=3),
    st.lists(INPUT, max_size=3),
    st.lists(OUTPUT, max_size=3),
    st.lists(OUTPUT, max_size=3),
    st.lists(LINK, max_size=2),
)
def test_links_count_before_addresses_and_what_is_listed_before_what_was(
    inputs: list[tuple[str, Kind, str]],
    former_inputs: list[tuple[str, Kind, str]],
    outputs: list[tuple[str, Kind, str]],
    former_outputs: list[tuple[str, Kind, str]],
    links: list[tuple[str, Kind, str]],
) -> None:
    found = find_parents(
        [
            *(File(video, kind, address) for video, kind, address in inputs),
            *(File(video, kind, None, other, CONTINUED[kind]) for video, kind, other in links),
        ],
        [File(*each) for each in outputs],
        [(video, [{FIELDS[kind]: address, "model": 7}]) for video, kind, address in former_inputs + former_outputs],
    )
    order = list(CONTINUED)
    expected = {}
    for child in IDS[:4]:
        candidates = [
            ((False, order.index(kind), False, False), other)
            for video, kind, other in links
            if video == child and other != child
        ]
        for was, made_from in ((False, inputs), (True, former_inputs)):
            for video, kind, address in made_from:
                for output_was, made in ((False, outputs), (True, former_outputs)):
                    candidates += [
                        ((was, order.index(kind), True, output_was), parent)
                        for parent, output, its_address in made
                        if (video, output) == (child, CONTINUED[kind])
                        and parent != child
                        and locator(its_address) == locator(address)
                    ]
        if (parent := best(candidates)) is not None:
            expected[child] = parent
    assert found == expected


def test_a_link_to_a_file_of_another_kind_is_no_continuation() -> None:
    first_frame = File("b", Kind.FIRST_FRAME, "https://x/a_thumbnail.jpg", "a", Kind.THUMBNAIL)
    assert find_parents([first_frame], [File("a", Kind.LAST_FRAME, "https://x/a_last.png")], []) == {}


# Through real runs

CHILD, PARENT = 0, 1
FRAME, EXTEND = "firstFrameImageUrl", "extendVideoUrl"
SOURCE = {FRAME: "lastFrameImageUrl", EXTEND: "url"}


def continued(world: World, field: str, child: int = CHILD, parent: int = PARENT) -> None:
    """Lets a video be made from another one, and from nothing else."""
    others = {name: REMOVED for name in (FRAME, EXTEND, "referenceImageUrls") if name != field}
    world.change(child, **{field: world.item(parent)[SOURCE[field]]}, **others)


def alone(world: World) -> None:
    """Lets no video of a world continue another one."""
    for index in world.indexes():
        world.change(index, **dict.fromkeys((FRAME, EXTEND), REMOVED))


@pytest.fixture(params=[FRAME, EXTEND])
def field(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def pair(account: Account, field: str) -> tuple[Simulator, Program]:
    """An account with one video that continues another one."""
    simulator, program = account(World(count=5))
    alone(simulator.world)
    continued(simulator.world, field)
    return simulator, program


def film(program: Program, archive: Path, video: str) -> list[str]:
    """The film of a video, as somebody without a key and a network sees it, with and without a catalogue."""
    shown: dict[str, Any] = lonely(program).run("show", archive, video, "--json").report
    listed = lonely(program).run("list", archive, "--chain", video, "--json").stdout.splitlines()
    assert len(listed) == max(len(shown["chain"]), 1)
    catalogue = archive / ".pictory-archiver/catalogue.sqlite3"
    away = catalogue.rename(catalogue.with_name("away"))
    rebuilt = lonely(program).run("show", archive, video, "--json").report
    away.rename(catalogue)
    assert rebuilt["chain"] == shown["chain"]
    found: list[str] = shown["chain"]
    return found


def of_pair(simulator: Simulator) -> list[str]:
    return [simulator.world.id(PARENT), simulator.world.id(CHILD)]


def test_a_continuation_is_linked_and_makes_a_film(pair: tuple[Simulator, Program], archive: Path, field: str) -> None:
    simulator, program = pair
    parent, child = of_pair(simulator)
    assert program.run("sync", archive).status == 0
    shown = program.run("show", archive, child, "--json").report
    assert (shown["chain"], shown["continues"], shown["continued_by"]) == ([parent, child], parent, [])
    shown = program.run("show", archive, parent, "--json").report
    assert (shown["chain"], shown["continues"], shown["continued_by"]) == ([parent, child], None, [child])
    assert film(program, archive, simulator.world.id(3)) == []
    kind = Kind.FIRST_FRAME if field == FRAME else Kind.EXTEND_SOURCE
    assert asset(sidecars(archive)[child][1], kind).video_id == parent


def test_it_holds_where_the_earlier_video_is_gone_upstream(pair: tuple[Simulator, Program], archive: Path) -> None:
    simulator, program = pair
    parent, child = of_pair(simulator)
    assert program.run("sync", archive).status == 0
    simulator.world.delete(PARENT)
    for _ in range(2):
        assert program.run("sync", archive, "--full").status == 0
    assert sidecars(archive)[parent][1].gone_upstream
    assert film(program, archive, child) == [parent, child]
    gone = program.run("list", archive, "--chains", "--status", "gone", "--json").stdout.splitlines()
    assert len(gone) == 1


@pytest.mark.parametrize("field", [FRAME, EXTEND], indirect=True)
def test_it_holds_where_the_file_in_between_was_never_had(account: Account, archive: Path, field: str) -> None:
    kind = "last_frame" if field == FRAME else "video"
    simulator, program = account(World(count=5), [Fault(Match(kind=kind, video=PARENT), Answer(404), times=None)])
    alone(simulator.world)
    continued(simulator.world, field)
    parent, child = of_pair(simulator)
    assert program.run("sync", archive).status == 3
    kept = sidecars(archive)
    assert not asset(kept[parent][1], kind).held
    assert not asset(kept[child][1], Kind.FIRST_FRAME if field == FRAME else Kind.EXTEND_SOURCE).held
    assert film(program, archive, child) == [parent, child]


def test_it_holds_where_the_address_has_another_host(
    pair: tuple[Simulator, Program], archive: Path, field: str
) -> None:
    """One that is not there any more, for example."""
    simulator, program = pair
    world = simulator.world
    parent, child = of_pair(simulator)
    world.change(CHILD, **{field: world.item(PARENT)[SOURCE[field]].replace(world.cdn_base, "http://127.0.0.1:9")})
    assert program.run("sync", archive).status == 0
    assert film(program, archive, child) == [parent, child]


@pytest.mark.parametrize("kept", [[], ["--assets", "thumbnail"]], ids=["linked", "never had"])
def test_it_holds_where_the_item_lost_its_field(
    pair: tuple[Simulator, Program], archive: Path, field: str, kept: list[str]
) -> None:
    simulator, program = pair
    parent, child = of_pair(simulator)
    assert program.run("sync", archive, *kept).status == 0
    simulator.world.change(CHILD, **{field: REMOVED})
    assert program.run("sync", archive, "--full", *kept).status == 0
    sidecar = sidecars(archive)[child][1]
    assert field not in sidecar.video
    assert [change.was for change in sidecar.history]
    assert film(program, archive, child) == [parent, child]


@pytest.mark.parametrize("made", ["before", "behind"])
def test_it_holds_where_the_earlier_video_is_listed_at_another_address(
    pair: tuple[Simulator, Program], archive: Path, field: str, made: str
) -> None:
    """A continuation that was made from the former one, and turns up only now, or one that is made from the new one."""
    simulator, program = pair
    world = simulator.world
    parent, child = of_pair(simulator)
    alone(world)
    former = world.item(PARENT)[SOURCE[field]]
    world.hold_back(CHILD)
    assert program.run("sync", archive).status == 0
    world.change(PARENT, **{SOURCE[field]: f"{former}?edition=2"})
    assert program.run("sync", archive, "--full").status == 0
    world.change(CHILD, **{field: former if made == "before" else f"{former}?edition=2"})
    world.finish_late(CHILD)
    assert program.run("sync", archive, "--full").status == 0
    assert film(program, archive, child) == [parent, child]


def test_what_is_listed_now_counts_before_what_was(pair: tuple[Simulator, Program], archive: Path, field: str) -> None:
    """A video that says by now that it was made from another one, and of neither the file is here."""
    simulator, program = pair
    world = simulator.world
    assert program.run("sync", archive, "--assets", "thumbnail").status == 0
    assert film(program, archive, world.id(CHILD)) == of_pair(simulator)
    for other in (3, 2, 4):
        continued(world, field, parent=other)
        assert program.run("sync", archive, "--full", "--assets", "thumbnail").status == 0
        assert film(program, archive, world.id(CHILD)) == [world.id(other), world.id(CHILD)]


def test_a_fork_goes_on_with_its_longest_branch(account: Account, archive: Path) -> None:
    simulator, program = account(World(count=6))
    world = simulator.world
    alone(world)
    for child, parent in ((4, 5), (3, 5), (2, 3), (1, 3), (0, 1)):
        continued(world, FRAME, child, parent)
    assert program.run("sync", archive).status == 0
    ids = [world.id(index) for index in range(6)]
    main = [ids[5], ids[3], ids[1], ids[0]]
    for video in (5, 3, 1, 0):
        assert film(program, archive, ids[video]) == main
    assert film(program, archive, ids[4]) == [ids[5], ids[4]]
    assert film(program, archive, ids[2]) == [ids[5], ids[3], ids[2]]
    listed = [line.split("\t")[6] for line in program.run("list", archive, "--chains").stdout.splitlines()]
    assert listed == [*main, ids[4], ids[2]]
    text = program.run("show", archive, ids[3]).stdout
    assert "Part 2 of 4 of a film" in text
    assert f"Continued by 1 other video, too\n      {ids[2]}\n" in text


def test_films_come_with_the_newest_beginning_first(account: Account, archive: Path) -> None:
    simulator, program = account(World(count=8))
    world = simulator.world
    alone(world)
    for child, parent in ((0, 7), (1, 2), (3, 5)):
        continued(world, FRAME, child, parent)
    assert program.run("sync", archive).status == 0

    def listed(*options: str) -> list[int]:
        lines = program.run("list", archive, "--chains", *options).stdout.splitlines()
        return [world.index(line.split("\t")[6]) for line in lines]

    assert listed() == [2, 1, 5, 3, 7, 0]
    assert listed("--reverse") == [7, 0, 5, 3, 2, 1]
    assert listed("--limit", "3") == [2, 1, 5]
    assert listed("--search", world.id(5)) == [5]


def test_of_a_long_film_the_parts_around_a_video_are_told(account: Account, archive: Path) -> None:
    simulator, program = account(World(count=60))
    world = simulator.world
    alone(world)
    for child in range(58):
        continued(world, EXTEND, child, child + 1)
    assert program.run("sync", archive).status == 0
    ids = [world.id(index) for index in reversed(range(59))]
    for part in (0, 30, 58):
        told = program.run("show", archive, ids[part]).stdout
        assert f"\nPart {part + 1} of 59 of a film\n" in told
        shown = [line.split()[-3] for line in told.splitlines() if line.split()[-3:-2] and line.split()[-3] in ids]
        start = ids.index(shown[0])
        assert shown == ids[start : start + 40]
        assert ids[part] in shown
        assert (f"    … {start} before\n" in told, f"    … {19 - start} more\n" in told) == (start > 0, start < 19)


def test_a_film_whose_part_was_deleted_here_has_the_others(account: Account, archive: Path) -> None:
    """Its sidecar and its files are gone, and the catalogue was made anew from what is left."""
    simulator, program = account(World(count=4))
    world = simulator.world
    alone(world)
    continued(world, FRAME, 1, 2)
    continued(world, FRAME, 0, 1)
    assert program.run("sync", archive).status == 0
    for path in list(archive.rglob(f"*{world.id(1)}*")):
        path.unlink()
    assert program.run("reindex", archive).status == 0
    shown = program.run("show", archive, world.id(0))
    assert f"    1   {world.id(1)}  not in this archive\n" in shown.stdout
    listed = program.run("list", archive, "--chain", world.id(0)).stdout.splitlines()
    assert [line.split("\t")[6] for line in listed] == [world.id(0)]
    assert program.run("export", archive, "--to", "m3u", "--chain", world.id(0)).stdout.count("#EXTINF") == 1
    assert file_of(archive, world, 0, "mp4").exists()
