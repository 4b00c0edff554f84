"""What is wrong with a video, by what was seen of its sidecar and files and by what the catalogue knows. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from msgspec import Struct

from .catalogue_rows import Known, Outline
from .findings import Finding, Seen, What, by_slot, false_claims, fits, judge
from .models import Kind, Place, Slot, Status
from .sidecar import Sidecar, render, say_the_same
from .text import printable

Held = frozenset[tuple[str, Kind]]
"""Files that inputs may be linked to: the id of a video, and which output of it."""


class Looked(Struct, frozen=True):
    """A sidecar as it was read, and its files as they were seen. `sidecar` is None where it is damaged, or, as far as
    its version says so, of a newer release (`is_newer`)."""

    name: str
    sidecar: Sidecar | None
    size: int | None
    sha256: str | None
    is_ours: bool
    problem: str
    seen: dict[Slot, Seen]
    is_newer: bool = False

    @property
    def believed(self) -> Sidecar:
        """The sidecar of one that is known to be readable."""
        assert self.sidecar is not None  # noqa: S101
        return self.sidecar


def is_clean(looked: Looked, outline: Outline | None, held: Held) -> bool:
    """Whether nothing speaks against a video. Nearly every video takes this way alone."""
    sidecar = looked.believed
    return (
        not any(judge(asset, looked.seen[asset.slot]) for asset in sidecar.assets if asset.slot in looked.seen)
        and not is_another(looked, outline)
        and not dangling(sidecar, held)
        and next(false_claims(sidecar, looked.name), None) is None
    )


def is_another(looked: Looked, outline: Outline | None) -> bool:
    """Whether a sidecar has the size of the one that the catalogue knows, and other bytes."""
    return (
        outline is not None
        and outline.sidecar_sha256 is not None
        and outline.sidecar_bytes == looked.size
        and outline.sidecar_sha256 != looked.sha256
    )


def _is_altered(looked: Looked, outline: Outline | None, known: Known | None) -> bool:
    """Whether a sidecar is not the one that was written, although no run wrote another one: rot, or another hand.

    What a run writes has a time of its own, and says something new. Where all that the catalogue knows makes the very
    bytes that were read, it is only the digest in it that is wrong.
    """
    sidecar = looked.believed
    if known is not None and hashlib.sha256(render(known.sidecar)).hexdigest() == looked.sha256:
        return False
    return is_another(looked, outline) and (
        (outline is not None and outline.archived_at == sidecar.archived_at)
        or (known is not None and say_the_same(known.sidecar, sidecar))
    )


def notes_on(place: Place, sidecar: Sidecar, outline: Outline | None) -> Iterator[Finding]:
    """What the catalogue does not know as it is: an index that is behind is no damage."""
    if outline is None:
        yield about_sidecar(What.STALE_CATALOGUE, place, "the catalogue does not know this video", sidecar.id)
    elif outline.place != place:
        detail = f"the catalogue looks for it at {outline.place.sidecar}"
        yield about_sidecar(What.STALE_CATALOGUE, place, detail, sidecar.id)
    elif outline.archived_at != sidecar.archived_at:
        yield about_sidecar(What.STALE_CATALOGUE, place, "the catalogue knows another sidecar", sidecar.id)


def lies_of(looked: Looked, outline: Outline | None, known: Known | None, held: Held) -> tuple[list[str], bool]:
    """What a sidecar says that is not true, and whether the catalogue knows better."""
    sidecar = looked.believed
    lies = []
    if _is_altered(looked, outline, known):
        lies.append("it is not the one that was written")
    recorded = by_slot(known.sidecar.assets) if known else {}
    for slot, seen in looked.seen.items():
        mine, other = by_slot(sidecar.assets)[slot], recorded.get(slot)
        if judge(mine, seen) is not None and other is not None and other.path == mine.path and fits(other, seen):
            lies.append(f"{slot} is what the catalogue says, and not what the sidecar says")
    contradicted = bool(lies)
    impossible = list(false_claims(sidecar, looked.name))
    if impossible and known is not None and known.sidecar.archived_at == sidecar.archived_at:
        contradicted |= not any(false_claims(known.sidecar, looked.name))
    lies += impossible
    lies += [f"it links {slot} to a file that the archive does not hold" for slot in sorted(dangling(sidecar, held))]
    return lies, contradicted


def damaged_files(place: Place, sidecar: Sidecar, seen: dict[Slot, Seen]) -> Iterator[Finding]:
    for asset in sidecar.assets:
        wrong = judge(asset, seen[asset.slot]) if asset.slot in seen else None
        if wrong is not None:
            what, detail = wrong
            path = str(place.path(asset.path or ""))
            yield Finding(what=what, path=path, detail=detail, video_id=sidecar.id, kind=asset.kind, index=asset.index)


def about_sidecar(what: What, place: Place, detail: str, video_id: str | None) -> Finding:
    return Finding(what=what, path=str(place.sidecar), detail=printable(detail), video_id=video_id)


def bad_slots(sidecar: Sidecar, seen: dict[Slot, Seen]) -> Iterator[Slot]:
    for asset in sidecar.assets:
        if asset.slot in seen and judge(asset, seen[asset.slot]) is not None:
            yield asset.slot


def dangling(sidecar: Sidecar, held: Held) -> frozenset[Slot]:
    """Inputs that are linked to a file of another video that the archive does not hold."""
    return frozenset(
        asset.slot
        for asset in sidecar.assets
        if asset.status is Status.LINKED
        and asset.video_id is not None
        and asset.asset is not None
        and (asset.video_id, asset.asset) not in held
    )
