"""The manifest of an archive: what `sha256sum -c` checks, and so whoever has no such program as this one.

It says what should be there, not what is. The digests of media are those in the sidecars; that of a sidecar is the one
of its bytes, unless the catalogue shows that they are not the ones that were written: then it is the one that was. So
rot that is there already is found, too. What is to be believed is decided as `verify` does.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

from .archive import Archive
from .events import silent
from .findings import is_promise
from .rebuild import for_reading
from .settings import Settings
from .shelf import Shelf
from .survey import Examined, Survey
from .verification import Collected
from .verify import WORKERS

_ESCAPES = {"\\": "\\\\", "\n": "\\n"}
_ESCAPED = re.compile(r"[\\\n]")


class Manifest:
    """The manifest of one archive. So far, `files` counts its lines, `found` is what `verify --quick` would say."""

    def __init__(self, root: Path, settings: Settings) -> None:
        """Raises `StorageError`, `ConfigError`."""
        self._archive = Archive.open(root)
        self._settings = settings
        self.root = self._archive.root
        self.found = Collected()
        self.files = 0

    async def lines(self) -> AsyncGenerator[bytes]:
        """The lines of one video after the other, in the order of the paths; at the end those of lost sidecars.

        A video of which nothing is known but that it was there has no lines. Raises `StorageError`, `ConfigError`.
        """
        with (
            for_reading(self._archive, self._settings.catalogue) as catalogue,
            contextlib.closing(Shelf(catalogue)) as shelf,
        ):
            survey = Survey(self._archive, shelf, quick=True, all_videos=True, workers=WORKERS, observer=silent)
            async with contextlib.aclosing(survey.examined()) as examined:
                async for each in examined:
                    self.found.add(each.findings if isinstance(each, Examined) else [each])
                    if isinstance(each, Examined):
                        lines = list(_lines_of(each))
                        self.files += len(lines)
                        yield b"".join(lines)


def _lines_of(examined: Examined) -> Iterator[bytes]:
    """A line for each file of a video, in the order of the paths."""
    place, truth = examined.place, examined.truth
    assets = truth.assets if truth else ()
    digests = {str(place.path(asset.path or "")): asset.sha256 for asset in assets if is_promise(asset)}
    digests[str(place.sidecar)] = examined.truth_sha256
    for path, digest in sorted(digests.items()):
        if digest is not None:
            yield line(path, digest)


def line(path: str, digest: str) -> bytes:
    """A line as `sha256sum` prints it for a path relative to the archive, with `/`.

    Two blanks: every checker takes them. Of a name with a backslash or a line break, both are written as `\\\\` and
    `\\n`, and its line begins with a backslash. Nothing else is escaped: older checkers know no more.
    """
    escaped = _ESCAPED.sub(lambda match: _ESCAPES[match[0]], path)
    mark = "" if escaped == path else "\\"
    return os.fsencode(f"{mark}{digest}  {escaped}\n")
