"""Runs of the command line without the half second that Python takes to start: a process that has loaded the program
forks for each of them. A run is a process of its own all the same, from `main` to its end, with its own environment,
folder, streams and exit status. Where the start itself matters, a run is started cold.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

SERVER = """
import gc, importlib, json, os, pkgutil, sys
import pictory_archiver, truststore
from pictory_archiver.__main__ import main

for module in pkgutil.iter_modules(pictory_archiver.__path__, "pictory_archiver."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
gc.collect()
gc.freeze()

while line := sys.stdin.readline():
    arguments, environment, folder, stdout, stderr = json.loads(line)
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        for number, name, flags in ((0, os.devnull, os.O_RDONLY), (1, stdout, os.O_WRONLY), (2, stderr, os.O_WRONLY)):
            os.dup2(os.open(name, flags), number)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        sys.argv = [sys.argv[1], *arguments]
        main()
        os._exit(0)
    print(child, flush=True)
    _, status = os.waitpid(child, 0)
    print(os.waitstatus_to_exitcode(status), flush=True)
"""
PLAIN = frozenset({"PATH", "HOME"})
OURS = "PICTORY_"


def may_be_warm(environment: Mapping[str, str], prefix: Sequence[str], more: Mapping[str, object]) -> bool:
    """Whether a run is like any other: no library is preloaded, no variable changes Python, nothing else is asked."""
    return (
        sys.platform == "linux"
        and not prefix
        and not more.keys() - {"cwd"}
        and all(name in PLAIN or name.startswith(OURS) for name in environment)
    )


class Zygote:
    """The process that forks, and the files that its children write to."""

    def __init__(self) -> None:
        self._home = tempfile.TemporaryDirectory(prefix="zygote-")
        self._streams = [Path(self._home.name, name) for name in ("stdout", "stderr")]
        program = str(Path(__file__).parents[1] / "pictory_archiver" / "__main__.py")
        bare = {"PATH": os.environ["PATH"], "HOME": self._home.name}
        command = [sys.executable, "-W", "default", "-c", SERVER, program]
        self._server = subprocess.Popen(
            command, env=bare, bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )

    def run(
        self, arguments: Sequence[str], environment: Mapping[str, str], folder: Path, timeout: float
    ) -> tuple[int, str, str]:
        """→ exit status (negative: a signal), stdout, stderr. Raises `subprocess.TimeoutExpired`."""
        for stream in self._streams:
            stream.write_bytes(b"")
        order = [*arguments], {**environment}, str(folder), *map(str, self._streams)
        assert self._server.stdin is not None
        self._server.stdin.write(json.dumps(order).encode() + b"\n")
        child = int(self._line(timeout))
        try:
            status = int(self._line(timeout))
        except TimeoutError:
            os.killpg(child, signal.SIGKILL)
            self._line(timeout)
            raise subprocess.TimeoutExpired([*arguments], timeout) from None
        stdout, stderr = (stream.read_text(encoding="utf-8", errors="strict") for stream in self._streams)
        return status, stdout, stderr

    def _line(self, timeout: float) -> bytes:
        """The next line. The pipe has no buffer on this side: a line that were in it, `select` would not see."""
        assert self._server.stdout is not None
        ready, _, _ = select.select([self._server.stdout], [], [], timeout)
        if not ready:
            raise TimeoutError
        line = self._server.stdout.readline()
        assert line, "the process that forks has ended"
        return line

    def close(self) -> None:
        """Lets it end."""
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.close()
        self._server.wait()
        self._server.stdout.close()
        self._home.cleanup()


@cache
def zygote() -> Zygote:
    """The one of this process."""
    made = Zygote()
    atexit.register(made.close)
    return made
