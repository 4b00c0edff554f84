"""The world's files on a real disk, for a real web server."""

from __future__ import annotations

import os
from pathlib import Path

from .world import World


def write_files(world: World, folder: Path) -> int:
    """Write every file of the CDN at its URL's path below `folder`, dated as the CDN dates it. Returns how many."""
    number = 0
    for path, file in world.files():
        target = folder / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as stream:
            stream.writelines(file.body.blocks())
        os.utime(target, (file.modified, file.modified))
        number += 1
    return number
