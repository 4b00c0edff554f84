"""The types of images and videos that can be told by a file's first bytes, and what other files look like.

`HEAD` bytes are enough. A type belongs to a *family*, the group of types whose structure `media` checks in one way.
"""

from __future__ import annotations

import re
from enum import StrEnum

from msgspec import Struct

from .models import Kind

HEAD = 512


class Family(StrEnum):
    """How the structure of a type is checked."""

    MP4 = "mp4"
    JPEG = "jpeg"
    PNG = "png"
    OTHER = "other"


class MediaType(Struct, frozen=True):
    """A type of image or video. `name` is for messages."""

    family: Family
    extension: str
    name: str


JPEG = MediaType(Family.JPEG, "jpg", "a JPEG image")
PNG = MediaType(Family.PNG, "png", "a PNG image")
MP4 = MediaType(Family.MP4, "mp4", "an MP4 video")
M4V = MediaType(Family.MP4, "m4v", "an M4V video")
MOV = MediaType(Family.MP4, "mov", "a QuickTime movie")
THREEGP = MediaType(Family.MP4, "3gp", "a 3GP video")
AVIF = MediaType(Family.OTHER, "avif", "an AVIF image")
HEIC = MediaType(Family.OTHER, "heic", "a HEIC image")
GIF = MediaType(Family.OTHER, "gif", "a GIF image")
WEBP = MediaType(Family.OTHER, "webp", "a WebP image")
BMP = MediaType(Family.OTHER, "bmp", "a BMP image")
TIFF = MediaType(Family.OTHER, "tiff", "a TIFF image")
WEBM = MediaType(Family.OTHER, "webm", "a WebM video")
MKV = MediaType(Family.OTHER, "mkv", "a Matroska video")
AVI = MediaType(Family.OTHER, "avi", "an AVI video")

VIDEO_EXTENSIONS = frozenset(each.extension for each in (MP4, M4V, MOV, THREEGP, WEBM, MKV, AVI))
"""By these the files of videos are told from those of images."""

_PADDING = (b"free", b"skip", b"wide")
_BRANDS = {
    b"avif": AVIF,
    b"avis": AVIF,
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"), HEIC),
    b"qt  ": MOV,
    b"M4V ": M4V,
    **dict.fromkeys((b"3gp4", b"3gp5", b"3gp6", b"3gp7"), THREEGP),
}
_SIGNATURES = (
    (re.compile(rb"(?s)\xff\xd8\xff"), JPEG),
    (re.compile(rb"(?s)\x89PNG\r\n\x1a\n"), PNG),
    (re.compile(rb"(?s)GIF8[79]a"), GIF),
    (re.compile(rb"(?s)RIFF....WEBP"), WEBP),
    (re.compile(rb"(?s)RIFF....AVI "), AVI),
    (re.compile(rb"(?s)BM....\0\0\0\0"), BMP),
    (re.compile(rb"(?s)II\*\0|MM\0\*"), TIFF),
    (re.compile(rb"(?s)\x1aE\xdf\xa3.{0,64}?webm"), WEBM),
    (re.compile(rb"(?s)\x1aE\xdf\xa3.{0,64}?matroska"), MKV),
)
_STRANGERS = (
    (re.compile(rb"<(?:!doctype html|html|head|body|script|title|!--)"), "an HTML page"),
    (re.compile(rb"<"), "an XML document"),
    (re.compile(rb"[{\[]"), "a JSON document"),
    (re.compile(rb"%pdf"), "a PDF document"),
    (re.compile(rb"\x1f\x8b"), "gzip-compressed data"),
    (re.compile(rb"[\t\r\n -~]{32}"), "a text"),
)
_EXPECTED = {
    Kind.VIDEO: Family.MP4,
    Kind.THUMBNAIL: Family.JPEG,
    Kind.PREVIEW: Family.JPEG,
    Kind.LAST_FRAME: Family.PNG,
}


def expected(kind: Kind) -> Family:
    """The family that an output must be of."""
    return _EXPECTED[kind]


def sniff(head: bytes) -> MediaType | None:
    """The type of image or video that begins like this; None for anything else."""
    for signature, media_type in _SIGNATURES:
        if signature.match(head):
            return media_type
    at = 0
    while head[at + 4 : at + 8] in _PADDING and (size := int.from_bytes(head[at : at + 4])) >= 8:
        at += size
    if head[at + 4 : at + 8] != b"ftyp":
        return None
    brand = head[at + 8 : at + 12]
    if brand in (b"mif1", b"msf1") and b"avif" in head[at + 16 : at + int.from_bytes(head[at : at + 4])]:
        return AVIF
    return _BRANDS.get(brand, MP4)


def stranger(head: bytes) -> str | None:
    """What a file that is no media looks like."""
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    return next((name for pattern, name in _STRANGERS if pattern.match(text)), None)
