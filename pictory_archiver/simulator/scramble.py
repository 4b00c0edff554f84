"""Numbers that look random and still tell what they stand for."""

from __future__ import annotations

from hashlib import blake2b

ROUNDS = 4


class Scramble:
    """A keyed permutation of the numbers below 2**bits (a Feistel network): `reveal` undoes `hide`."""

    def __init__(self, key: bytes, bits: int) -> None:
        self._key = key
        self._half = bits // 2
        self._mask = (1 << self._half) - 1

    def hide(self, number: int) -> int:
        left, right = number >> self._half, number & self._mask
        for turn in range(ROUNDS):
            left, right = right, left ^ self._mix(turn, right)
        return left << self._half | right

    def reveal(self, hidden: int) -> int:
        left, right = hidden >> self._half, hidden & self._mask
        for turn in reversed(range(ROUNDS)):
            left, right = right ^ self._mix(turn, left), left
        return left << self._half | right

    def _mix(self, turn: int, half: int) -> int:
        size = self._half // 8
        digest = blake2b(half.to_bytes(size, "big"), key=self._key, salt=bytes([turn]), digest_size=size)
        return int.from_bytes(digest.digest(), "big")
