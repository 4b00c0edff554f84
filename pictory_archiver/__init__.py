"""A complete, verified copy of every AI Studio video that a Pictory account's API lists.

What the command line does, a program can do:

    list_videos(key)                    every video of an account, newest first
    sync_archive(folder, settings, key) makes an archive complete, and reports
    Archive.open(folder).videos()       what an archive holds

docs/library.md has a runnable example. Names are imported when they are first used, so that this package itself
costs nothing to import.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "1.0.0.dev0"

_HOMES = {
    "Archive": "archive",
    "ArchiverError": "errors",
    "Event": "events",
    "Key": "key",
    "Observer": "events",
    "Report": "report",
    "Selection": "selection",
    "Settings": "settings",
    "Sidecar": "sidecar",
    "Video": "models",
    "Way": "way",
    "list_videos": "workshop",
    "sync_archive": "sync",
}

__all__ = [
    "Archive",
    "ArchiverError",
    "Event",
    "Key",
    "Observer",
    "Report",
    "Selection",
    "Settings",
    "Sidecar",
    "Video",
    "Way",
    "__version__",
    "list_videos",
    "sync_archive",
]

if TYPE_CHECKING:
    from .archive import Archive
    from .errors import ArchiverError
    from .events import Event, Observer
    from .key import Key
    from .models import Video
    from .report import Report
    from .selection import Selection
    from .settings import Settings
    from .sidecar import Sidecar
    from .sync import sync_archive
    from .way import Way
    from .workshop import list_videos


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
