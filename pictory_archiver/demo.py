"""The simulator, put to use: the demonstration, and a simulated account for developers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from .errors import ConfigError
from .events import Observer
from .key import Key
from .report import Report
from .settings import Api, Settings
from .simulator import Simulator, World, load_faults, run
from .sync import sync_archive

LOG_LIMIT = 1000


async def run_demo(directory: Path, videos: int, observer: Observer) -> Report:
    """Archives a simulated account. Raises what `sync_archive` raises."""
    async with Simulator(World(count=videos), log_limit=LOG_LIMIT) as simulator:
        settings = Settings(api=Api(base_url=simulator.api_url))
        key = Key(simulator.key, source="the simulator")
        allowed = frozenset(simulator.origins)
        return await sync_archive(directory, settings, key, allowed_origins=allowed, observer=observer)


async def run_simulator(
    *,
    videos: int,
    seed: int,
    ports: tuple[int, int],
    url_lifetime: float | None,
    latency: float,
    faults: bytes,
    tell: Callable[[str], None],
) -> None:
    """Serves a simulated account until it is cancelled. Raises `ConfigError` for a bad script or a port in use."""
    try:
        script = load_faults(faults)
    except msgspec.DecodeError as error:
        raise ConfigError(f"the script of faults: {error}", hint="docs/simulator.md describes it") from None
    world = World(seed=seed, count=videos, signed=url_lifetime is not None, url_lifetime=url_lifetime or 0.0)

    def ready(simulator: Simulator) -> None:
        tell(f"export PICTORY_API_BASE_URL={simulator.api_url}")
        tell(f"export PICTORY_API_KEY={simulator.key}")
        tell(f'export PICTORY_ARCHIVER_ALLOW_ORIGINS="{" ".join(simulator.origins)}"')

    simulator = Simulator(world, script, api_port=ports[0], cdn_port=ports[1], latency=latency, log_limit=LOG_LIMIT)
    try:
        await run(simulator, ready)
    except OSError as error:
        raise ConfigError(f"the simulator cannot listen: {error.strerror}", hint="name another port") from None
