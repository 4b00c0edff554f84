"""What an item of the API says of its video, where it says it in a way that can be counted on. Pure.

Every field may be missing, odd or hostile: what is not as documented is None, and stays verbatim in the sidecar.
"""

from __future__ import annotations

import math
import re
from typing import Any

from .listing_page import REFERENCES

LONGEST_SECONDS = 30 * 86_400.0
MOST_PIXELS = 1_000_000

_SECONDS = re.compile(r"\s*([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*(?:s|secs?|seconds?)?\s*", re.ASCII | re.IGNORECASE)
_MADE_FROM = ("firstFrameImageUrl", "extendVideoUrl", REFERENCES)


def seconds_of(item: dict[str, Any]) -> float | None:
    """The duration: of `"8s"`, `"8"` or 8 it is 8.0."""
    value = item.get("duration")
    if isinstance(value, str) and (match := _SECONDS.fullmatch(value)):
        value = float(match[1])
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 < value <= LONGEST_SECONDS and math.isfinite(value) else None


def pixels_of(item: dict[str, Any], name: str) -> int | None:
    """The `width` or the `height`."""
    value = item.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= MOST_PIXELS:
        return None
    return int(value)


def text_of(item: dict[str, Any], name: str) -> str:
    """A text; empty where it is none."""
    value = item.get(name)
    return value if isinstance(value, str) else ""


def request_of(item: dict[str, Any]) -> dict[str, Any] | None:
    """The body of the API request that would generate the video again; None without a prompt.

    Where addresses in it carried a signature, that is gone. Of the inputs a request takes one at most: the API's own
    order of preference is not documented, so a first frame counts first, then an extension, then references.
    """
    prompt = text_of(item, "prompt")
    if not prompt:
        return None
    body: dict[str, Any] = {"prompt": prompt}
    body |= {name: item[name] for name in ("model", "aspectRatio", "duration") if item.get(name) is not None}
    for name in _MADE_FROM:
        if item.get(name):
            return {**body, name: item[name]}
    return body
