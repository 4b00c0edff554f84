"""A complete, verified copy of every AI Studio video that a Pictory account's API lists.

What the command line does, a program can do:

    list_videos(key)                    every video of an account, newest first
    sync_archive(folder, settings, key) makes an archive complete, and reports
    verify_archive(folder)              compares every file with what was stored
    repair_archive(folder, settings, key) fetches again what is damaged or lost
    Archive.open(folder).videos()       what an archive holds

docs/python.md has a runnable example. Names are imported when they are first used, so that this package itself
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
    "Repair": "repair_report",
    "Report": "report",
    "Selection": "selection",
    "Settings": "settings",
    "Sidecar": "sidecar",
    "Verification": "verification",
    "Video": "models",
    "Way": "way",
    "list_videos": "workshop",
    "repair_archive": "repair",
    "sync_archive": "sync",
    "verify_archive": "verify",
}

__all__ = [
    "Archive",
    "ArchiverError",
    "Event",
    "Key",
    "Observer",
    "Repair",
    "Report",
    "Selection",
    "Settings",
    "Sidecar",
    "Verification",
    "Video",
    "Way",
    "__version__",
    "list_videos",
    "repair_archive",
    "sync_archive",
    "verify_archive",
]

if TYPE_CHECKING:
    from .archive import Archive
    from .errors import ArchiverError
    from .events import Event, Observer
    from .key import Key
    from .models import Video
    from .repair import repair_archive
    from .repair_report import Repair
    from .report import Report
    from .selection import Selection
    from .settings import Settings
    from .sidecar import Sidecar
    from .sync import sync_archive
    from .verification import Verification
    from .verify import verify_archive
    from .way import Way
    from .workshop import list_videos


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
