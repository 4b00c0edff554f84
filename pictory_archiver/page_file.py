"""The page of the offline library, for now without anything on it."""

from __future__ import annotations


def index_html() -> bytes:
    return b'<meta name="generator" content="pictory-archiver">'


def icon() -> bytes:
    return b"<svg/>"


def content_security_policy(*, framing: bool) -> str:
    return "default-src 'none'" + ("" if framing else "; frame-ancestors 'none'")
