"""The video that a person names: by its id, the unique beginning of one, or the path of one of its files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath

from .catalogue import Catalogue, Known
from .errors import ConfigError
from .text import printable

SHOWN = 5
SHORTEST = 8


def find_video(catalogue: Catalogue, name: str) -> Known:
    """The video of an id, of the unique beginning of one, or of the path of one of its files. Raises `ConfigError`."""
    found = catalogue.ids_like(name, SHOWN + 1) or catalogue.ids_like(PurePath(name).name, SHOWN + 1)
    if not found:
        raise ConfigError(f"the archive knows no video {printable(name)}", hint="`list` names them all")
    if len(found) > 1:
        ids = ", ".join(printable(video_id, 60) for video_id in found[:SHOWN])
        raise ConfigError(f"{printable(name)} fits more than one video: {ids}{', …' if found[SHOWN:] else ''}")
    return catalogue.known(found)[found[0]]


def short_ids(ids: Sequence[str]) -> dict[str, str]:
    """Of each id the shortest beginning that names it, of some characters at least. The ids have to be in order."""
    short: dict[str, str] = {}
    shared = 0
    for position, video_id in enumerate(ids):
        before, shared = shared, _shared(video_id, ids[position + 1]) if position + 1 < len(ids) else 0
        short[video_id] = video_id[: max(before + 1, shared + 1, SHORTEST)]
    return short


def _shared(one: str, other: str) -> int:
    """How many characters two texts begin with that are the same."""
    return next(
        (place for place, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]),
        min(len(one), len(other)),
    )
