"""Fixtures for tests of whole runs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from pictory_archiver.simulator import Simulator, SimulatorThread, World

from .browser import chromium, filmed, look  # noqa: F401 # fixtures
from .support import Program, required

hypothesis.settings.register_profile("tests", deadline=None)  # how fast it was is no test
hypothesis.settings.load_profile("tests")

Account = Callable[..., tuple[Simulator, Program]]
Mount = Callable[..., Path]
RecordFigures = Callable[..., None]
FIGURES = "figures"


@pytest.fixture
def account(tmp_path: Path) -> Iterator[Account]:
    """Makes a simulated account and the program of its owner: `sim, program = account(World(count=5), faults)`."""
    with ExitStack() as stack:

        def make(world: World, faults: Any = (), *, program: dict[str, Any] | None = None, **more: Any) -> Any:
            simulator = stack.enter_context(SimulatorThread(Simulator(world, faults, **more)))
            return simulator, Program.of(simulator, tmp_path / "home", **(program or {}))

        yield make


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A folder for an archive that is not there yet."""
    return tmp_path / "archive"


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Mount]:
    """Mounts a file system in memory with these options, or mounts it again with others."""
    folder = tmp_path / "disk"

    def make(options: str, *, again: bool = False) -> Path:
        required(sys.platform == "linux" and os.geteuid() == 0, "root on Linux, to mount a small file system")
        folder.mkdir(exist_ok=True)
        how = ["-o", f"remount,{options}" if again else options]
        done = subprocess.run(["mount", "-t", "tmpfs", *how, "tmpfs", folder], capture_output=True, check=False)
        required(done.returncode == 0, "the permission to mount")
        return folder

    yield make
    if folder.is_mount():
        subprocess.run(["umount", folder], check=True)


@pytest.fixture
def record_figures(record_property: Callable[[str, object], None]) -> RecordFigures:
    """Notes what a test counted: `record_figures("about what", things=3)`; sums are printed at the end of all tests."""

    def record(about: str, **figures: int) -> None:
        record_property(FIGURES, [about, figures])

    return record


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Prints the figures of the tests that passed, summed up."""
    sums: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for report in terminalreporter.stats.get("passed", []):
        for name, value in report.user_properties if report.when == "call" else []:
            if name == FIGURES:
                sums[value[0]].update(value[1])
    for about, figures in sorted(sums.items()):
        counted = ", ".join(f"{number} {what}" for what, number in sorted(figures.items()))
        terminalreporter.write_line(f"{about}: {counted}")
