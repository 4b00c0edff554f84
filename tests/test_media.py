from __future__ import annotations

import os
import random
import shutil
import struct
import subprocess
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pictory_archiver.errors import BrokenBody, Unacceptable, WebError
from pictory_archiver.media import AnyMediaCheck, MediaCheck
from pictory_archiver.media_types import Family, expected, sniff
from pictory_archiver.models import INPUTS, OUTPUTS, Kind


def box(box_type: bytes, body: bytes = b"", *, wide: bool = False, open_ended: bool = False) -> bytes:
    if open_ended:
        return struct.pack(">I4s", 0, box_type) + body
    if wide:
        return struct.pack(">I4sQ", 1, box_type, 16 + len(body)) + body
    return struct.pack(">I4s", 8 + len(body), box_type) + body


def chunk(chunk_type: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">I", len(body)) + chunk_type + body + struct.pack(">I", zlib.crc32(chunk_type + body))


def segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


FTYP = box(b"ftyp", b"isom\0\0\2\0isomiso2avc1mp41")
MOOV = box(b"moov", box(b"mvhd", bytes(100)) + box(b"trak", bytes(50)))
MDAT = box(b"mdat", bytes(range(256)) * 3)
MP4 = FTYP + MOOV + MDAT
SOI, EOI = b"\xff\xd8", b"\xff\xd9"
JFIF = segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0")
EMBEDDED = segment(0xE1, b"Exif\0\0" + SOI + JFIF + EOI)
FRAME = segment(0xC0, bytes(15))
SCAN = segment(0xDA, b"\3\1\0\2\x11\3\x11\0\x3f\0") + b"scan\xff\0data\xff\xd0more\xff\xd7" * 30
JPEG = SOI + JFIF + EMBEDDED + FRAME + SCAN + EOI
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
IHDR = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0))
IDAT = chunk(b"IDAT", zlib.compress(bytes(range(256)) * 4, 0))
IEND = chunk(b"IEND")
PNG = PNG_SIGNATURE + IHDR + chunk(b"tEXt", b"k\0v") + IDAT + IDAT + IEND

WHOLE = {
    "mp4": (Family.MP4, MP4),
    "mp4, index last": (Family.MP4, FTYP + box(b"free") + MDAT + MOOV),
    "mp4, 64-bit sizes": (Family.MP4, FTYP + box(b"mdat", b"x" * 99, wide=True) + MOOV),
    "mp4, open-ended": (Family.MP4, FTYP + MOOV + box(b"mdat", b"x" * 99, open_ended=True)),
    "mp4, fragments": (Family.MP4, FTYP + MOOV + (box(b"moof", b"x" * 40) + MDAT) * 3),
    "mp4, padding first": (Family.MP4, box(b"free", b"abcd") + MP4),
    "mp4, no tracks": (Family.MP4, FTYP + box(b"moov", box(b"mvhd", bytes(100)))),
    "mp4, non-ASCII box": (Family.MP4, MP4 + box(b"\xa9xyz", b"abc")),
    "jpeg": (Family.JPEG, JPEG),
    "jpeg, progressive": (Family.JPEG, SOI + JFIF + FRAME + SCAN + segment(0xC4, b"table") + SCAN + SCAN + EOI),
    "jpeg, fill bytes": (Family.JPEG, SOI + b"\xff\xff" + JFIF + FRAME + SCAN + b"\xff\xff\xff" + EOI),
    "jpeg, bytes behind": (Family.JPEG, JPEG + b"\0\0behind" + SOI),
    "png": (Family.PNG, PNG),
    "png, bytes behind": (Family.PNG, PNG + b"behind"),
}
BROKEN = {
    "mp4 without moov": (Family.MP4, FTYP + MDAT),
    "mp4 without mdat": (Family.MP4, FTYP + MOOV),
    "mp4 with bytes behind": (Family.MP4, MP4 + b"more"),
    "mp4 with zeros behind": (Family.MP4, MP4 + bytes(64)),
    "mp4 with a box too small": (Family.MP4, FTYP + struct.pack(">I4s", 7, b"free") + MOOV + MDAT),
    "mp4 with a wide box too small": (Family.MP4, FTYP + struct.pack(">I4sQ", 1, b"free", 15) + MOOV + MDAT),
    "mp4 with a box too large": (Family.MP4, FTYP + MOOV + struct.pack(">I4s", 2**31, b"mdat") + b"x"),
    "mp4 with an open-ended moov": (Family.MP4, FTYP + MDAT + box(b"moov", b"x" * 99, open_ended=True)),
    "mp4 with no boxes inside": (Family.MP4, FTYP + bytes(range(200))),
    "jpeg without end": (Family.JPEG, JPEG[:-2]),
    "jpeg without a picture": (Family.JPEG, SOI + JFIF + EMBEDDED + EOI),
    "jpeg with a bad length": (Family.JPEG, SOI + JFIF + b"\xff\xe1\0\1" + SCAN + EOI),
    "jpeg with bytes between segments": (Family.JPEG, SOI + JFIF + b"x" + FRAME + SCAN + EOI),
    "jpeg that starts again": (Family.JPEG, JPEG[:-2] + JPEG),
    "png without end": (Family.PNG, PNG[:-12]),
    "png without a picture": (Family.PNG, PNG_SIGNATURE + IHDR + IEND),
    "png with a flipped bit": (Family.PNG, PNG.replace(b"\x80\x81", b"\x80\x80", 1)),
    "png without header": (Family.PNG, PNG_SIGNATURE + IDAT + IEND),
    "png with two headers": (Family.PNG, PNG_SIGNATURE + IHDR + IHDR + IDAT + IEND),
    "png with an odd chunk": (Family.PNG, PNG_SIGNATURE + IHDR + chunk(b"I\0AT") + IDAT + IEND),
    "png with a huge chunk": (Family.PNG, PNG_SIGNATURE + IHDR + b"\xff\xff\xff\xffIDAT" + bytes(600)),
}
HTML = b"\xef\xbb\xbf\n <!DOCTYPE html><html><body>Please log in</body></html>"


def outcome(check: MediaCheck, pieces: Iterator[bytes]) -> str:
    """What the check says in the end; it must say it again when asked again."""
    try:
        for piece in pieces:
            check.feed(piece)
        check.finish()
    except WebError as error:
        with pytest.raises(type(error)):
            check.finish()
        return f"{type(error).__name__}: {error}"
    return "whole"


def judge(data: bytes, family: Family | None, size: int = 1 << 20) -> str:
    return outcome(MediaCheck(family), (data[at : at + size] for at in range(0, len(data), size)))


@pytest.mark.parametrize("name", WHOLE)
def test_whole_files_pass(name: str) -> None:
    family, data = WHOLE[name]
    assert judge(data, family) == "whole"
    assert judge(data, None) == "whole"


@pytest.mark.parametrize("name", BROKEN)
def test_broken_files_do_not(name: str) -> None:
    family, data = BROKEN[name]
    assert judge(data, family).startswith("BrokenBody: a")


@pytest.mark.parametrize(("family", "data"), [(Family.MP4, MP4), (Family.JPEG, JPEG), (Family.PNG, PNG)])
def test_a_file_cut_anywhere_is_never_whole(family: Family, data: bytes) -> None:
    for length in range(len(data)):
        assert judge(data[:length], family).startswith("BrokenBody")
        assert judge(data[:length], None).startswith("BrokenBody")


@pytest.mark.parametrize("name", [*WHOLE, *BROKEN])
def test_byte_by_byte_is_the_same_as_whole(name: str) -> None:
    family, data = (WHOLE | BROKEN)[name]
    for size in (1, 2, 3, 511, 512, 513):
        assert judge(data, family, size) == judge(data, family)


@settings(deadline=None)
@given(st.sampled_from([data for _, data in (WHOLE | BROKEN).values()]), st.integers(0), st.integers(0, 40))
def test_damage_and_cutting_into_blocks(data: bytes, seed: int, flips: int) -> None:
    chance = random.Random(seed)
    damaged = bytearray(data)
    for _ in range(flips):
        damaged[chance.randrange(len(damaged))] = chance.choice((0, 1, 8, 0xD8, 0xD9, 0xDA, 0xFF))

    def blocks() -> Iterator[bytes]:
        rest = bytes(damaged)
        while rest:
            size = chance.choice((0, 1, 2, 7, 100, 600))
            yield rest[:size]
            rest = rest[size:]

    for family in (*list(Family)[:3], None):
        assert outcome(MediaCheck(family), blocks()) == judge(bytes(damaged), family)


@settings(deadline=None)
@given(
    st.sampled_from([b"", FTYP, FTYP + MOOV, SOI + JFIF, SOI + JFIF + SCAN, PNG_SIGNATURE, PNG_SIGNATURE + IHDR]),
    st.binary(),
)
@example(SOI + b"\xff", b"\xff" * 600)
def test_any_bytes_get_a_verdict(start: bytes, data: bytes) -> None:
    for family in (*list(Family)[:3], None):
        verdict = judge(start + data, family)
        assert verdict == judge(start + data, family, 7)
        assert verdict == "whole" or verdict.isprintable()


@pytest.mark.parametrize(
    ("data", "family", "message"),
    [
        (HTML, Family.MP4, "an HTML page, not an MP4"),
        (HTML, None, "an HTML page, not an image or a video"),
        (PNG, Family.MP4, "a PNG image, not an MP4"),
        (MP4, Family.JPEG, "an MP4 video, not a JPEG"),
        (JPEG, Family.PNG, "a JPEG image, not a PNG"),
        (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', Family.PNG, "an XML document, not a PNG"),
        (b'{"message": "Unauthorized"}', Family.MP4, "a JSON document, not an MP4"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", None, "an XML document, not an image or a video"),
        (b"Sorry, this file is not here any more.", Family.MP4, "a text, not an MP4"),
        (b"\x1f\x8b" + MP4, Family.MP4, "gzip-compressed data, not an MP4"),
        (bytes(1000), Family.MP4, "something unknown, not an MP4"),
        (MDAT + FTYP + MOOV, Family.MP4, "something unknown, not an MP4"),
        (box(b"ftyp", b"avif\0\0\0\0avifmif1") + box(b"meta", bytes(99)), Family.MP4, "an AVIF image, not an MP4"),
    ],
)
def test_another_type_is_named(data: bytes, family: Family | None, message: str) -> None:
    assert judge(data, family) == f"Unacceptable: {message}"


def test_another_type_is_refused_before_its_end() -> None:
    with pytest.raises(Unacceptable):
        MediaCheck(Family.MP4).feed(PNG_SIGNATURE + bytes(1000))


def test_nothing_is_no_file() -> None:
    assert judge(b"", Family.MP4) == judge(b"", None) == "BrokenBody: a file of 0 bytes"


@pytest.mark.parametrize(
    ("head", "extension"),
    [
        (MP4, "mp4"),
        (JPEG, "jpg"),
        (PNG, "png"),
        (box(b"ftyp", b"qt  \0\0\0\0qt  "), "mov"),
        (box(b"ftyp", b"M4V \0\0\0\0isom"), "m4v"),
        (box(b"ftyp", b"3gp5\0\0\0\0isom"), "3gp"),
        (box(b"ftyp", b"heic\0\0\0\0mif1"), "heic"),
        (box(b"ftyp", b"mif1\0\0\0\0heic"), "heic"),
        (box(b"ftyp", b"mif1\0\0\0\0miafavif"), "avif"),
        (b"GIF89a" + bytes(20), "gif"),
        (b"RIFF\1\2\3\nWEBPVP8 ", "webp"),
        (b"RIFF\1\2\3\nAVI LIST", "avi"),
        (b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0", "bmp"),
        (b"II*\0\x08\0\0\0" + bytes(20), "tiff"),
        (b"MM\0*\0\0\0\x08" + bytes(20), "tiff"),
        (b"\x1aE\xdf\xa3\x9fB\x86\x81\1B\xf7\x81\1B\xf2\x81\4B\xf3\x81\x08B\x82\x84webm", "webm"),
        (b"\x1aE\xdf\xa3\xa3B\x86\x81\1B\x82\x88matroska", "mkv"),
    ],
)
def test_sniff(head: bytes, extension: str) -> None:
    found = sniff(head[:512])
    assert found is not None
    assert found.extension == extension


@pytest.mark.parametrize(
    "head", [b"", b"\xff\xd8", HTML, b"RIFF\1\2\3\4WAVE", b"BMW is a car maker", b"%PDF-1.7", bytes(512)]
)
def test_sniff_knows_when_it_does_not_know(head: bytes) -> None:
    assert sniff(head) is None


def test_the_check_of_inputs_tells_the_type() -> None:
    for data, extension in ((MP4, "mp4"), (MP4.replace(b"isom", b"qt  ", 1), "mov"), (b"GIF89a" + bytes(20), "gif")):
        check = AnyMediaCheck()
        check.feed(data)
        check.finish()
        assert check.media_type.extension == extension
    check = AnyMediaCheck()
    check.feed(MP4[:-1].replace(b"isom", b"qt  ", 1))
    with pytest.raises(BrokenBody):
        check.finish()


def test_outputs_have_a_family() -> None:
    assert [expected(kind) for kind in OUTPUTS] == [Family.MP4, Family.JPEG, Family.JPEG, Family.PNG]
    assert Kind.EXTEND_SOURCE in INPUTS


@pytest.mark.parametrize(
    ("family", "start", "block"),
    [
        (Family.MP4, FTYP + struct.pack(">I4s", 2**31, b"mdat"), bytes(1 << 18)),
        (Family.MP4, FTYP + struct.pack(">I4s", 2**31, b"moov"), bytes(1 << 18)),
        (Family.JPEG, SOI + JFIF + SCAN, b"x\xff\0" * (1 << 16)),
        (Family.PNG, PNG_SIGNATURE + IHDR + struct.pack(">I4s", 2**31 - 1, b"IDAT"), bytes(1 << 18)),
    ],
)
def test_memory_is_bounded_and_blocks_are_let_go(family: Family, start: bytes, block: bytes) -> None:
    check = MediaCheck(family)
    check.feed(start + bytes(512) if family is Family.MP4 else start + b"x" * 512)
    tracemalloc.start()
    try:
        for _ in range(40):
            reusable = bytearray(block)
            check.feed(memoryview(reusable))
            reusable += b"resizing fails while a view of it is held"
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    del reusable
    assert peak < 4 * len(block)
    assert kept < 2 * len(block)


@pytest.fixture(scope="module")
def ffmpeg(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., bytes]:
    program = shutil.which("ffmpeg")
    if program is None:
        assert os.environ.get("CI") != "true", "ffmpeg must be there in CI"
        pytest.skip("ffmpeg is not there")
    folder = tmp_path_factory.mktemp("media")

    def make(name: str, *options: str) -> bytes:
        path: Path = folder / name
        source = ["-f", "lavfi", "-i", "testsrc2=size=64x96:rate=10:duration=1"]
        command = [program, "-nostdin", "-v", "error", "-y", *source, *options, str(path)]
        subprocess.run(command, check=True, timeout=60)
        return path.read_bytes()

    return make


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("plain.mp4", ()),
        ("faststart.mp4", ("-movflags", "+faststart")),
        ("fragments.mp4", ("-movflags", "frag_keyframe+empty_moov")),
        ("quicktime.mov", ()),
        ("image.jpg", ("-frames:v", "1")),
        ("image.png", ("-frames:v", "1")),
        ("image.gif", ("-frames:v", "1")),
        ("image.bmp", ("-frames:v", "1")),
        ("image.tiff", ("-frames:v", "1")),
        ("video.mkv", ()),
        ("video.avi", ()),
    ],
)
def test_real_files(ffmpeg: Callable[..., bytes], name: str, options: tuple[str, ...]) -> None:
    data = ffmpeg(name, *options)
    check = AnyMediaCheck()
    check.feed(data)
    check.finish()
    assert check.media_type.extension == name.rpartition(".")[2]
    if check.media_type.family is not Family.OTHER:
        for length in range(0, len(data), 1 + len(data) // 500):
            if "fragments" not in name:
                assert judge(data[:length], None) != "whole"
