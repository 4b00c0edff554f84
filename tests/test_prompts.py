"""A search in the catalogue finds what a look at every video would find: whatever prompts, ids and queries hold."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from pictory_archiver import catalogue_prompts
from pictory_archiver.catalogue import Catalogue, DamagedCatalogue, Known
from pictory_archiver.filters import Filter, Query, fold
from pictory_archiver.looking import Gallery
from pictory_archiver.models import Place

from .records import EXAMPLE, MOMENT, TEXT
from .test_upkeep import change

SOME = (
    *(
        "fox",
        "Füchse",
        "ﬁsh",
        "dragon",
        'say "hi"',
        "a\0b",
        "\0",
        "line\nbreak",
        "桜の木",
        "e\u0301te",
        "ÉTÉ",
        "🦊🦊🦊",
    ),
    *("\ufffd", "\ufffe\uffff\ufdd0", "foxes and dragons", "%_'", "NEAR(x)", '"""', "*", "-", "ab", "\ud800", "no"),
)
WORDS = st.sampled_from([word for word in SOME if word != "\ud800"])
PROMPTS = st.lists(WORDS | TEXT, min_size=1, max_size=4).map(" ".join)
IDS = st.sampled_from(["a", "Fox-1", "foX 2", "20260409Ab", "\n", "a\0c", "🦊", "É"])


def known(video: str, prompt: object, created: datetime | None = None, model: str = "veo3.1") -> Known:
    """A video with this prompt."""
    sidecar = msgspec.structs.replace(EXAMPLE, id=video, video={"prompt": prompt, "model": model})
    return Known(Place("2026", f"v{video.encode().hex()}"), sidecar, created, 10, 1, sidecar_sha256="00")


def looked_through(catalogue: Catalogue, wanted: Filter) -> dict[str, datetime | None]:
    """When the videos that are meant were made, found by looking at every one."""
    return {each.id: each.created for each in catalogue.overview.glances() if wanted.admits(each)}


def queries_of(texts: Iterable[str]) -> set[Query]:
    """What could be looked for in these: each of them as it is typed, between quotes, and as nobody could type it; and
    two of them at once."""
    words = [fold(text) for text in texts if text]
    typed = [Query.parse(quoted) for text in texts for quoted in (text, f'"{text}"')]
    return {*typed, *(Query((word,)) for word in words), *map(Query, pairwise(words)), Query.parse(" ".join(texts))}


class Searched(RuleBasedStateMachine):
    """Videos come, and others have new prompts, by an SQLite with such an index and by one without it, in turns."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(catalogue_prompts, "PORTION", 3)
        self.patch.setattr(catalogue_prompts, "NEAR", 2)
        self.catalogue = Catalogue.in_memory()
        self.gallery = Gallery(self.catalogue)
        self.prompts: dict[str, str] = {}

    @rule(video=IDS, prompt=PROMPTS, created=st.none() | MOMENT)
    def record(self, video: str, prompt: str, created: datetime | None) -> None:
        self.catalogue.record([known(video, prompt, created)])
        self.prompts[video] = prompt

    @rule(video=IDS, odd=st.none() | st.integers() | st.just(["fox"]))
    def record_one_without_a_prompt(self, video: str, odd: object) -> None:
        self.catalogue.record([known(video, odd, model="other")])

    @rule(can=st.booleans())
    def use_another_sqlite(self, can: bool) -> None:
        self.patch.setattr(catalogue_prompts, "can_index", lambda: can)

    @rule(video=IDS)
    def remove(self, video: str) -> None:
        self.catalogue._database.execute("DELETE FROM videos WHERE id = ?", (video,))

    @rule(data=st.data())
    def search(self, data: st.DataObject) -> None:
        texts = [text for each in self.prompts.items() for text in each]
        starts, lengths = st.integers(0, 12), st.integers(1, 9)
        parts = [text[(at := data.draw(starts)) : at + data.draw(lengths)] for text in texts]
        ends = [text.split()[-1] for text in texts if text.split()]
        for query in queries_of([*SOME, *parts, *ends]):
            found = looked_through(self.catalogue, Filter(query=query))
            assert self.gallery._created(Filter(query=query)) == found, query
            assert {*self.gallery.ids(Filter(query=query))} == found.keys()

    @rule(word=st.just("") | WORDS, since=st.none() | MOMENT, until=st.none() | MOMENT, limit=st.integers(0, 4))
    def search_for_the_first(self, word: str, since: datetime | None, until: datetime | None, limit: int) -> None:
        wanted = Filter(query=Query.parse(word), since=since, until=until)
        for oldest_first in (False, True):
            all_of_them = self.gallery.ids(wanted, oldest_first=oldest_first)
            assert self.gallery.ids(wanted, oldest_first=oldest_first, limit=limit) == all_of_them[:limit]

    @rule(word=WORDS)
    def search_some_models(self, word: str) -> None:
        wanted = Filter(query=Query.parse(word), models=("other",))
        assert self.gallery._created(wanted) == looked_through(self.catalogue, wanted)

    @invariant()
    def is_sound(self) -> None:
        self.catalogue.check()

    def teardown(self) -> None:
        self.catalogue.close()
        self.patch.undo()


def test_a_search_finds_what_a_look_at_every_video_finds() -> None:
    run_state_machine_as_test(Searched, settings=settings(deadline=None, max_examples=40, stateful_step_count=20))


def test_the_index_leads_to_what_is_found_and_nothing_else_is_read(tmp_path: Path) -> None:
    path = tmp_path / "catalogue"
    with closing(Catalogue.create(path)) as catalogue:
        catalogue.record(known(f"v{number:05}", f"A fox and {number} hens") for number in range(2500))
    # Whoever reads a video meets damage, and whoever looks through the prompts finds one more.
    change(path, "UPDATE videos SET item = '{'; UPDATE prompts SET folded = 'AND 77 HENS' WHERE video_id = 'v00009'")
    with closing(Catalogue.open_read_only(path)) as catalogue:
        assert catalogue.prompts.search(["FOX", "AND 77 HEN"]) == {"v00077": None}
        assert {"v00009", "v00077", "v00770"} <= {*(catalogue.prompts.search(["77"]) or ())}
        with pytest.raises(DamagedCatalogue):
            list(catalogue.overview.glances())


def test_the_first_are_looked_for_among_the_newest_or_the_oldest_alone(tmp_path: Path) -> None:
    path, days = tmp_path / "catalogue", catalogue_prompts.NEAR + 1000
    first_day = datetime(2020, 1, 1, tzinfo=UTC)
    with closing(Catalogue.create(path)) as catalogue:
        catalogue.record(
            known(f"v{day:05}", "A fox" if day in (0, 500, days - 500) else "A hen", first_day + timedelta(day))
            for day in range(days)
        )
    with closing(Catalogue.open_read_only(path)) as catalogue:
        first = catalogue.prompts.first
        assert first(["FOX"], 1) == ["v04500"]
        assert first(["FOX"], 2) is None
        assert first(["FOX"], 2, oldest_first=True) == ["v00000", "v00500"]
        assert first(["FOX"], 2, until=first_day + timedelta(1000)) == ["v00500", "v00000"]
        assert first(["FOX"], 1, since=first_day + timedelta(1), oldest_first=True) == ["v00500"]
        assert first([], 2) == ["v04999", "v04998"]
    change(path, "UPDATE videos SET created = 'soon' WHERE id = 'v00500'")
    with closing(Catalogue.open_read_only(path)) as catalogue, pytest.raises(DamagedCatalogue):
        catalogue.prompts.first(["FOX"], 1)


def test_prompts_that_are_not_those_of_the_videos_are_damage(tmp_path: Path) -> None:
    path = tmp_path / "catalogue"
    with closing(Catalogue.create(path)) as catalogue:
        catalogue.record([known("a", "A fox"), known("b", "A hen")])
    change(path, "DELETE FROM prompts WHERE video_id = 'a'")
    with pytest.raises(DamagedCatalogue), closing(Catalogue.open(path)) as catalogue:
        catalogue.check()
    change(path, "DELETE FROM prompts_state")
    with closing(Catalogue.open_read_only(path)) as catalogue, pytest.raises(DamagedCatalogue):
        catalogue.prompts.search(["FOX"])


def test_a_new_prompt_of_the_newest_video_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue_prompts, "PORTION", 2)
    with closing(Catalogue.in_memory()) as catalogue:
        catalogue.record([known("a", "A fox"), known("b", "A hen")])
        catalogue.record([known("b", "A dragon")])
        assert catalogue.prompts.search(["DRAGON"]) == {"b": None}
        assert catalogue.prompts.search(["HEN"]) == {}
