"""What the tests of whole runs share: the real command line in a process of its own, and a look at the archive.

Nothing is mocked: the program talks real HTTP to the simulator on loopback, and writes real files.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pictory_archiver.archive import Archive
from pictory_archiver.models import OUTPUTS, Kind, Status
from pictory_archiver.sidecar import Sidecar, schema
from pictory_archiver.simulator import DEFAULT_KEY, Simulator

from .zygote import may_be_warm, zygote

FAST: dict[str, Any] = {
    "api": {"pause_seconds": 0},
    "retry": {"min_wait_seconds": 0.01, "max_wait_seconds": 0.05},
}
"""Settings that keep every rule and shorten the waits."""

TIMEOUT = 120
UNCLEAN = ("Traceback (most recent call last)", "never retrieved", "never awaited", "Unclosed", "ResourceWarning")


def required(have: object, what: str) -> None:
    """Skips, by name, a test that this computer cannot make; not in CI, where it must be able to."""
    if not have:
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI must be able to: {what}")
        pytest.skip(f"needs {what}")


@dataclass
class Outcome:
    """How a command ended."""

    status: int
    stdout: str
    stderr: str

    @property
    def verdict(self) -> str:
        """The last line of the summary."""
        return self.stdout.strip().splitlines()[-1]

    @property
    def report(self) -> dict[str, Any]:
        """What `--json` printed."""
        found = json.loads(self.stdout)
        assert isinstance(found, dict)
        return found


@dataclass
class Program:
    """The command line, against one simulated account. Every run is checked for cleanness."""

    home: Path
    api_url: str
    origins: tuple[str, ...]
    key: str | None = DEFAULT_KEY
    settings: dict[str, Any] = field(default_factory=lambda: dict(FAST))
    env: dict[str, str] = field(default_factory=dict)
    prefix: tuple[str, ...] = ()

    @classmethod
    def of(cls, simulator: Simulator, home: Path, **more: Any) -> Program:
        """The program as the owner of this simulator's account would run it."""
        return cls(home, simulator.api_url, simulator.origins, key=simulator.key, **more)

    def environment(self) -> dict[str, str]:
        """A bare environment: nothing of this machine but the path."""
        self.home.mkdir(parents=True, exist_ok=True)
        config = self.home / "config.yaml"
        config.write_text(json.dumps(self.settings))
        secret = {"PICTORY_API_KEY": self.key} if self.key is not None else {}
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "PICTORY_API_BASE_URL": self.api_url,
            "PICTORY_ARCHIVER_ALLOW_ORIGINS": " ".join(self.origins),
            "PICTORY_ARCHIVER_CONFIG": str(config),
            **secret,
            **self.env,
        }

    def command(self, *arguments: str | Path) -> list[str]:
        """The command line as the operating system gets it. Python tells of what was leaked."""
        return [*self.prefix, sys.executable, "-W", "default", "-m", "pictory_archiver", *map(str, arguments)]

    def run(self, *arguments: str | Path, **more: Any) -> Outcome:
        """Runs a command to its end."""
        environment = self.environment()
        if may_be_warm(environment, self.prefix, more):
            words = [str(each) for each in arguments]
            return self.checked(Outcome(*zygote().run(words, environment, more.get("cwd") or Path.cwd(), TIMEOUT)))
        finished = subprocess.run(
            self.command(*arguments),
            env=environment,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=TIMEOUT,
            stdin=subprocess.DEVNULL,
            check=False,
            **more,
        )
        return self.checked(Outcome(finished.returncode, finished.stdout, finished.stderr))

    def start(self, *arguments: str | Path) -> subprocess.Popen[str]:
        """Starts a command that the test will end."""
        return subprocess.Popen(
            self.command(*arguments),
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            stdin=subprocess.DEVNULL,
        )

    def checked(self, outcome: Outcome) -> Outcome:
        """The outcome, once it is seen to be clean."""
        said = outcome.stdout + outcome.stderr
        for word in UNCLEAN:
            assert word not in said, said
        assert outcome.status not in (1, -signal.SIGSEGV), said
        if self.key:
            assert self.key not in said
        return outcome


def files_of(root: Path) -> dict[str, bytes]:
    """Every file of an archive outside its hidden folder and its library, by relative path."""
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in _own_files(root)}


def snapshot(root: Path) -> dict[str, tuple[int, int]]:
    """Size and modification time (ns) of each of these files: what a quiet run leaves as it is."""
    return {
        path.relative_to(root).as_posix(): (path.stat().st_size, path.stat().st_mtime_ns) for path in _own_files(root)
    }


def _own_files(root: Path) -> list[Path]:
    """The library tells as of when the archive is complete: every run writes that anew."""
    return [
        path
        for path in sorted(root.rglob("*"))
        if path.is_file()
        and ".pictory-archiver" not in path.parts
        and path.relative_to(root).parts[0] not in ("index.html", "library")
    ]


def sidecars(root: Path) -> dict[str, tuple[Path, Sidecar]]:
    """Every sidecar by id, each with its path. A broken one fails the test."""
    found: dict[str, tuple[Path, Sidecar]] = {}
    for path, sidecar in Archive.open(root).sidecars():
        assert isinstance(sidecar, Sidecar), f"{path}: {sidecar}"
        assert sidecar.id not in found
        found[sidecar.id] = (root / path, sidecar)
    return found


def asset(sidecar: Sidecar, kind: str, index: int | None = None) -> Any:
    """One asset of a sidecar."""
    return next(each for each in sidecar.assets if each.kind == kind and each.index == index)


def check_archive(
    root: Path, *, key: str = DEFAULT_KEY, partials: bool = False, leftover: Collection[str] = ()
) -> dict[str, tuple[Path, Sidecar]]:
    """Holds an archive to its format: every promise of every sidecar, no stray file, the key nowhere. → sidecars

    `leftover`: names of files that may lie there without a sidecar that names them.
    """
    import jsonschema

    validator = jsonschema.Draft202012Validator(schema())
    found = sidecars(root)
    named = {"README.txt"}
    for path, sidecar in found.values():
        validator.validate(json.loads(path.read_bytes()))
        named.add(path.relative_to(root).as_posix())
        states = {each.kind: each.status for each in sidecar.assets if each.kind in OUTPUTS}
        assert set(states) == set(OUTPUTS)
        whole = all(status in (Status.STORED, Status.SKIPPED) for status in states.values())
        assert sidecar.complete == whole, sidecar.id
        for each in sidecar.assets:
            if each.status is Status.STORED:
                media = path.parent / (each.path or "")
                data = media.read_bytes()
                assert (len(data), hashlib.sha256(data).hexdigest()) == (each.bytes, each.sha256), media
                named.add(media.relative_to(root).as_posix())
            elif each.status is Status.LINKED:
                assert each.video_id in found
                assert isinstance(each.asset, Kind)
    stray = {name for name in files_of(root) if name not in named | {*leftover}}
    stray -= {name for name in stray if partials and ".partial" in name}
    assert not stray, stray
    for path in root.rglob("*"):
        if path.is_file():
            assert key.encode() not in path.read_bytes(), path
    return found


def check_against_world(root: Path, simulator: Simulator, videos: Iterator[int] | range | None = None) -> None:
    """Every output of these videos (all listed ones) is in the archive, byte for byte as the CDN has it."""
    found = check_archive(root)
    world = simulator.world
    for index in videos if videos is not None else world.indexes():
        path, sidecar = found[world.id(index)]
        assert sidecar.complete, sidecar
        for kind in OUTPUTS:
            place = world.find(world.path(index, str(kind)))
            assert place is not None
            file = world.file(place)
            assert file is not None
            assert path.with_name(asset(sidecar, kind).path).read_bytes() == file.body.read()
