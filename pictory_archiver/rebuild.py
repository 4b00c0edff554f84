"""The catalogue made anew from the sidecars, without any request to the network."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from .archive import CATALOGUE, Archive
from .catalogue import Catalogue, DamagedCatalogue, Known
from .disk import find, put_in_place, refuse_link, storage_errors
from .listing_page import created_of
from .models import Place

BATCH = 500


def open_or_rebuild(archive: Archive) -> tuple[Catalogue, bool]:
    """The catalogue of a held archive, and whether a damaged one was set aside and rebuilt. Raises `StorageError`."""
    path = find(archive.root, CATALOGUE)
    existed = os.path.lexists(path)
    if existed:
        refuse_link(path)
        with contextlib.suppress(DamagedCatalogue):
            return _open_sound(path), False
    _rebuild(archive, path)
    return Catalogue.open(path), existed


def _open_sound(path: Path) -> Catalogue:
    catalogue = Catalogue.open(path)
    try:
        catalogue.check()
    except BaseException:
        catalogue.close()
        raise
    return catalogue


def _rebuild(archive: Archive, path: Path) -> None:
    """Under another name first: a crash leaves no catalogue that has but a part of the videos."""
    partial = path.with_name(f"{path.name}.partial")
    with storage_errors(path):
        partial.unlink(missing_ok=True)
        _journal(partial).unlink(missing_ok=True)
    with contextlib.closing(Catalogue.create(partial)) as catalogue:
        fill(catalogue, archive)
    with storage_errors(path):
        if path.exists():
            path.replace(path.with_name(f"{path.name}.damaged"))
        _journal(path).unlink(missing_ok=True)  # it belongs to the damaged file, and would be played into the new one
        put_in_place(partial, path)


def _journal(path: Path) -> Path:
    return path.with_name(f"{path.name}-journal")


@contextlib.contextmanager
def for_reading(archive: Archive) -> Iterator[Catalogue]:
    """The catalogue for looking only; a lost or damaged one is rebuilt in memory, and nothing is written."""
    try:
        catalogue = Catalogue.open_read_only(archive.root / CATALOGUE)
    except DamagedCatalogue:
        catalogue = Catalogue.in_memory()
        fill(catalogue, archive)
    try:
        yield catalogue
    finally:
        catalogue.close()


def fill(catalogue: Catalogue, archive: Archive) -> None:
    """Records every readable sidecar. Of two for one id the higher revision counts. No listing is known to hold any."""
    batch: dict[str, Known] = {}
    for path, sidecar in archive.videos():
        earlier = batch.get(sidecar.id) or catalogue.known([sidecar.id]).get(sidecar.id)
        if earlier is None or earlier.sidecar.revision < sidecar.revision:
            batch[sidecar.id] = Known(
                place=Place(str(path.parent), path.name.removesuffix(".json")),
                sidecar=sidecar,
                created=created_of(sidecar.video),
                sidecar_bytes=(archive.root / path).stat().st_size,
                listed_run=0,
            )
        if len(batch) >= BATCH:
            catalogue.record(batch.values())
            batch.clear()
    catalogue.record(batch.values())
