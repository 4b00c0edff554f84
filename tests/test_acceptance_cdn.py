"""Whole runs against a CDN that misbehaves: the cases 14 to 32 of the acceptance list, and what is like them.

Each run is the real command line. After each failure a run without the fault completes, and fetches what was lost only.
"""

from __future__ import annotations

import json
import signal
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme

from pictory_archiver.models import OUTPUTS, Status
from pictory_archiver.settings import MIB
from pictory_archiver.simulator import (
    REMOVED,
    Action,
    BadContentRange,
    Cut,
    CutChunked,
    Drip,
    Empty,
    Endless,
    Fault,
    GzipBomb,
    HeaderBomb,
    Html,
    IgnoreRange,
    Informational,
    Match,
    NoLength,
    RawBody,
    Redirect,
    Request,
    Reset,
    Simulator,
    Stall,
    Swap,
    Truncate,
    Unasked206,
    World,
    WrongEtagOnRange,
    WrongLength,
)
from pictory_archiver.simulator import Status as Answer
from pictory_archiver.simulator.clips import media

from .conftest import Account
from .support import FAST, Outcome, Program, asset, check_against_world, check_archive, sidecars

COUNT = 3
BAD = 1
TRIES = 5
BIG = 40 * MIB


def on(kind: str = "video", video: int = BAD) -> Match:
    return Match(kind=kind, video=video)


def always(action: Any, kind: str = "video") -> list[Fault]:
    return [Fault(on(kind), action, times=None)]


def settings(**download: Any) -> dict[str, Any]:
    return {**FAST, "download": download}


def files_asked_for(simulator: Simulator) -> set[tuple[int | None, str | None]]:
    return {(request.video, request.kind) for request in simulator.requests(origin="cdn")}


def lost(outcome: Outcome, archive: Path, simulator: Simulator, kind: str, status: str, error: str) -> None:
    """The run kept everything but this one file of the video BAD, and says so."""
    assert outcome.status == 3, outcome
    assert outcome.verdict.startswith(f"Not complete: 1 file of {COUNT} videos could not be had.")
    line = next(line for line in outcome.stdout.splitlines() if line.startswith(f"  {kind} of "))
    assert f": {status}, " in line
    assert error in line
    found = check_archive(archive)
    _, sidecar = found[simulator.world.id(BAD)]
    assert not sidecar.complete
    for output in OUTPUTS:
        entry = asset(sidecar, output)
        if output == kind:
            assert (entry.status, entry.path) == (status, None)
            assert error in entry.error
        else:
            assert entry.status is Status.STORED
    check_videos(archive, simulator, [index for index in range(COUNT) if index != BAD])


def check_videos(archive: Path, simulator: Simulator, videos: list[int]) -> None:
    check_against_world(archive, simulator, iter(videos))


def heals(program: Program, archive: Path, simulator: Simulator, *kinds: str) -> None:
    """Without the fault the next run completes, and asks for these files of the video BAD only."""
    simulator.faults.clear()
    simulator.forget()
    outcome = program.run("sync", archive)
    assert outcome.status == 0, outcome
    check_against_world(archive, simulator)
    assert files_asked_for(simulator) == {(BAD, kind) for kind in kinds}


def fails_and_heals(
    account: Account,
    archive: Path,
    faults: list[Fault],
    *,
    error: str,
    tries: int,
    kind: str = "video",
    status: str = "failed",
    using: dict[str, Any] | None = None,
    video_bytes: int = 0,
) -> list[Request]:
    """A run in which one file is lost, and the one after. → the requests for that file in the first run"""
    simulator, program = account(World(count=COUNT, video_bytes=video_bytes), faults)
    program.settings = using or FAST
    outcome = program.run("sync", archive)
    lost(outcome, archive, simulator, kind, status, error)
    requests = simulator.requests(kind=kind, video=BAD)
    assert len(requests) == tries
    heals(program, archive, simulator, kind)
    return requests


def completes(account: Account, archive: Path, faults: list[Fault], *, video_bytes: int = 0) -> list[Request]:
    """A run that gets everything in spite of these faults. → the requests for the video's file"""
    simulator, program = account(World(count=COUNT, video_bytes=video_bytes), faults)
    outcome = program.run("sync", archive)
    assert outcome.status == 0, outcome
    check_against_world(archive, simulator)
    return simulator.requests(kind="video", video=BAD)


@pytest.mark.parametrize("action", [WrongLength(delta=100), Cut(at=1000), Cut(at=-1)], ids=repr)
def test_14_fewer_bytes_than_announced(account: Account, archive: Path, action: Action) -> None:
    fails_and_heals(account, archive, always(action), error="", tries=TRIES)


def test_14_fewer_bytes_than_announced_once(account: Account, archive: Path) -> None:
    requests = completes(account, archive, [Fault(on(), WrongLength(delta=100))])
    assert 2 <= len(requests) <= 3


def test_15_chunked_without_its_last_chunk(account: Account, archive: Path) -> None:
    error = "the connection ended before the body was whole"
    fails_and_heals(account, archive, always(CutChunked(at=1000)), error=error, tries=TRIES)


def test_15_chunked_without_its_last_chunk_once(account: Account, archive: Path) -> None:
    assert len(completes(account, archive, [Fault(on(), CutChunked(at=-1))])) == 2


def test_16_gzip_bomb(account: Account, archive: Path) -> None:
    simulator, program = account(World(count=COUNT), always(GzipBomb(size=256 * MIB)))
    outcome = program.run("sync", archive)
    error = "the answer is encoded (gzip), which was not asked for"
    lost(outcome, archive, simulator, "video", "failed", error)
    (request,) = simulator.requests(kind="video", video=BAD)
    assert request.headers["accept-encoding"] == "identity"
    assert sum(path.stat().st_size for path in archive.rglob("*")) < 2 * MIB
    heals(program, archive, simulator, "video")


def test_17_range_answered_with_everything(account: Account, archive: Path) -> None:
    faults = [Fault(on(), Cut(at=2 * MIB)), Fault(on(), IgnoreRange(), nth=2)]
    first, second = completes(account, archive, faults, video_bytes=3 * MIB)
    assert "range" not in first.headers
    assert second.headers["range"].startswith("bytes=")
    assert (second.status, second.bytes_sent) == (200, 3 * MIB)


@pytest.mark.parametrize(
    "action",
    [
        BadContentRange(start_delta=1),
        BadContentRange(total_delta=-1),
        BadContentRange(missing=True),
        WrongEtagOnRange(),
    ],
    ids=repr,
)
def test_18_a_part_that_does_not_fit(account: Account, archive: Path, action: Any) -> None:
    faults = [Fault(on(), Cut(at=2 * MIB)), Fault(on(), action, times=None)]
    _, second, third = completes(account, archive, faults, video_bytes=3 * MIB)
    assert (second.status, "range" in second.headers) == (206, True)
    assert (third.status, "range" in third.headers) == (200, False)


def test_19_a_part_that_nobody_asked_for(account: Account, archive: Path) -> None:
    error = "a part of the file was sent where all of it was asked for"
    fails_and_heals(account, archive, always(Unasked206()), error=error, tries=TRIES)


@pytest.mark.parametrize("kind", ["video", "thumbnail", "last_frame"])
def test_20_a_page_under_the_label_of_a_file(account: Account, archive: Path, kind: str) -> None:
    label = {"video": "video/mp4", "thumbnail": "image/jpeg", "last_frame": "image/png"}[kind]
    faults = always(Html(content_type=label), kind)
    fails_and_heals(account, archive, faults, kind=kind, error="an HTML page, not a", tries=1)


def test_21_a_link_that_expired(account: Account, archive: Path) -> None:
    simulator, program = account(World(count=6, page_size=2), [Fault(on(), Answer(403))])
    outcome = program.run("sync", archive)
    assert outcome.status == 0, outcome
    check_against_world(archive, simulator)
    assert [request.page for request in simulator.requests(origin="api")] == [1, 2, 3, 1]
    assert [request.status for request in simulator.requests(kind="video", video=BAD)] == [403, 200]


def test_21_all_links_expire_in_the_middle(account: Account, archive: Path) -> None:
    simulator, program = account(World(count=24, signed=True), latency=0.05)
    running = program.start("sync", archive)
    while len(simulator.requests(origin="cdn")) < 10:
        time.sleep(0.01)
    simulator.world.expire_urls()
    stdout, stderr = running.communicate(timeout=60)
    outcome = program.checked(Outcome(running.returncode, stdout, stderr))
    assert outcome.status == 0, outcome
    check_against_world(archive, simulator)
    assert len(simulator.requests(origin="api")) == 2
    assert any(request.status == 403 for request in simulator.requests(origin="cdn"))
    for path in archive.rglob("*"):
        if path.is_file():
            assert b"Signature=" not in path.read_bytes(), path


def test_21_a_link_that_stays_forbidden(account: Account, archive: Path) -> None:
    simulator, program = account(World(count=COUNT), always(Answer(403)))
    outcome = program.run("sync", archive)
    lost(outcome, archive, simulator, "video", "denied", "HTTP 403")
    assert len(simulator.requests(origin="api")) == 2
    assert len(simulator.requests(kind="video", video=BAD)) == 2
    heals(program, archive, simulator, "video")


@pytest.mark.parametrize("status", [404, 410])
@pytest.mark.parametrize("kind", ["video", "preview"])
def test_22_a_file_that_is_gone(account: Account, archive: Path, status: int, kind: str) -> None:
    faults = always(Answer(status), kind)
    fails_and_heals(account, archive, faults, kind=kind, status="missing", error=f"HTTP {status}", tries=1)


@pytest.mark.parametrize("kind", ["video", "thumbnail"])
def test_23_no_byte_at_all(account: Account, archive: Path, kind: str) -> None:
    fails_and_heals(account, archive, always(Empty(), kind), kind=kind, error="an empty file", tries=TRIES)


def test_24_a_redirect_to_another_host_carries_no_key(account: Account, archive: Path) -> None:
    simulator, program = account(World(count=COUNT))
    other, _ = account(World(count=COUNT))
    path = simulator.world.path(BAD, "video")
    simulator.faults.add(*always(Redirect(location=f"{other.cdn_origin}{path}")))
    program.origins += other.origins
    outcome = program.run("sync", archive)
    assert outcome.status == 0, outcome
    check_against_world(archive, simulator)
    (request,) = other.log
    assert request.path == path
    for seen in (*other.log, *simulator.requests(origin="cdn")):
        assert "authorization" not in seen.headers
        assert not any(simulator.key in value for value in seen.headers.values())


def test_24_five_redirects_are_followed(account: Account, archive: Path) -> None:
    assert len(completes(account, archive, always(Redirect(hops=5)))) == 6


def test_24_six_redirects_are_too_many(account: Account, archive: Path) -> None:
    faults = always(Redirect(hops=6))
    fails_and_heals(account, archive, faults, error="more than 5 redirects", tries=6)


@pytest.mark.parametrize(
    ("location", "error"),
    [
        ("file:///etc/passwd", "file:///etc/passwd is refused: not a web address"),
        ("https://10.0.0.1/a.mp4?Signature=x", "https://10.0.0.1/a.mp4 is refused: not a public address"),
        ("https://[::ffff:127.0.0.1]/a.mp4", "is refused: not a public address"),
        ("//169.254.169.254/latest/meta-data", "is refused: not HTTPS"),
    ],
)
def test_24_a_redirect_to_where_nobody_may_go(account: Account, archive: Path, location: str, error: str) -> None:
    fails_and_heals(account, archive, always(Redirect(location=location)), error=error, tries=1)


def test_24_a_redirect_to_another_service_of_this_computer(account: Account, archive: Path) -> None:
    private, _ = account(World(count=1))
    faults = always(Redirect(location=f"{private.cdn_origin}/secret"))
    fails_and_heals(account, archive, faults, error="is refused: not HTTPS", tries=1)
    assert not private.log


def test_25_a_drip(account: Account, archive: Path) -> None:
    simulator, program = account(World(count=COUNT), always(Drip(size=10, seconds=0.1)))
    program.settings = {**settings(stall_seconds=1, workers=2), "retry": {**FAST["retry"], "tries": 2}}
    outcome = program.run("sync", archive)
    lost(outcome, archive, simulator, "video", "failed", "slower than 1024 bytes a second")
    program.settings = FAST
    heals(program, archive, simulator, "video")


@pytest.mark.parametrize("at", [None, 0, 20_000])
def test_26_a_stall(account: Account, archive: Path, at: int | None) -> None:
    simulator, program = account(World(count=COUNT), [Fault(on(), Stall(at=at))])
    program.settings = {**settings(stall_seconds=1), "network": {"connect_timeout_seconds": 1}}
    outcome = program.run("sync", archive, "-v")
    assert outcome.status == 0, outcome
    assert "no byte within 1 s; trying again" in outcome.stderr
    check_against_world(archive, simulator)
    assert len(simulator.requests(kind="video", video=BAD)) == 2


def test_27_a_body_without_an_end(account: Account, archive: Path) -> None:
    error = "larger than the limit of 1,048,576 bytes"
    using = settings(max_video_bytes="1MiB")
    (request,) = fails_and_heals(account, archive, always(Endless()), error=error, tries=1, using=using)
    assert request.bytes_sent < 64 * MIB


def test_27_a_body_that_is_announced_as_too_large(account: Account, archive: Path) -> None:
    simulator, program = account(World(count=COUNT, video_bytes=BIG))
    program.settings = settings(max_video_bytes="1MiB")
    outcome = program.run("sync", archive)
    assert outcome.status == 3
    assert outcome.stdout.count("failed, larger than the limit of 1,048,576 bytes") == COUNT
    check_archive(archive)
    requests = simulator.requests(kind="video")
    assert len(requests) == COUNT
    assert max(request.bytes_sent for request in requests) < 16 * MIB


@pytest.mark.parametrize("action", [HeaderBomb(), HeaderBomb(count=20_000, size=20)], ids=["large", "many"])
def test_28_too_many_headers(account: Account, archive: Path, action: Action) -> None:
    fails_and_heals(account, archive, always(action), error="the answer is no proper HTTP", tries=TRIES)


def test_28_ten_thousand_answers_before_the_answer(account: Account, archive: Path) -> None:
    assert len(completes(account, archive, always(Informational()))) == 1


def test_29_a_name_that_is_not_known(account: Account, archive: Path) -> None:
    simulator, program = account(World(count=COUNT))
    url = simulator.world.item(BAD)["url"]
    simulator.world.change(BAD, url="https://cdn.no-such-name.invalid/a.mp4")
    outcome = program.run("sync", archive)
    error = "the name cdn.no-such-name.invalid was not found"
    lost(outcome, archive, simulator, "video", "failed", error)
    simulator.world.change(BAD, url=url)
    heals(program, archive, simulator, "video")


def test_29_a_certificate_that_is_not_trusted(account: Account, archive: Path, tmp_path: Path) -> None:
    authority = trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    cdn, _ = account(World(count=COUNT), tls=tls)
    simulator, program = account(World(count=COUNT), cdn_base=cdn.cdn_origin)
    program.origins += cdn.origins
    outcome = program.run("sync", archive)
    assert outcome.status == 3
    assert outcome.stdout.count("failed, the server's certificate is not trusted: ") == COUNT * len(OUTPUTS)
    assert not cdn.log
    assert not any(entry.path for _, sidecar in check_archive(archive).values() for entry in sidecar.assets)

    ca_file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(ca_file)
    program.settings = {**FAST, "network": {"ca_file": str(ca_file)}}
    assert program.run("sync", archive).status == 0
    check_against_world(archive, simulator)


def test_29_an_api_whose_certificate_is_not_trusted(account: Account, archive: Path) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(tls)
    simulator, program = account(World(count=COUNT), tls=tls)
    outcome = program.run("sync", archive)
    assert outcome.status == 5
    assert "certificate is not trusted" in outcome.verdict
    assert "network.ca_file" in outcome.verdict
    assert not simulator.log


@pytest.mark.parametrize("at", [None, 1000])
def test_29_connections_that_are_reset(account: Account, archive: Path, at: int | None) -> None:
    fails_and_heals(account, archive, always(Reset(at=at)), error="", tries=TRIES)


def test_29_a_connection_that_is_reset_once(account: Account, archive: Path) -> None:
    assert len(completes(account, archive, [Fault(on(), Reset())])) == 2


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("video", "an MP4 without its index (moov)"),
        ("preview", "a JPEG that ends too early"),
        ("last_frame", "a PNG that ends too early"),
    ],
)
def test_30_a_file_without_its_end(account: Account, archive: Path, kind: str, error: str) -> None:
    fails_and_heals(account, archive, always(Truncate(), kind), kind=kind, error=error, tries=TRIES)


def test_30_a_body_without_a_length_that_ends_too_early(account: Account, archive: Path) -> None:
    error = "an MP4 that ends too early"
    fails_and_heals(account, archive, always(NoLength(at=20_000)), error=error, tries=TRIES)


@pytest.mark.parametrize(
    ("kind", "instead", "error"),
    [
        ("video", "last_frame", "a PNG image, not an MP4"),
        ("thumbnail", "last_frame", "a PNG image, not a JPEG"),
        ("last_frame", "video", "an MP4 video, not a PNG"),
    ],
)
def test_31_an_output_of_another_type(account: Account, archive: Path, kind: str, instead: str, error: str) -> None:
    fails_and_heals(account, archive, always(Swap(kind=instead), kind), kind=kind, error=error, tries=1)


@pytest.mark.parametrize(("clip", "extension"), [("16x9_last_frame.png", "png"), ("upload_c.webp", "webp")])
def test_31_an_input_of_another_type(account: Account, archive: Path, clip: str, extension: str) -> None:
    data = media(clip)
    world = World(count=COUNT)
    simulator, program = account(world, [Fault(Match(kind="upload"), RawBody(data, "image/jpeg"), times=None)])
    path = next(path for path, _ in world.files() if path.startswith("/uploads/") and path.endswith(".jpg"))
    world.change(BAD, firstFrameImageUrl=world.link(path))
    outcome = program.run("sync", archive)
    assert outcome.status == 0, outcome
    check_against_world(archive, simulator)
    where, sidecar = sidecars(archive)[world.id(BAD)]
    entry = asset(sidecar, "first_frame")
    assert (entry.status, entry.path) == (Status.STORED, f"{where.stem}.first_frame.{extension}")
    assert where.with_name(entry.path).read_bytes() == data


def test_31_an_input_that_is_a_page_spoils_nothing(account: Account, archive: Path) -> None:
    world = World(count=COUNT)
    simulator, program = account(world, [Fault(Match(kind="upload"), Html("image/jpeg"), times=None)])
    path = next(path for path, _ in world.files() if path.startswith("/uploads/"))
    world.change(BAD, firstFrameImageUrl=world.link(path))
    outcome = program.run("sync", archive)
    assert outcome.status == 0, outcome
    assert "an HTML page, not an image or a video" in outcome.stdout
    check_against_world(archive, simulator)
    entry = asset(sidecars(archive)[world.id(BAD)][1], "first_frame")
    assert (entry.status, entry.path) == (Status.FAILED, None)


def test_32_odd_and_missing_fields(account: Account, archive: Path) -> None:
    simulator, program = account(World(count=COUNT))
    odd = {"duration": "abc", "width": "wide", "height": -1, "model": None, "prompt": 42, "new": {"deep": [1, "x"]}}
    simulator.world.change(BAD, aspectRatio=REMOVED, **odd)
    outcome = program.run("sync", archive)
    assert outcome.status == 0, outcome
    check_against_world(archive, simulator)
    _, sidecar = sidecars(archive)[simulator.world.id(BAD)]
    assert sidecar.video == simulator.world.item(BAD)
    again = program.run("sync", archive, "--json").report
    assert (again["already_held"], again["updated"]) == (COUNT, 0)


# Beside the list


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_a_status_that_passes_is_tried_again(account: Account, archive: Path, status: int) -> None:
    requests = completes(account, archive, [Fault(on(), Answer(status), times=2)])
    assert [request.status for request in requests] == [status, status, 200]


@pytest.mark.parametrize(("status", "tries"), [(500, TRIES), (429, TRIES), (400, 1), (204, 1), (304, 1)])
def test_a_status_that_stays_is_a_failed_file(account: Account, archive: Path, status: int, tries: int) -> None:
    fails_and_heals(account, archive, always(Answer(status)), error=f"HTTP {status}", tries=tries)


def test_a_429_pauses_every_worker(account: Account, archive: Path) -> None:
    faults = [Fault(on(), Answer(429, {"Retry-After": "1"}))]
    simulator, program = account(World(count=20), faults, latency=0.05)
    outcome = program.run("sync", archive)
    assert outcome.status == 0, outcome
    check_against_world(archive, simulator)
    refused = next(request for request in simulator.log if request.status == 429)
    after = sorted(request.at - refused.at for request in simulator.requests(origin="cdn") if request.at > refused.at)
    assert len(after) > 50
    assert [pause for pause in after if 0.4 < pause < 1.0] == []


def test_a_pause_beyond_measure_is_not_waited_for(account: Account, archive: Path) -> None:
    faults = always(Answer(503, {"Retry-After": "90000"}))
    fails_and_heals(account, archive, faults, error="HTTP 503", tries=1)


def test_several_videos_download_at_the_same_time(account: Account, archive: Path) -> None:
    latency = 0.2
    simulator, program = account(World(count=8), latency=latency)
    program.settings = settings(workers=6, assets=["video", "thumbnail", "preview", "last_frame"])
    outcome = program.run("sync", archive)
    assert outcome.status == 0, outcome
    requests = simulator.requests(origin="cdn")
    at_once = [[other for other in requests if one.at <= other.at < one.at + latency] for one in requests]
    assert max(map(len, at_once)) == 6
    assert max(len({request.video for request in group}) for group in at_once) > 1


def wait_for(ready: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 30
    while not (found := ready()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return found


def interrupt(program: Program, archive: Path, ready: Callable[[], Any], number: signal.Signals) -> None:
    """A run that ends by this signal once something is so."""
    running = program.start("sync", archive, "--assets", "video")
    wait_for(ready)
    running.send_signal(number)
    stdout, stderr = running.communicate(timeout=30)
    assert running.returncode == (143 if number == signal.SIGTERM else -number), stdout + stderr
    program.checked(Outcome(running.returncode, stdout, stderr))


def marked(archive: Path, offset: int) -> Callable[[], Any]:
    """Is so much of the file known to be on the disk?"""

    def ready() -> Any:
        points = [json.loads(path.read_bytes()) for path in archive.rglob("*.partial.json")]
        return [point for point in points if point["offset"] >= offset]

    return ready


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL on Windows")
@pytest.mark.parametrize("number", ["SIGKILL", "SIGTERM"])
def test_a_large_file_goes_on_in_the_next_run(account: Account, archive: Path, number: str) -> None:
    simulator, program = account(World(count=1, video_bytes=BIG), [Fault(on(video=0), Stall(at=36 * MIB))])
    interrupt(program, archive, marked(archive, 32 * MIB), signal.Signals[number])
    check_archive(archive, partials=True)
    (point,) = marked(archive, 32 * MIB)()
    assert point["total"] == BIG
    assert "?" not in point["address"]

    outcome = program.run("sync", archive, "--assets", "video")
    assert outcome.status == 0, outcome
    check_one_video(archive, simulator)
    _, request = simulator.requests(kind="video")
    assert request.headers["range"] == f"bytes={point['offset']}-"
    assert request.headers["if-range"] == point["etag"]
    assert (request.status, request.bytes_sent) == (206, BIG - point["offset"])


def check_one_video(archive: Path, simulator: Simulator) -> None:
    """The one video is there, byte for byte, and no partial."""
    world = simulator.world
    ((path, sidecar),) = check_archive(archive).values()
    place = world.find(world.path(0, "video"))
    file = place and world.file(place)
    assert file
    assert path.with_name(asset(sidecar, "video").path).read_bytes() == file.body.read()
    assert not list(archive.rglob("*.partial*"))


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL on Windows")
@pytest.mark.parametrize("damage", ["flipped byte", "cut point", "changed upstream"])
def test_a_large_file_starts_again_where_what_is_there_will_not_do(
    account: Account, archive: Path, damage: str
) -> None:
    size = 20 * MIB
    simulator, program = account(World(count=1, video_bytes=size), [Fault(on(video=0), Stall(at=18 * MIB))])
    interrupt(program, archive, marked(archive, 16 * MIB), signal.SIGKILL)
    (partial,) = archive.rglob("*.partial")
    (point,) = archive.rglob("*.partial.json")
    if damage == "flipped byte":
        with partial.open("r+b") as file:
            file.seek(12 * MIB)
            file.write(b"flipped")
    elif damage == "cut point":
        point.write_bytes(point.read_bytes()[:-20])
    else:
        text = json.loads(point.read_bytes())
        point.write_text(json.dumps({**text, "etag": '"another-version"'}))
    outcome = program.run("sync", archive, "--assets", "video")
    assert outcome.status == 0, outcome
    check_one_video(archive, simulator)
    _, request = simulator.requests(kind="video")
    assert ("range" in request.headers) == (damage == "changed upstream")
    assert (request.status, request.bytes_sent) == (200, size)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL on Windows")
def test_a_small_file_starts_again_in_the_next_run(account: Account, archive: Path) -> None:
    size = 8 * MIB
    simulator, program = account(World(count=1, video_bytes=size), [Fault(on(video=0), Stall(at=6 * MIB))])

    def ready() -> bool:
        return any(path.stat().st_size > 5 * MIB for path in archive.rglob("*.partial"))

    interrupt(program, archive, ready, signal.SIGKILL)
    assert not list(archive.rglob("*.partial.json"))
    check_archive(archive, partials=True)
    outcome = program.run("sync", archive, "--assets", "video")
    assert outcome.status == 0, outcome
    check_one_video(archive, simulator)
    _, request = simulator.requests(kind="video")
    assert "range" not in request.headers
    assert request.bytes_sent == size
