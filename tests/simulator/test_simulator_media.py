"""The files: all valid, all different, readable by range at any size."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pictory_archiver.simulator import Body, File, Place, World, write_files
from pictory_archiver.simulator.bodies import BLOCK, MULTIPART, Noise, Repeat
from pictory_archiver.simulator.clips import media, without_moov
from pictory_archiver.simulator.videos import SUFFIXES, UPLOAD, UPLOADS

SAMPLE = 40
MEBIBYTE = 2**20

parts = st.lists(
    st.one_of(
        st.binary(max_size=50),
        st.builds(Noise, st.binary(min_size=1, max_size=8), st.integers(0, 3 * BLOCK)),
        st.builds(Repeat, st.binary(min_size=1, max_size=7), st.integers(0, 100)),
    ),
    max_size=4,
)


def boxes(data: bytes) -> Iterator[tuple[bytes, int]]:
    at = 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        assert size >= 8
        yield data[at + 4 : at + 8], size
        at += size
    assert at == len(data)


def check_png(data: bytes) -> None:
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    at, kinds = 8, []
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        kinds.append(data[at + 4 : at + 8])
        assert crc32(data[at + 4 : at + 8 + size]) == int.from_bytes(data[at + 8 + size : at + 12 + size], "big")
        at += 12 + size
    assert at == len(data)
    assert kinds[0] == b"IHDR"
    assert kinds[-2:] == [b"tEXt", b"IEND"]


def check(file: File) -> None:
    data = file.body.read()
    if file.content_type == "video/mp4":
        kinds = [kind for kind, _ in boxes(data)]
        assert kinds[0] == b"ftyp"
        assert kinds[-1] == b"free"
        assert kinds.index(b"moov") < kinds.index(b"mdat")
    elif file.content_type == "image/jpeg":
        assert data.startswith(b"\xff\xd8\xff\xfe")
        assert data.endswith(b"\xff\xd9")
    elif file.content_type == "image/png":
        check_png(data)
    else:
        assert file.content_type == "image/webp"
        assert data[:4] + data[8:12] == b"RIFFWEBP"
        assert int.from_bytes(data[4:8], "little") == len(data) - 8


def test_every_file_is_valid_and_different() -> None:
    digests = set()
    for _, file in World(count=SAMPLE).files():
        check(file)
        digests.add(file.etag)
    assert len(digests) == SAMPLE * len(SUFFIXES) + UPLOADS


def test_files_of_other_worlds_are_different() -> None:
    first, second = ({file.etag for _, file in World(seed=seed, count=5).files()} for seed in (1, 2))
    assert len(first & second) == 1, "the one WebP is never varied"


def ffmpeg(name: str) -> str:
    path = shutil.which(name)
    if path is None and os.environ.get("CI") != "true":
        pytest.skip(f"{name} is not installed")
    assert path is not None, f"{name} must be there in CI"
    return path


def test_ffprobe_reads_every_clip(tmp_path: Path) -> None:
    ffprobe = ffmpeg("ffprobe")
    shapes = set()
    world = World(count=12)
    for index in world.indexes():
        file = world.file(Place("video", index))
        assert file is not None
        target = tmp_path / f"{index}.mp4"
        target.write_bytes(file.body.read())
        command = [ffprobe, "-v", "error", "-of", "json", "-show_streams", "-show_format", str(target)]
        probe = subprocess.run(command, capture_output=True, check=True, timeout=30)
        assert not probe.stderr
        facts = json.loads(probe.stdout)
        assert {stream["codec_name"] for stream in facts["streams"]} == {"h264", "aac"}
        assert 3 <= float(facts["format"]["duration"]) <= 4
        shapes.add((facts["streams"][0]["width"], facts["streams"][0]["height"]))
    assert len(shapes) > 1


def test_ffmpeg_decodes_every_kind_of_file(tmp_path: Path) -> None:
    program = ffmpeg("ffmpeg")
    world = World(count=1)
    places = [Place(kind, 0) for kind in SUFFIXES] + [Place(UPLOAD, number) for number in range(3)]
    for number, place in enumerate(places):
        file = world.file(place)
        assert file is not None
        target = tmp_path / str(number)
        target.write_bytes(file.body.read())
        command = [program, "-v", "warning", "-xerror", "-i", str(target), "-f", "null", "-"]
        result = subprocess.run(command, capture_output=True, check=False, timeout=30)
        assert result.returncode == 0, (place, result.stderr)


def test_the_media_are_small() -> None:
    folder = Path(__file__).parents[2] / "pictory_archiver" / "simulator" / "media"
    assert sum(path.stat().st_size for path in folder.iterdir()) < 500_000


@pytest.mark.parametrize("size", [100_000, 300_001, 20 * MEBIBYTE])
def test_a_video_can_be_filled_up(size: int) -> None:
    world = World(count=2, video_bytes=size)
    bodies = []
    for index in range(2):
        file = world.file(Place("video", index))
        assert file is not None
        assert file.body.size == size
        check(file)
        bodies.append(file.body.read())
    assert len(bodies[0]) == size
    assert bodies[0][-1000:] != bodies[1][-1000:]


def test_filling_is_different_in_every_block() -> None:
    noise = Noise(b"key", 64 * BLOCK)
    blocks = {noise.read(number * BLOCK, (number + 1) * BLOCK) for number in range(64)}
    assert len(blocks) == 64


def test_a_huge_body_is_read_by_range_without_holding_it() -> None:
    file = World(count=1, video_bytes=2**32 - 1).file(Place("video", 0))
    assert file is not None
    tracemalloc.start()
    tail = file.body.cut(2**32 - 101).read()
    read = sum(len(block) for block in file.body.cut(2**31, 2**31 + 50 * MEBIBYTE).blocks())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (len(tail), read) == (100, 50 * MEBIBYTE)
    assert peak < MEBIBYTE


@settings(deadline=None)
@given(parts=parts, data=st.data())
def test_a_range_of_a_body_is_the_slice_of_its_bytes(parts: list[bytes | Noise | Repeat], data: st.DataObject) -> None:
    body = Body(*parts)
    whole = body.read()
    assert len(whole) == body.size
    start = data.draw(st.integers(0, body.size))
    stop = data.draw(st.integers(start, body.size + 5))
    cut = body.cut(start, stop)
    assert cut.read() == whole[start:stop]
    assert cut.size == len(whole[start:stop])
    assert cut.cut(1, 3).read() == whole[start:stop][1:3]
    assert all(0 < len(block) <= 1000 for block in body.blocks(1000))


def test_the_etag_is_the_md5_and_above_8_mib_that_of_an_upload_in_parts() -> None:
    for size, parts_suffix in ((0, ""), (MULTIPART, ""), (MULTIPART + 1, "-2"), (20 * MEBIBYTE, "-3")):
        file = World(count=1, video_bytes=size).file(Place("video", 0))
        assert file is not None
        if parts_suffix:
            assert file.etag.endswith(f'{parts_suffix}"')
        else:
            assert file.etag == f'"{hashlib.md5(file.body.read(), usedforsecurity=False).hexdigest()}"'


def test_an_mp4_without_moov_still_tiles() -> None:
    kinds = [kind for kind, _ in boxes(without_moov(media("9x16.mp4")))]
    assert b"ftyp" in kinds
    assert b"moov" not in kinds


def test_files_can_be_written_to_a_folder(tmp_path: Path) -> None:
    world = World(count=3)
    assert write_files(world, tmp_path) == 3 * len(SUFFIXES) + UPLOADS
    for path, file in world.files():
        target = tmp_path / path.lstrip("/")
        assert target.read_bytes() == file.body.read()
        assert target.stat().st_mtime == file.modified
