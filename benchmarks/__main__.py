"""Measures everything, and prints tables: `docs/performance.md` explains them.

    python -m benchmarks [PART…] [--tiny] [--folder FOLDER]

Fails where a run takes more memory than is promised, whatever it was over.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from msgspec import Struct

from .checking import checking
from .copying import SETS, copying
from .library import building, looking
from .machine import machine
from .measure import MOST_MEMORY, highest_peak
from .origin import FileSet
from .paging import planning, reindexing
from .scale import scale

KB, MB = 1000, 1_000_000

Part = Callable[["Sizes", Path], Iterator[str]]


class Sizes(Struct, frozen=True):
    """How much is measured, and how often. `checked` are numbers of videos, and bytes of each."""

    copied: tuple[FileSet, ...] = SETS
    copy_rounds: int = 5
    planned: int = 1_000_000
    reindexed: int = 200_000
    scaled: int = 1_000_000
    checked: tuple[tuple[int, int], ...] = ((60, 8 * MB), (12_000, 200 * KB))
    check_rounds: int = 7
    shown: int = 50_000
    look_rounds: int = 7


TINY = Sizes(
    copied=tuple(FileSet(each.name, 2, dict.fromkeys(each.sizes, 40 * KB), each.delay) for each in SETS),
    copy_rounds=1,
    planned=300,
    reindexed=200,
    scaled=200,
    checked=((3, 100 * KB),),
    check_rounds=1,
    shown=40,
    look_rounds=1,
)


def copies(sizes: Sizes, folder: Path) -> Iterator[str]:
    """`sync` against other programs."""
    for number, files in enumerate(sizes.copied):
        yield from ([""] if number else [])
        yield from copying(files, sizes.copy_rounds, folder)


def listings(sizes: Sizes, folder: Path) -> Iterator[str]:
    """Very many videos."""
    yield from planning(sizes.planned, folder)
    yield ""
    yield from reindexing(sizes.reindexed, folder)
    yield ""
    yield from scale(sizes.scaled, folder, folder / "many")


def checks(sizes: Sizes, folder: Path) -> Iterator[str]:
    """`verify` against `sha256sum`."""
    for number, (videos, size) in enumerate(sizes.checked):
        yield from ([""] if number else [])
        yield from checking(videos, size, sizes.check_rounds, folder / str(number))


def libraries(sizes: Sizes, folder: Path) -> Iterator[str]:
    """The offline library."""
    yield from building(sizes.shown, folder)
    yield from looking(folder / "film", sizes.look_rounds)


PARTS: dict[str, Part] = {"copies": copies, "listings": listings, "checks": checks, "library": libraries}


def main() -> int:
    """Prints the tables. → the exit status"""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure time and memory.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}: all of them, unless named")
    parser.add_argument("--tiny", action="store_true", help="so little that it shows only that everything works")
    parser.add_argument("--folder", type=Path, help="where everything is written")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    with tempfile.TemporaryDirectory(dir=options.folder) as scratch:
        for line in machine(Path(scratch)):
            print(line)
        for name, part in PARTS.items():
            if not options.parts or name in options.parts:
                print(flush=True)
                folder = Path(scratch, name)
                folder.mkdir()
                for line in part(TINY if options.tiny else Sizes(), folder):
                    print(line, flush=True)
    peak = highest_peak()
    print(f"\nThe highest peak of ours is {peak / MB:.0f} MB; {MOST_MEMORY / MB:.0f} MB are promised.")
    return int(peak > MOST_MEMORY)


if __name__ == "__main__":
    sys.exit(main())
