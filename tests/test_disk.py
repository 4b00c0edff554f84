"""Each step on the disk by itself: whole or not at all, and never through a link."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pictory_archiver import disk
from pictory_archiver.errors import StorageError


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A file that nothing may touch."""
    path = tmp_path / "outside"
    path.write_bytes(b"untouched")
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


def test_a_file_is_written_whole_or_not_at_all(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = root / "file"
    disk.write_file(path, b"first")
    for step in ("fsync", "write"):

        def fails(*_: object) -> int:
            raise OSError(errno.ENOSPC, "no space")

        with monkeypatch.context() as patch:
            patch.setattr(os, step, fails)
            with pytest.raises(StorageError, match="disk is full"):
                disk.write_file(path, b"second")
        assert path.read_bytes() == b"first"
        assert list(root.iterdir()) == [path]
    disk.write_file(path, b"")
    assert path.read_bytes() == b""


def test_short_writes_go_on_where_they_ended(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, bytes(data[:3])))
    disk.write_file(root / "file", b"0123456789")
    assert (root / "file").read_bytes() == b"0123456789"


def test_the_bytes_are_on_the_disk_before_the_name_and_the_folder_after_it(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = []
    real_fsync, real_replace = os.fsync, Path.replace

    def fsync(descriptor: int) -> None:
        done.append("fsync of the folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "fsync")
        real_fsync(descriptor)

    def replace(self: Path, target: Path) -> Path:
        done.append("rename")
        return real_replace(self, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", replace)
    disk.write_file(root / "file", b"data")
    assert done == ["fsync", "rename", *(["fsync of the folder"] if sys.platform != "win32" else [])]


@pytest.mark.parametrize(("number", "accepted"), [(errno.EINVAL, True), (errno.ENOTSUP, True), (errno.EIO, False)])
def test_a_folder_that_cannot_be_synchronised_is_accepted_and_a_failing_disk_is_not(
    root: Path, monkeypatch: pytest.MonkeyPatch, number: int, *, accepted: bool
) -> None:
    def fsync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fsync)
    if accepted:
        disk.write_file(root / "file", b"data")
    else:
        with pytest.raises(StorageError):
            disk.write_file(root / "file", b"data")


def test_no_link_is_followed(root: Path, outside: Path) -> None:
    link = root / "link"
    link.symlink_to(outside)
    assert disk.size_of(link) is None
    assert disk.open_existing(link) is None
    with pytest.raises(StorageError, match="link"):
        disk.refuse_link(link)
    with pytest.raises(StorageError, match="link"):
        disk.append_line(link, b"line\n")
    with pytest.raises(OSError, match="symbolic"):
        os.close(disk.opener(str(link), os.O_RDWR))
    os.close(disk.open_new(link))
    assert not link.is_symlink()
    link.unlink()
    link.symlink_to(outside)
    disk.write_file(link, b"new")
    assert not link.is_symlink()
    (root / "file.partial").symlink_to(outside)
    disk.write_file(root / "file", b"new")
    assert outside.read_bytes() == b"untouched"


def test_no_folder_that_is_a_link_is_entered(root: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (root / "folder").symlink_to(tmp_path / "elsewhere")
    for step in (disk.find, disk.make_folder):
        with pytest.raises(StorageError, match="link"):
            step(root, PurePosixPath("folder/deeper"))
    (root / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="not a folder"):
        disk.make_folder(root, PurePosixPath("file"))
    assert not list((tmp_path / "elsewhere").iterdir())
    assert disk.find(root, PurePosixPath("not/there/yet")) == root / "not/there/yet"
    assert disk.make_folder(root, PurePosixPath("a/b/c")).is_dir()
    assert disk.make_folder(root, PurePosixPath("a/b/c")) == root / "a/b/c"


def test_a_file_with_a_second_name_is_not_gone_on_with(root: Path, outside: Path) -> None:
    path = root / "file.partial"
    os.link(outside, path)
    assert disk.open_existing(path) is None
    os.close(disk.open_new(path))
    assert outside.read_bytes() == b"untouched"
    assert path.read_bytes() == b""
    descriptor = disk.open_existing(path)
    assert descriptor is not None
    os.close(descriptor)
    (root / "folder").mkdir()
    assert disk.open_existing(root / "folder") is None
    assert disk.size_of(root / "folder") is None


@settings(max_examples=20, deadline=None)
@given(st.lists(st.binary(max_size=20).map(lambda line: line.replace(b"\n", b"") + b"\n"), min_size=1, max_size=5))
def test_lines_are_added_whole_behind_one_that_was_cut_off(lines: list[bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal"
        for line in lines:
            disk.append_line(path, line)
        assert path.read_bytes() == b"".join(lines)
        with path.open("ab") as file:
            file.write(b'{"cut off')
        for line in lines:
            disk.append_line(path, line)
        assert path.read_bytes() == b"".join([*lines, b'{"cut off\n', *lines])


@pytest.mark.parametrize(
    "moment",
    [datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC), datetime(1960, 1, 1, tzinfo=UTC), None],
)
def test_a_time_that_the_file_system_does_not_take_is_no_error(root: Path, moment: datetime | None) -> None:
    (root / "file").write_bytes(b"")
    disk.set_time(root / "file", moment)
    disk.set_time(root / "gone", moment)


def test_free_space_is_that_of_where_the_folder_will_be(root: Path) -> None:
    assert disk.free_space(root / "not" / "there") > 0


def test_each_thing_that_a_disk_can_say_is_put_into_words() -> None:
    for number in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO, errno.ELOOP, errno.EMFILE, 0):
        with pytest.raises(StorageError) as caught, disk.storage_errors(Path("folder/file")):
            raise OSError(number, os.strerror(number))
        assert str(caught.value).startswith("folder/file: ")
        assert caught.value.hint
        assert caught.value.exit_status == 6


@pytest.mark.skipif(sys.platform == "win32", reason="named pipes are something else there")
def test_a_pipe_is_neither_waited_for_nor_read(root: Path) -> None:
    os.mkfifo(root / "pipe")
    with pytest.raises(OSError, match="no ordinary file"):
        open(root / "pipe", "rb", opener=disk.opener)  # noqa: SIM115 - it is not opened
    with pytest.raises(StorageError, match="no ordinary file"):
        disk.append_line(root / "pipe", b"line\n")


LENDER = """
import fcntl, os, signal, sys, time
descriptor = os.open(sys.argv[1], os.O_RDWR)
def give_back(*_):
    fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    print("given back", flush=True)
signal.signal(signal.SIGIO, give_back)
fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_WRLCK)
print("lent", flush=True)
while True:
    time.sleep(0.1)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="leases of Linux")
def test_a_file_that_a_file_server_has_lent_is_waited_for(root: Path) -> None:
    """Samba and the NFS server take a lease for a client, and give it back when another wants the file."""
    path = root / "lent"
    path.write_bytes(b"whole")
    words = [sys.executable, "-c", LENDER, str(path)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as lender:
        assert lender.stdout is not None
        try:
            assert lender.stdout.readline() == "lent\n"
            with open(path, "rb", opener=disk.opener) as file:
                assert file.read() == b"whole"
            assert lender.stdout.readline() == "given back\n"
        finally:
            lender.kill()
