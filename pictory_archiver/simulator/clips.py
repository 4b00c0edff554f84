"""Real media files, varied so that no two are alike and every one is still valid.

MP4 gets a `free` box at its end, JPEG a COM segment after SOI, PNG a tEXt chunk before IEND. A WebP stays as it is.
"""

from __future__ import annotations

from functools import cache
from hashlib import blake2b
from importlib.resources import files
from zlib import crc32

from .bodies import Body, Noise

CONTENT_TYPES = {
    ".mp4": "video/mp4",
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
}
BOX_HEADER = 8
IEND = 12
LARGEST_MP4 = 2**32 - 1


def vary(name: str, tag: bytes, *, size: int = 0) -> Body:
    """The media file `name` with `tag` inside; an MP4 is filled up to `size` bytes where it is smaller."""
    if name.endswith(".mp4"):
        return _mp4(media(name), tag, size)
    if name.endswith(".jpg"):
        return _jpeg(media(name), tag)
    if name.endswith(".png"):
        return _png(media(name), tag)
    return Body(media(name))


@cache
def media(name: str) -> bytes:
    """The bytes of a file in `media/`."""
    return (files(__package__) / "media" / name).read_bytes()


def without_moov(data: bytes) -> bytes:
    """An MP4 without its `moov` box: what is left tiles the file and cannot be played."""
    kept = []
    at = 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        if data[at + 4 : at + BOX_HEADER] != b"moov":
            kept.append(data[at : at + size])
        at += size
    return b"".join(kept)


def _mp4(data: bytes, tag: bytes, size: int) -> Body:
    box = max(size - len(data), BOX_HEADER + len(tag))
    header = box.to_bytes(4, "big") + b"free"
    return Body(data, header + tag, Noise(blake2b(tag).digest(), box - BOX_HEADER - len(tag)))


def _jpeg(data: bytes, tag: bytes) -> Body:
    segment = b"\xff\xfe" + (2 + len(tag)).to_bytes(2, "big") + tag
    return Body(data[:2] + segment + data[2:])


def _png(data: bytes, tag: bytes) -> Body:
    text = b"tEXtComment\0" + tag
    chunk = (len(text) - 4).to_bytes(4, "big") + text + crc32(text).to_bytes(4, "big")
    return Body(data[:-IEND], chunk + data[-IEND:])
