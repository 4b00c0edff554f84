"""Fixtures for tests of whole runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from pictory_archiver.simulator import Simulator, SimulatorThread, World

from .support import Program

Account = Callable[..., tuple[Simulator, Program]]


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
