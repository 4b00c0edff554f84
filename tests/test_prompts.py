"""A search in the catalogue finds what a look at every video would find: whatever prompts, ids and queries hold."""

from __future__ import annotations

from contextlib import closing
from datetime import datetime
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

WORDS = st.sampled_from(
    [
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
        *("\ufffd", "\ufffe\uffff\ufdd0", "foxes and dragons", "%_'", "NEAR(x)", "*", "-", "ab"),
    ]
)
PROMPTS = st.lists(WORDS | TEXT, max_size=4).map(" ".join)
QUERIES = st.lists(WORDS | TEXT | st.sampled_from(["\ud800", "no"]), max_size=3).map(" ".join)
IDS = st.sampled_from(["a", "Fox-1", "foX 2", "20260409Ab", "\n", "a\0c", "🦊", "É"])


def known(video: str, prompt: object, created: datetime | None = None, model: str = "veo3.1") -> Known:
    """A video with this prompt."""
    sidecar = msgspec.structs.replace(EXAMPLE, id=video, video={"prompt": prompt, "model": model})
    return Known(Place("2026", f"v{video.encode().hex()}"), sidecar, created, 10, 1, sidecar_sha256="00")


def looked_through(catalogue: Catalogue, wanted: Filter) -> dict[str, datetime | None]:
    """When the videos that are meant were made, found by looking at every one."""
    return {each.id: each.created for each in catalogue.overview.glances() if wanted.admits(each)}


def queries_of(prompt: str, start: int, length: int) -> list[Query]:
    """A part of a prompt, as it is typed, between quotes, and as nobody could type it."""
    part = prompt[start : start + length]
    return [Query.parse(part), Query.parse(f'"{part}"'), Query((fold(part),))]


class Searched(RuleBasedStateMachine):
    """Videos come, and others have new prompts, by an SQLite with such an index and by one without it, in turns."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(catalogue_prompts, "PORTION", 3)
        self.catalogue = Catalogue.in_memory()
        self.gallery = Gallery(self.catalogue)
        self.prompts: dict[str, str] = {"": "fox"}

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

    @rule(text=QUERIES, data=st.data())
    def search(self, text: str, data: st.DataObject) -> None:
        prompt = data.draw(st.sampled_from([*self.prompts, *self.prompts.values()]))
        start, length = data.draw(st.integers(0, 20)), data.draw(st.integers(0, 9))
        for query in (Query.parse(text), *queries_of(prompt, start, length)):
            for wanted in (Filter(query=query), Filter(query=query, models=("veo3.1",))):
                assert set(self.gallery.ids(wanted)) == looked_through(self.catalogue, wanted).keys(), query
                assert self.gallery._created(wanted) == looked_through(self.catalogue, wanted), query

    @invariant()
    def is_sound(self) -> None:
        self.catalogue.check()

    def teardown(self) -> None:
        self.catalogue.close()
        self.patch.undo()


def test_a_search_finds_what_a_look_at_every_video_finds() -> None:
    run_state_machine_as_test(Searched, settings=settings(deadline=None, max_examples=60, stateful_step_count=25))


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
