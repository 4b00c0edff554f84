"""What a check of an archive finds: files that are not what their sidecars promise, and sidecars that promise wrongly.

Pure: it judges what was seen. The disk is looked at in `survey`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import TypeVar

import msgspec
from msgspec import Struct

from .models import OUTPUTS, Asset, Kind, Slot, Status
from .sidecar import Sidecar, is_complete

T = TypeVar("T")

_SHA256 = re.compile(r"[0-9a-f]{64}")


class What(StrEnum):
    """What is wrong, or merely worth a word."""

    DAMAGED = "damaged"
    LOST = "lost"
    UNREADABLE = "unreadable"
    DAMAGED_SIDECAR = "damaged_sidecar"
    LOST_SIDECAR = "lost_sidecar"
    FALSE_SIDECAR = "false_sidecar"
    STALE_CATALOGUE = "stale_catalogue"
    UNFINISHED = "unfinished"
    EXTRA = "extra"


DAMAGE = frozenset(
    {
        What.DAMAGED,
        What.LOST,
        What.UNREADABLE,
        What.DAMAGED_SIDECAR,
        What.LOST_SIDECAR,
        What.FALSE_SIDECAR,
    }
)
"""What makes an archive another one than was promised. The rest never does."""


class Finding(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One file that a person should know of. `path` is relative to the archive, with `/`; `detail` says more."""

    what: What
    path: str
    detail: str
    video_id: str | None = None
    kind: Kind | None = None
    index: int | None = None

    @property
    def is_damage(self) -> bool:
        return self.what in DAMAGE


class Seen(Struct, frozen=True):
    """A file as it was seen: its size (None: it is not there) and, where it was read, its digest.

    `trouble` says why it could not be read, or what lies in its place.
    """

    size: int | None
    sha256: str | None = None
    trouble: str | None = None


def judge(asset: Asset, seen: Seen) -> tuple[What, str] | None:
    """What is wrong with the file of a stored asset; None where it is as promised, as far as it was looked at."""
    if seen.size is None:
        return What.LOST, seen.trouble or "it is not there"
    if seen.trouble:
        return What.UNREADABLE, seen.trouble
    if seen.size != asset.bytes:
        return What.DAMAGED, f"{seen.size:,} bytes, where {asset.bytes or 0:,} were stored"
    if seen.sha256 is not None and seen.sha256 != asset.sha256:
        return What.DAMAGED, "its bytes are not those that were stored"
    return None


def is_promise(asset: Asset) -> bool:
    """True for a stored asset that says what its file is; a stored one that does not is a false claim."""
    return (
        asset.status is Status.STORED
        and asset.path is not None
        and asset.bytes is not None
        and asset.bytes >= 0
        and asset.sha256 is not None
        and _SHA256.fullmatch(asset.sha256) is not None
    )


def false_claims(sidecar: Sidecar, name: str) -> Iterator[str]:
    """What a sidecar of this file name says that cannot be true, whatever is on the disk."""
    kinds = {asset.kind for asset in sidecar.assets}
    lacking = [kind for kind in OUTPUTS if kind not in kinds]
    if lacking:
        yield f"it does not say what became of {', '.join(lacking)}"
    elif sidecar.complete != is_complete(sidecar.assets):
        yield f'it says "complete": {str(sidecar.complete).lower()}, and its files say otherwise'
    for slot, count in _repeated([asset.slot for asset in sidecar.assets]):
        yield f"it names {slot} {count} times"
    for path, _ in _repeated([name, *(asset.path for asset in sidecar.assets if asset.path is not None)]):
        yield f"it names {path} for something that this file cannot be"
    for asset in sidecar.assets:
        if asset.status is Status.STORED and not is_promise(asset):
            yield f"it calls {asset.slot} stored, and does not say in full as what"
        if asset.status is not Status.STORED and asset.path is not None:
            yield f"it names a file for {asset.slot}, which it does not call stored"
        if asset.status is Status.LINKED and (asset.video_id is None or asset.asset is None):
            yield f"it links {asset.slot} to nothing"


def _repeated(values: Sequence[T]) -> list[tuple[T, int]]:
    """The values that occur several times, and how often. Nearly always there are none."""
    if len(set(values)) == len(values):
        return []
    return [(value, count) for value, count in Counter(values).items() if count > 1]


def slots_in_doubt(sidecar: Sidecar, name: str) -> frozenset[Slot]:
    """Files that a sidecar claims in a way that cannot be relied on: they are to be had anew."""
    names = Counter(asset.path for asset in dict.fromkeys(sidecar.assets) if asset.path is not None)
    return frozenset(
        asset.slot
        for asset in sidecar.assets
        if (asset.status is Status.STORED and not is_promise(asset))
        or (asset.status is Status.LINKED and (asset.video_id is None or asset.asset is None))
        or (asset.path is not None and (names[asset.path] > 1 or asset.path == name))
    )


def without_false_claims(sidecar: Sidecar, in_doubt: Iterable[Slot]) -> Sidecar:
    """The sidecar as it can be believed: what is in doubt becomes pending, an output without a word too."""
    doubted = frozenset(in_doubt)
    assets: dict[Slot, Asset] = {}
    for asset in sidecar.assets:
        if asset.slot not in assets:
            assets[asset.slot] = _believable(asset, is_doubted=asset.slot in doubted)
    for kind in OUTPUTS:
        assets.setdefault(Slot(kind), Asset(kind=kind, status=Status.PENDING, path=None))
    order = {kind: position for position, kind in enumerate(Kind)}
    listed = tuple(sorted(assets.values(), key=lambda asset: (order[asset.kind], asset.index or 0)))
    return msgspec.structs.replace(sidecar, assets=listed, complete=is_complete(listed))


def _believable(asset: Asset, *, is_doubted: bool) -> Asset:
    if is_doubted:
        return Asset(kind=asset.kind, index=asset.index, status=Status.PENDING, path=None, url=asset.url)
    return asset if asset.status is Status.STORED else msgspec.structs.replace(asset, path=None)


def fits(asset: Asset | None, seen: Seen) -> bool:
    """Whether a file that was seen is what an asset promises, as far as it was looked at."""
    return asset is not None and is_promise(asset) and judge(asset, seen) is None


def by_slot(assets: Iterable[Asset]) -> Mapping[Slot, Asset]:
    """Assets by their slots."""
    return {asset.slot: asset for asset in assets}
