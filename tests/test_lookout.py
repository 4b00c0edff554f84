"""What is seen of a folder that is looked into."""

from __future__ import annotations

from pathlib import Path

import pytest

from pictory_archiver.lookout import MOST_VIDEOS_PER_STEP, VIDEOS_PER_STEP, Chunk, Lookout
from pictory_archiver.subset import EVERYTHING


def walk(root: Path, *, looked_bytes: int = 0, looked: int = 0) -> list[Chunk]:
    lookout = Lookout(root, quick=False, subset=EVERYTHING, only=None)
    lookout.reader.bytes = looked_bytes
    lookout.looked = looked
    return list(lookout.walk())


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 16, 200])
def test_each_sidecar_is_in_one_chunk_and_all_else_in_the_last(tmp_path: Path, count: int) -> None:
    sidecars = [f"{number:03}.json" for number in range(count)]
    others = ["000.mp4", "notes.txt", "x.partial.json"]
    for name in (*sidecars, *others):
        (tmp_path / name).touch()
    chunks = walk(tmp_path)
    assert [name for chunk in chunks for name in chunk.sidecars] == sidecars
    assert [chunk.is_last for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert [chunk.others for chunk in chunks] == [()] * (len(chunks) - 1) + [tuple(others)]


@pytest.mark.parametrize(
    ("looked", "looked_bytes", "together"),
    [
        (0, 0, VIDEOS_PER_STEP),
        (50, 0, MOST_VIDEOS_PER_STEP),
        (50, 50 * 10_000, MOST_VIDEOS_PER_STEP),
        (50, 50 * 2**19, 16),
        (50, 50 * 10_000_000, VIDEOS_PER_STEP),
    ],
)
def test_the_larger_the_videos_the_fewer_are_looked_at_in_a_step(
    tmp_path: Path, looked: int, looked_bytes: int, together: int
) -> None:
    for number in range(200):
        (tmp_path / f"{number:03}.json").touch()
    first, *_ = walk(tmp_path, looked=looked, looked_bytes=looked_bytes)
    assert len(first.sidecars) == together
