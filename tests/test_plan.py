"""What is to do for a video, from what is known, what is lost and what is asked for: each row of the rule."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pictory_archiver.models import INPUTS, OUTPUTS, Asset, Kind, Slot, Source, Status, Video
from pictory_archiver.plan import (
    Circumstances,
    Origin,
    compose,
    is_overdue,
    plan_video,
    wanted_kinds,
    with_assets,
)
from pictory_archiver.sidecar import Sidecar, say_the_same

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
ORIGIN = Origin("default", "https://api.example/v1/aistudio/videos", "pictory-archiver test")
EVERYTHING = frozenset(Kind)
BASE = "https://cdn.example/1"
NAMES = {Kind.VIDEO: "v.mp4", Kind.THUMBNAIL: "t.jpg", Kind.PREVIEW: "p.jpg", Kind.LAST_FRAME: "l.png"}
VIDEO = Slot(Kind.VIDEO)


def listed(
    base: str = BASE, *, without: Kind | None = None, inputs: tuple[Source, ...] = (), prompt: str = ""
) -> Video:
    outputs = [
        Source(Slot(kind), f"{base}/{name}", f"{base}/{name}") for kind, name in NAMES.items() if kind != without
    ]
    item = {"id": "1", "prompt": prompt, "url": f"{base}/v.mp4"}
    return Video("1", item, NOW, prompt, "veo3.1", "9:16", (*outputs, *inputs))


def held(kind: Kind, url: str | None = None) -> Asset:
    return Asset(kind=kind, status=Status.STORED, path=f"x.{kind}", bytes=1, sha256="0" * 64, url=url)


def unheld(kind: Kind, status: Status, url: str | None, error: str | None = None) -> Asset:
    return Asset(kind=kind, status=status, path=None, url=url, error=error)


def sidecar(*assets: Asset, video: Video | None = None) -> Sidecar:
    """A sidecar whose outputs are held, but for these."""
    given = {asset.slot: asset for asset in assets}
    outputs = [given.pop(Slot(kind), held(kind, f"{BASE}/{NAMES[kind]}")) for kind in OUTPUTS]
    complete = all(asset.status in (Status.STORED, Status.SKIPPED) for asset in outputs)
    return Sidecar(
        account="default",
        source=ORIGIN.source,
        archived_by="earlier",
        archived_at="2026-01-01T00:00:00Z",
        id="1",
        complete=complete,
        video=(video or listed()).item,
        assets=(*outputs, *given.values()),
    )


def test_a_new_video_is_fetched_whole() -> None:
    plan = plan_video(listed(), None, EVERYTHING)
    assert [(task.source.slot.kind, task.reason) for task in plan.tasks] == [(kind, "new") for kind in OUTPUTS]
    assert {asset.status for asset in plan.assets} == {Status.PENDING}
    assert not compose(plan, None, {}, origin=ORIGIN, now=NOW).complete


def test_a_held_video_needs_nothing_and_says_the_same_from_any_host() -> None:
    before = sidecar()
    for base in (BASE, "https://other.example/1"):
        plan = plan_video(listed(base), before, EVERYTHING)
        assert plan.tasks == ()
        assert say_the_same(compose(plan, before, {}, origin=ORIGIN, now=NOW), before)


@pytest.mark.parametrize("status", [Status.FAILED, Status.MISSING, Status.DENIED, Status.PENDING, Status.SKIPPED])
@pytest.mark.parametrize("base", [BASE, "https://other.example/1"])
@pytest.mark.parametrize("wanted", [EVERYTHING, EVERYTHING - {Kind.VIDEO}])
def test_what_is_not_held_is_fetched_where_it_is_wanted(status: Status, base: str, wanted: frozenset[Kind]) -> None:
    error = "HTTP 404" if status not in (Status.PENDING, Status.SKIPPED) else None
    before = sidecar(unheld(Kind.VIDEO, status, f"{BASE}/v.mp4", error))
    plan = plan_video(listed(base), before, wanted)
    if Kind.VIDEO in wanted:
        assert [task.source.url for task in plan.tasks] == [f"{base}/v.mp4"]
        reasons = {Status.PENDING: "not finished", Status.SKIPPED: "asked for now"}
        assert plan.reason == reasons.get(status, "tried before: HTTP 404")
    else:
        assert plan.tasks == ()
    is_as_before = say_the_same(compose(plan, before, {}, origin=ORIGIN, now=NOW), before)
    changes_its_word = status is (Status.SKIPPED if Kind.VIDEO in wanted else Status.PENDING)
    assert is_as_before != changes_its_word


def test_a_rejected_file_is_left_alone() -> None:
    before = sidecar(unheld(Kind.VIDEO, Status.REJECTED, f"{BASE}/v.mp4", "HTTP 404"))
    plan = plan_video(listed(), before, EVERYTHING)
    assert (plan.assets, plan.tasks) == (before.assets, ())


def test_a_lost_file_is_fetched_again_and_not_promised_meanwhile() -> None:
    before = sidecar()
    plan = plan_video(listed(), before, EVERYTHING, Circumstances(lost=frozenset({VIDEO})))
    assert [(task.source.slot, task.reason) for task in plan.tasks] == [(VIDEO, "lost from the disk")]
    assert not compose(plan, before, {}, origin=ORIGIN, now=NOW).complete
    again = compose(plan, before, {VIDEO: before.assets[0]}, origin=ORIGIN, now=NOW)
    assert say_the_same(again, before)


def test_a_lost_file_that_is_not_asked_for_is_not_promised_either() -> None:
    before = sidecar()
    plan = plan_video(listed(), before, frozenset({Kind.PREVIEW}), Circumstances(lost=frozenset({VIDEO})))
    assert plan.tasks == ()
    assert plan.assets[0].status is Status.PENDING


def test_an_output_without_a_url_is_waited_for() -> None:
    plan = plan_video(listed(without=Kind.VIDEO), None, EVERYTHING)
    assert VIDEO not in {task.source.slot for task in plan.tasks}
    assert (plan.assets[0].status, plan.assets[0].url) == (Status.PENDING, None)


def test_inputs_wait_until_the_listing_is_over_and_held_ones_stay_when_upstream_forgets_them() -> None:
    first = Source(Slot(Kind.FIRST_FRAME), "https://u.example/f.jpg", "https://u.example/f.jpg")
    plan = plan_video(listed(inputs=(first,)), sidecar(), EVERYTHING)
    assert (plan.tasks, plan.unsettled) == ((), True)
    kept = sidecar(held(Kind.FIRST_FRAME, first.address))
    plan = plan_video(listed(), kept, EVERYTHING)
    assert plan.assets == kept.assets
    assert not plan.unsettled


def test_changed_metadata_goes_into_the_history() -> None:
    before = sidecar(video=listed(prompt="old"))
    after = compose(plan_video(listed(prompt="new"), before, EVERYTHING), before, {}, origin=ORIGIN, now=NOW)
    assert after.video["prompt"] == "new"
    assert [(change.until, change.was) for change in after.history] == [("2026-11-23T12:00:00Z", {"prompt": "old"})]


def test_with_assets_changes_these_and_nothing_else() -> None:
    before = sidecar(unheld(Kind.VIDEO, Status.FAILED, None, "cut off"))
    after = with_assets(before, {VIDEO: held(Kind.VIDEO)}, now=NOW)
    assert after.complete
    assert after.assets[1:] == before.assets[1:]


def test_a_video_without_a_url_is_overdue_after_the_look_back() -> None:
    assert not is_overdue(NOW - timedelta(days=1, hours=23), NOW)
    assert is_overdue(NOW - timedelta(days=2, seconds=1), NOW)
    assert is_overdue(None, NOW)


def test_words_stand_for_kinds() -> None:
    assert wanted_kinds(("video", "inputs")) == {Kind.VIDEO, *INPUTS}
    assert wanted_kinds(("preview",)) == {Kind.PREVIEW}
