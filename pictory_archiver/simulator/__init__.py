"""A Pictory account that misbehaves on demand: a seeded world, and an API and a CDN that serve it on loopback.

    world = World(seed=7, count=250)
    broken = Fault(Match(kind="video", video=3), Cut(at=1000), times=None)
    async with Simulator(world, [broken]) as simulator:
        ...  # requests to simulator.api_url, with simulator.key
        assert simulator.requests(kind="video", video=3)

Imports nothing of the program that it tests.
"""

from .action import Action
from .answers import (
    CloudflareBlock,
    EndlessJson,
    EndlessPages,
    Html,
    Items,
    RawBody,
    Redirect,
    RepeatToken,
    Status,
    TruncatedJson,
)
from .bodies import Body, File
from .disk import write_files
from .faults import Fault, Faults, Match, dump_faults, load_faults
from .server import DEFAULT_KEY, Simulator, run
from .threaded import SimulatorThread
from .transfers import (
    BadContentRange,
    Cut,
    CutChunked,
    Delay,
    Drip,
    Empty,
    Endless,
    GzipBomb,
    HeaderBomb,
    IgnoreRange,
    Informational,
    NoLength,
    Reset,
    Stall,
    Swap,
    Truncate,
    Unasked206,
    WrongEtagOnRange,
    WrongLength,
)
from .videos import Place
from .wire import Request
from .world import REMOVED, World

__all__ = [
    "DEFAULT_KEY",
    "REMOVED",
    "Action",
    "BadContentRange",
    "Body",
    "CloudflareBlock",
    "Cut",
    "CutChunked",
    "Delay",
    "Drip",
    "Empty",
    "Endless",
    "EndlessJson",
    "EndlessPages",
    "Fault",
    "Faults",
    "File",
    "GzipBomb",
    "HeaderBomb",
    "Html",
    "IgnoreRange",
    "Informational",
    "Items",
    "Match",
    "NoLength",
    "Place",
    "RawBody",
    "Redirect",
    "RepeatToken",
    "Request",
    "Reset",
    "Simulator",
    "SimulatorThread",
    "Stall",
    "Status",
    "Swap",
    "Truncate",
    "TruncatedJson",
    "Unasked206",
    "World",
    "WrongEtagOnRange",
    "WrongLength",
    "dump_faults",
    "load_faults",
    "run",
    "write_files",
]
