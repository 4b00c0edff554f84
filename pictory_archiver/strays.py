"""Sidecars that lie where the catalogue does not look: of videos that were moved within the archive, or that are newer
than a catalogue that came from a backup. They are found by one walk over the names, and only these are read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path, PurePosixPath

import msgspec

from .catalogue import Catalogue, Known, name_key
from .models import Place
from .rebuild import known_by, standing
from .shelf import Shelf
from .sidecar import Sidecar
from .store import Store
from .tree import paths_below, read_sidecar

BATCH = 500


class Strays:
    """What is found again in one archive, which is walked once, when there is a reason for it."""

    def __init__(self, shelf: Shelf, store: Store) -> None:
        self._shelf = shelf
        self._store = store
        self._places: Mapping[str, Place] | None = None

    async def places(self) -> Mapping[str, Place]:
        """The place of each stray sidecar's video, by id. Raises `ConfigError` for a newer format."""
        if self._places is None:
            self._places = await self._shelf.ask(find_strays, self._store.root, self._shelf.catalogue)
        return self._places

    async def in_place(self, videos: Sequence[Known], sizes: Mapping[str, int | None] | None = None) -> list[Known]:
        """These videos, those that were moved at the place where they are now. `sizes` are known of their sidecars."""
        paths = [known.place.sidecar_text for known in videos if known.sidecar_bytes is not None]
        sizes = await self._store.sizes(paths) if sizes is None else sizes
        lost = {path for path in paths if sizes[path] is None}
        if not lost:
            return list(videos)
        places = await self.places()
        return [
            msgspec.structs.replace(known, place=places[known.sidecar.id])
            if known.place.sidecar_text in lost and known.sidecar.id in places
            else known
            for known in videos
        ]


def find_strays(root: Path, catalogue: Catalogue) -> dict[str, Place]:
    """The place of each sidecar's video that the catalogue has no video at, by id; of several the one that counts."""
    found: dict[str, Place] = {}
    for path in _unknown(root, catalogue):
        stray = _read(root, path)
        if stray is None:
            continue
        earlier = found.get(stray.sidecar.id)
        other = _read(root, earlier.sidecar) if earlier is not None else None
        if other is None or standing(root, stray) > standing(root, other):
            found[stray.sidecar.id] = stray.place
    return found


def _unknown(root: Path, catalogue: Catalogue) -> Iterator[PurePosixPath]:
    paths = paths_below(root)
    while batch := list(islice(paths, BATCH)):
        taken = catalogue.taken([Place.of(path) for path in batch])
        yield from (path for path in batch if name_key(Place.of(path)) not in taken)


def _read(root: Path, path: PurePosixPath) -> Known | None:
    found = read_sidecar(root, path)
    return known_by(found, found.says) if found is not None and isinstance(found.says, Sidecar) else None
