"""Signed URLs as CloudFront makes them: `?Expires=…&Signature=…&Key-Pair-Id=…`."""

from __future__ import annotations

import hmac
from base64 import b64encode
from collections.abc import Callable, Mapping

KEY_PAIR = "K2JCJMDEHXQW5F"
SAFE = bytes.maketrans(b"+=/", b"-_~")


class Signer:
    """Signs paths and checks signatures. `lifetime` is in seconds, `clock` gives seconds since the epoch."""

    def __init__(self, key: bytes, lifetime: float, clock: Callable[[], float]) -> None:
        self._key = key
        self._lifetime = lifetime
        self._clock = clock
        self._generation = 0

    def expire(self) -> None:
        """Make every signature given out so far worthless."""
        self._generation += 1

    def sign(self, path: str) -> str:
        """The query that opens `path` for the lifetime, without the question mark."""
        expires = str(int(self._clock() + self._lifetime))
        return f"Expires={expires}&Signature={self._signature(path, expires)}&Key-Pair-Id={KEY_PAIR}"

    def opens(self, path: str, query: Mapping[str, str]) -> bool:
        """Whether the query is a signature of ours for this path that is still valid."""
        expires = query.get("Expires", "")
        if not expires.isdecimal() or int(expires) < self._clock():
            return False
        return hmac.compare_digest(query.get("Signature", "").encode(), self._signature(path, expires).encode())

    def _signature(self, path: str, expires: str) -> str:
        message = f"{self._generation}\n{path}\n{expires}".encode()
        digest = hmac.digest(self._key, message, "sha512")
        return b64encode(digest).translate(SAFE).decode()
