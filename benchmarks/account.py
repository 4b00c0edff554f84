"""The API of a simulated account whose files another server has.

    python -m benchmarks.account VIDEOS ORIGIN

Prints what a command needs to use it, as `pictory-archiver simulate` does, and serves until it is stopped.
"""

from __future__ import annotations

import asyncio
import sys

from pictory_archiver.simulator import Simulator, World, run


def tell(simulator: Simulator) -> None:
    """Prints the environment."""
    print(f"export PICTORY_API_BASE_URL={simulator.api_url}")
    print(f"export PICTORY_API_KEY={simulator.key}")
    print(f'export PICTORY_ARCHIVER_ALLOW_ORIGINS="{simulator.origins[0]} {simulator.world.cdn_base}"', flush=True)


if __name__ == "__main__":
    videos, origin = sys.argv[1:]
    asyncio.run(run(Simulator(World(count=int(videos)), cdn_base=origin, log_limit=0), tell))
