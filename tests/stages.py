"""Where runs begin that are disturbed on purpose, and what holds after each of them, and after the next one.

The rules: a file under its final name is whole, a sidecar is true, the catalogue knows nothing that is not so. The next
run needs no help to come to what an undisturbed one comes to, and asks for nothing that a sidecar promises.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pictory_archiver import verify_archive
from pictory_archiver.archive import CATALOGUE, HIDDEN, MARKER
from pictory_archiver.models import Status
from pictory_archiver.quarantine import QUARANTINE
from pictory_archiver.sidecar import is_complete
from pictory_archiver.simulator import Simulator, World

from .conftest import Account
from .damage import cut, file_of, flip
from .support import FAST, Outcome, check_archive, files_of, sidecars
from .tracing import RUN, Call, Shot, Traced, record, shoot
from .warm import Warm, warm

SETTINGS = FAST | {"download": {"workers": 1}, "library": {"update": False}}
RECORDINGS = 3
LARGE = 17 * 2**20
"""A file, in bytes, of which a part is worth being kept for a later run."""
OTHER_KEY = "pictai_" + "0" * 40

MISSING = object()
_QUARANTINED = re.compile(rf"{re.escape(str(QUARANTINE))}/[^/]+(/.*?)(\.\d+)?\Z")
"""A file in quarantine: one of a name that another one has bears a number."""

Contents = dict[str, Any]


@dataclass
class Stage:
    """A command and the state of the archive that it begins with; `base` None: there is none yet."""

    simulator: Simulator
    program: Warm
    root: Path
    command: str
    base: Path | None
    log: Path
    options: tuple[str, ...] = ()
    whole: Contents = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    """What an undisturbed run comes to: all of it, its files byte for byte, and the paths on the CDN of the media."""

    def reset(self) -> None:
        """Has the archive be as it is where the command begins."""
        shutil.rmtree(self.root, ignore_errors=True)
        if self.base is not None:
            shutil.copytree(self.base, self.root)
        self.simulator.forget()

    def run(self, *, tracer: Sequence[str] = ()) -> Outcome:
        """Runs the command."""
        return self.program.run(self.command, self.root, *self.options, tracer=tracer)

    def record(self, watched: Path | None = None, *, data: int = 0) -> list[Call]:
        """Runs the command undisturbed. → its calls on the archive, or on another folder that is watched"""
        self.reset()
        run = record(
            self.program, watched or self.root, self.command, self.root, *self.options, log=self.log, data=data
        )
        assert run.outcome.status == 0, run.outcome
        self.whole, self.files = contents(self.root), files_of(self.root)
        for path, sidecar in check_archive(self.root).values():
            folder = path.parent.relative_to(self.root)
            stored = [each for each in sidecar.assets if each.status is Status.STORED]
            self.sources |= {f"{folder.as_posix()}/{each.path}": urlsplit(each.url or "").path for each in stored}
        return run.calls

    def calls(self) -> list[Call]:
        """The calls of an undisturbed run that every such run makes, for all that a recording can tell."""
        first, *others = (self.record() for _ in range(RECORDINGS))
        always = set.intersection(*({call.key for call in calls} for calls in others))
        return [call for call in first if call.key in always]

    def shoot(self, shot: Shot) -> Traced:
        """Runs the command from its beginning, and does to it what was aimed."""
        self.reset()
        return shoot(self.program, self.root, self.command, self.root, *self.options, log=self.log, shot=shot)

    def check_held(self) -> set[str]:
        """Holds what a disturbed run left to the rules. → the paths on the CDN of what is held, and not asked for again

        Of a sync that is what the sidecars promise, of a repair also what is mended and named by no sidecar yet.
        """
        if not (self.root / MARKER).exists():
            assert not self.root.exists() or not files_of(self.root)
            return set()
        self._check_catalogue()
        return self._check_mended() if self.command == "repair" else self._check_synced()

    def _check_synced(self) -> set[str]:
        promised = set()
        for name, data in files_of(self.root).items():
            if ".partial" not in name and name != "README.txt":
                assert name in self.files, name
                assert name.endswith(".json") or data == self.files[name], name
        for path, sidecar in sidecars(self.root).values():
            assert sidecar.complete == is_complete(sidecar.assets)
            for each in sidecar.assets:
                if each.status is Status.STORED:
                    data = path.with_name(each.path or "").read_bytes()
                    assert (each.bytes, each.sha256) == (len(data), sha256(data).hexdigest())
                    promised.add(urlsplit(each.url or "").path)
        return promised

    def _check_mended(self) -> set[str]:
        """Under each name lies the good file, or what was found there; what was found is kept once it is replaced."""
        assert self.base is not None
        found, held = files_of(self.base), files_of(self.root)
        kept = {path.read_bytes() for path in (self.root / QUARANTINE).rglob("*") if path.is_file()}
        for name, good in self.files.items():
            assert held.get(name) in (good, found.get(name)), name
            if name in found and held.get(name) != found[name]:
                assert found[name] in kept, name
        return {source for name, source in self.sources.items() if held.get(name) == self.files[name]}

    def _check_catalogue(self) -> None:
        """On a copy, for a look alone may play a rollback back."""
        copy = self.log.with_name("copy.sqlite3")
        for ending in ("", "-journal"):
            lying = self.root / f"{CATALOGUE}{ending}"
            copy.with_name(copy.name + ending).unlink(missing_ok=True)
            if lying.exists():
                shutil.copy(lying, copy.with_name(copy.name + ending))
        if not copy.exists():
            return
        with closing(sqlite3.connect(copy)) as catalogue:
            assert catalogue.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            places = catalogue.execute("SELECT folder, stem FROM videos WHERE sidecar_bytes IS NOT NULL").fetchall()
            files = catalogue.execute(
                "SELECT folder, path, bytes FROM assets JOIN videos ON video_id = id WHERE status = 'stored'"
            ).fetchall()
        if self.command == "sync":  # where a repair begins, files are lost of which the catalogue knows
            assert all((self.root / folder / f"{stem}.json").exists() for folder, stem in places)
            assert all((self.root / folder / name).stat().st_size == size for folder, name, size in files)

    def check_next(self, promised: set[str]) -> None:
        """The next run needs no help, asks for nothing that was promised, and goes on with a large file if it can."""
        marked = [path for path in self.root.rglob("*.partial.json") if path.with_suffix("").exists()]
        self.simulator.forget()
        outcome = self.run()
        assert outcome.status == 0, outcome
        requests = self.simulator.requests(origin="cdn")
        assert not {request.path for request in requests} & promised
        assert len(marked) == sum("range" in request.headers for request in requests)
        self.check_whole()

    def check_whole(self) -> None:
        """The archive is as after an undisturbed run, no file lies in the way, and `verify` finds nothing to say."""
        found = contents(self.root)
        other = {name for name in found | self.whole if found.get(name, MISSING) != self.whole.get(name, MISSING)}
        if self.command == "repair":  # which may have nothing to write to the catalogue, where SQLite would clear up
            other.discard(f"{CATALOGUE}-journal")
        assert not other, other
        verification = asyncio.run(verify_archive(self.root))
        assert (verification.exit_status, verification.notes) == (0, ()), verification


def contents(root: Path) -> Contents:
    """What an archive holds, by path, without what the time of a run alone decides.

    Of the files of the hidden folder only that they are there, but for the marker and for what lies in quarantine.
    """
    found: Contents = dict(files_of(root))
    for name, data in found.items():
        if name.endswith(".json"):
            found[name] = _timeless(json.loads(data))
        elif name == "README.txt":
            found[name] = re.sub(rb"on \d{4}-\d\d-\d\d \d\d:\d\d UTC", b"", data)
    for path in (root / HIDDEN).rglob("*"):
        name = path.relative_to(root).as_posix()
        if path.is_file():
            kept = _QUARANTINED.sub(rf"{RUN}\1", name)
            found[kept] = path.read_bytes() if kept.startswith(RUN) else None
    marker = json.loads((root / MARKER).read_bytes())
    found[str(MARKER)] = {name for name, value in marker.items() if value is not None}
    return found


def _timeless(document: Any) -> Any:
    if isinstance(document, dict):
        times = ("archived_at", "stored_at")
        return {name: _timeless(value) for name, value in document.items() if name not in times}
    return [_timeless(each) for each in document] if isinstance(document, list) else document


class Stages:
    """Makes stages for one test."""

    def __init__(self, account: Account, folder: Path) -> None:
        self._account = account
        self._folder = folder

    @contextmanager
    def make(self, name: str) -> Iterator[Stage]:
        """A stage of the table below."""
        prepare = STAGES[name]
        size = LARGE if prepare is _large else 0
        simulator, program = self._account(
            World(count=1 if size else 2, video_bytes=size), program={"settings": SETTINGS}
        )
        root = self._folder / "archive"
        with warm(program, self._folder / "warm", disk_threads=1) as running:
            stage = Stage(simulator, running, root, "sync", None, self._folder / "log")
            prepare(stage)
            if root.exists():
                stage.base = self._folder / "base"
                root.rename(stage.base)
            yield stage


def _upload(world: World, ending: str) -> str:
    """The URL of a picture that somebody uploaded."""
    return world.link(next(path for path, _ in world.files() if path.startswith("/uploads/") and path.endswith(ending)))


def _fresh(stage: Stage) -> None:
    """No archive yet; a video from an uploaded first frame, and one that it extends."""
    world = stage.simulator.world
    world.change(0, firstFrameImageUrl=_upload(world, ".jpg"), extendVideoUrl=world.item(1)["url"])


def _without_key(stage: Stage) -> None:
    """An archive that no key opened yet: the marker is written once, with the key's fingerprint."""
    _fresh(stage)
    outcome = stage.program.run("sync", stage.root, PICTORY_API_KEY=OTHER_KEY)
    assert outcome.status == 4, outcome


def _more(stage: Stage) -> None:
    """A whole archive, and one more video, from a picture that the archive has a copy of, and one that it has not."""
    _fresh(stage)
    assert stage.program.run("sync", stage.root).status == 0
    world = stage.simulator.world
    world.add()
    world.change(-1, firstFrameImageUrl=_upload(world, ".jpg"), referenceImageUrls=[_upload(world, ".png")])


def _large(stage: Stage) -> None:
    """No archive yet, and a large file."""


def _damaged(stage: Stage) -> None:
    """A bit has flipped in a video; of the other one the thumbnail is lost, and the sidecar cut short."""
    _fresh(stage)
    assert stage.program.run("sync", stage.root).status == 0
    world = stage.simulator.world
    flip(file_of(stage.root, world, 0, "mp4"))
    file_of(stage.root, world, 1, "thumbnail.jpg").unlink()
    cut(file_of(stage.root, world, 1, "json"), 50)
    stage.command = "repair"


STAGES: dict[str, Callable[[Stage], None]] = {
    "a first sync": _fresh,
    "a first key": _without_key,
    "one video more": _more,
    "a large file": _large,
    "a repair": _damaged,
}
