"""The page of the offline library: one file, the same for every archive, with its style and its script inside.

It holds nothing of any archive. What it may do is said by its Content-Security-Policy: run the script and the style
that it was written with, load scripts, pictures and videos from beside it, and nothing else from anywhere.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files

SCRIPTS = ("text", "dom", "data", "view", "search", "wall", "preview", "film", "detail", "standing", "main")
"""In the order in which they are put together."""


@cache
def index_html() -> bytes:
    """The page, UTF-8."""
    page = _part("index.html")
    page = page.replace("/* policy */", content_security_policy(framing=True))
    return page.replace("/* style */", _style()).replace("/* script */", _script()).encode()


def icon() -> bytes:
    """Its icon, SVG."""
    return _part("icon.svg").encode()


@cache
def content_security_policy(*, framing: bool) -> str:
    """What the page may do. Without `framing` it may not be framed, which only a header can say, and not the page."""
    rules = [
        "default-src 'none'",
        f"script-src 'self' '{_hash(_script())}'",
        f"style-src '{_hash(_style())}'",
        "img-src 'self'",
        "media-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types pictory-library",
    ]
    return "; ".join(rules if framing else [*rules, "frame-ancestors 'none'"])


@cache
def _script() -> str:
    parts = "\n".join(_part(f"{name}.js") for name in SCRIPTS)
    return f'(() => {{\n"use strict";\n{parts}}})();\n'


@cache
def _style() -> str:
    return _part("style.css")


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _part(name: str) -> str:
    return (files(__package__) / "page" / name).read_text(encoding="utf-8")
