"""The command line without the half second that Python takes to start: a process that has loaded the program forks for
each run. A run is a process of its own all the same, from `main` to its end, and strace may be put on it before.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .support import TIMEOUT, Outcome, Program, required

SERVER = """
import ctypes, gc, importlib, json, os, pkgutil, sys
import pictory_archiver, truststore
from filelock import lock_descriptor
from pictory_archiver.__main__ import main

for module in pkgutil.iter_modules(pictory_archiver.__path__, "pictory_archiver."):
    importlib.import_module(module.name)
pictory_archiver.store.THREADS = int(sys.argv[1])
gc.freeze()
ALLOW_TRACING, ANYBODY = 0x59616d61, ctypes.c_ulong(-1)

while line := sys.stdin.readline():
    arguments, environment, stdout, stderr = json.loads(line)
    child = os.fork()
    if child == 0:
        ctypes.CDLL(None).prctl(ALLOW_TRACING, ANYBODY, 0, 0, 0)
        print(os.getpid(), flush=True)
        os.read(0, 3)
        for number, name, flags in ((0, os.devnull, os.O_RDONLY), (1, stdout, os.O_WRONLY), (2, stderr, os.O_WRONLY)):
            os.dup2(os.open(name, flags), number)
        os.environ.clear()
        os.environ.update(environment)
        sys.argv = ["pictory-archiver", *arguments]
        main()
    _, status = os.waitpid(child, 0)
    print(os.waitstatus_to_exitcode(status), flush=True)
"""


class Warm:
    """A program that is loaded already."""

    def __init__(self, program: Program, server: subprocess.Popen[str], home: Path) -> None:
        self._program = program
        self._server = server
        self._stdout, self._stderr = home / "stdout", home / "stderr"

    def run(self, *arguments: str | Path, tracer: Sequence[str] = (), **environment: str) -> Outcome:
        """Runs a command to its end; `tracer`: a command of strace that lacks the process to be put on."""
        files = [self._stdout, self._stderr]
        for file in files:
            file.write_bytes(b"")
        words = [*map(str, arguments)], self._program.environment() | environment, *map(str, files)
        process = int(self._ask(json.dumps(words)))
        if tracer:
            with subprocess.Popen([*tracer, "-p", str(process)], stderr=subprocess.PIPE) as strace:
                _wait_for_tracer(process, strace)
                status = int(self._ask("go"))
        else:
            status = int(self._ask("go"))
        stdout, stderr = (file.read_text(encoding="utf-8") for file in files)
        return self._program.checked(Outcome(status, stdout, stderr))

    def _ask(self, line: str) -> str:
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(f"{line}\n")
        self._server.stdin.flush()
        return self._server.stdout.readline()


@contextmanager
def warm(program: Program, home: Path, *, disk_threads: int) -> Iterator[Warm]:
    """The program, loaded, with so many threads for files."""
    required(sys.platform == "linux", "Linux, to put a tracer on a process")
    home.mkdir()
    more: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    command = [sys.executable, "-W", "default", "-c", SERVER, str(disk_threads)]
    with subprocess.Popen(command, env=program.environment(), **more) as server:
        yield Warm(program, server, home)


def _wait_for_tracer(process: int, strace: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + TIMEOUT
    while "\nTracerPid:\t0\n" in Path(f"/proc/{process}/status").read_text(encoding="ascii"):
        assert strace.poll() is None, strace.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.002)
