"""Damage done to an archive on purpose, as disks and people do it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pictory_archiver import disk
from pictory_archiver.simulator import World


def file_of(archive: Path, world: World, video: int | str, suffix: str) -> Path:
    """A file of a video by the end of its name: `mp4`, `thumbnail.jpg`, `json`."""
    named = archive.rglob(f"*_{world.id(video)}.{suffix}")
    (found,) = (path for path in named if ".pictory-archiver" not in path.parts)
    return found


def flip(path: Path, at: int = -20) -> None:
    """Flips one bit; size and modification time stay what they were."""
    status = path.stat()
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert disk.size_of(path) == status.st_size


def cut(path: Path, count: int = 7) -> None:
    """Takes the last bytes away."""
    os.truncate(path, path.stat().st_size - count)


def rewrite(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Changes what a sidecar says."""
    document = json.loads(path.read_bytes())
    change(document)
    path.write_bytes(json.dumps(document, indent=2, ensure_ascii=False).encode() + b"\n")


def entry(document: dict[str, Any], kind: str) -> dict[str, Any]:
    """The asset of a kind in a sidecar's document."""
    found = next(asset for asset in document["assets"] if asset["kind"] == kind)
    assert isinstance(found, dict)
    return found
