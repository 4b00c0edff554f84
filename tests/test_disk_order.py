"""In which order bytes and names reach the disk, so that after a power cut nothing is promised that is lost.

A kill cannot show this, for what a process wrote outlives it in the memory of the system. The trace of a run can.
"""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path

import pytest

from pictory_archiver.archive import CATALOGUE
from pictory_archiver.quarantine import QUARANTINE

from .conftest import Account
from .stages import STAGES, Stage, Stages
from .tracing import SYNCS, Call

WRITES = frozenset({"write", "writev", "pwrite64", "pwritev", "ftruncate", "ioctl", "copy_file_range", "sendfile"})
NAMED = re.compile(r'\\"path\\": \\"([^"\\]+)\\"')
ENOUGH_OF_THE_BYTES = 16_384
"""A whole sidecar, a whole page of the catalogue."""


class Trace:
    """What a run did, as questions about its order. A path is relative to the folder that the archive is in."""

    def __init__(self, calls: list[Call]) -> None:
        self.calls = [call for call in calls if call.happened]

    def of(self, *names: str) -> list[Call]:
        return [call for call in self.calls if call.name in names]

    def written_to(self, path: str, before: Call) -> list[Call]:
        return [call for call in self.of(*WRITES) if call.paths[0] == path and call.began < before.began]

    def durable(self, path: str, after: int) -> int:
        """The moment by which all that was done to this file or folder until `after` is on the disk."""
        moments = [call.ended for call in self.of(*SYNCS) if call.paths[0] == path and call.began > after]
        assert moments, f"{path} is never made durable after line {after}"
        return min(moments)

    def in_place(self, rename: Call) -> int:
        """The moment by which a file's new name is on the disk."""
        return self.durable(above(rename.paths[1]), rename.ended)


def above(path: str) -> str:
    return Path(path).parent.as_posix()


@pytest.mark.parametrize("name", STAGES)
def test_what_is_promised_is_on_the_disk_before_the_promise(account: Account, tmp_path: Path, name: str) -> None:
    with Stages(account, tmp_path).make(name) as stage:
        trace = Trace(stage.record(stage.root.parent, data=ENOUGH_OF_THE_BYTES))
        renames = trace.of("rename", "renameat", "renameat2")
        assert renames
        for rename in renames:
            check_rename(trace, rename)
        for folder in trace.of("mkdir", "mkdirat"):
            check_folder(trace, folder, renames)
        for link in trace.of("link", "linkat"):
            check_kept(trace, link, renames)
        check_sidecars(stage, trace, renames)


def check_rename(trace: Trace, rename: Call) -> None:
    """A file's bytes are on the disk before it gets its name, and the name is made durable."""
    source, _ = rename.paths
    writes = trace.written_to(source, rename)
    assert writes, source
    assert trace.durable(source, writes[-1].ended) < rename.began
    assert trace.in_place(rename)


def check_folder(trace: Trace, made: Call, renames: list[Call]) -> None:
    """A folder's name is made durable before a file gets a name in it."""
    (folder,) = made.paths
    inside = [rename.began for rename in renames if rename.paths[1].startswith(f"{folder}/")]
    assert trace.durable(above(folder), made.ended) < min(inside, default=10**9)


def check_kept(trace: Trace, link: Call, renames: list[Call]) -> None:
    """What is replaced is durably in quarantine before another file takes its name."""
    former, kept = link.paths
    assert str(QUARANTINE) in kept
    (replaced,) = [rename for rename in renames if rename.paths[1] == former]
    assert trace.durable(above(kept), link.ended) < replaced.began


def check_sidecars(stage: Stage, trace: Trace, renames: list[Call]) -> None:
    """A sidecar comes after all files that it names, and the catalogue after the sidecar."""
    named_at = {rename.paths[1]: rename for rename in renames}
    checked = 0
    for rename in renames:
        source, sidecar = rename.paths
        if not sidecar.endswith(".json") or ".pictory-archiver" in sidecar or sidecar.endswith(".partial.json"):
            continue
        writing = [call for call in trace.written_to(source, rename) if call.name == "write"][-1]
        names = [f"{above(sidecar)}/{name}" for name in NAMED.findall(writing.text)]
        assert names
        new = [named_at[name] for name in names if name in named_at]
        assert all(trace.in_place(each) < rename.began for each in new), sidecar
        digest = sha256((stage.root.parent / sidecar).read_bytes()).hexdigest()
        video_id = Path(sidecar).name.partition(".")[0].rpartition("_")[2]
        written = [call for call in trace.of("pwrite64") if call.paths[0].endswith(str(CATALOGUE))]
        # Where a lost sidecar is written as it was, the page with its digest is not: then those that tell of its files.
        pages = [call for call in written if digest in call.text] or [call for call in written if video_id in call.text]
        if renames.index(rename) == max(renames.index(each) for each in renames if each.paths[1] == sidecar):
            assert trace.in_place(rename) < min((page.began for page in pages), default=10**9), sidecar
            checked += bool(pages)
    assert checked
