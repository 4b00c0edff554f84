"""A terminal for tests: a command on a pseudo-terminal of its own, typed to and read from, and the screen it draws."""

from __future__ import annotations

import codecs
import os
import re
import select
import subprocess
import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self

TAKE_THE_TERMINAL = """
import os, sys
os.close(os.open(os.ttyname(0), os.O_RDWR))  # a session's first terminal becomes its controlling one
os.execv(sys.argv[1], sys.argv[1:])
"""
TIMEOUT = 60


class Terminal:
    """Runs a command as a person's terminal does, while its `with` block runs. `output` is all that it wrote."""

    def __init__(self, command: list[str], env: Mapping[str, str], *, columns: int = 100, rows: int = 30) -> None:
        import fcntl
        import pty
        import struct
        import termios

        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self._process = subprocess.Popen(
            [sys.executable, "-c", TAKE_THE_TERMINAL, *command],
            env={**env, "TERM": "xterm"},
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)
        self._columns = columns
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._seen = 0
        self.output = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._master)

    def type(self, text: str) -> None:
        """What a person types, without the return key."""
        os.write(self._master, text.encode())

    def answer(self, question: str, text: str) -> None:
        """Waits for a question, and answers it. What was written before is not looked at again."""
        self.wait_for(question)
        self._seen = len(self.output)
        self.type(f"{text}\r")

    def wait_for(self, text: str) -> None:
        """Reads until the command has written this."""
        deadline = time.monotonic() + TIMEOUT
        while text not in self.output[self._seen :]:
            assert time.monotonic() < deadline, self.output
            assert self._read(), self.output

    def finish(self) -> int:
        """Reads to the end. → the exit status"""
        while self._read():
            pass
        return self._process.wait(TIMEOUT)

    def _read(self) -> bool:
        ready, _, _ = select.select([self._master], [], [], TIMEOUT)
        assert ready, self.output
        try:
            data = os.read(self._master, 65536)
        except OSError:  # Linux says so when the last writer has gone
            return False
        self.output += self._decoder.decode(data)  # a character may come in two parts
        return bool(data)

    @property
    def lines(self) -> list[str]:
        """What stands on the screen and above it."""
        return screen(self.output, self._columns)


def screen(output: str, columns: int) -> list[str]:
    """The lines that a terminal of this width shows after this output, without the empty ones at the end.

    Knows what progress bars use: carriage return, line feed, cursor up, erase to the end of the line.
    """
    lines: list[list[str]] = [[]]
    row = column = 0
    for token in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|.", output, re.DOTALL):
        if token == "\n":
            row += 1
        elif token == "\r":
            column = 0
        elif token == "\x1b[A":
            row = max(row - 1, 0)
        elif token == "\x1b[K":
            del lines[row][column:]
        elif not token.startswith("\x1b"):
            if column == columns:
                row, column = row + 1, 0
            _put(lines, row, column, token)
            column += 1
        lines += [[] for _ in range(row + 1 - len(lines))]
    texts = ["".join(line).rstrip() for line in lines]
    while texts and not texts[-1]:
        texts.pop()
    return texts


def _put(lines: list[list[str]], row: int, column: int, character: str) -> None:
    lines += [[] for _ in range(row + 1 - len(lines))]
    line = lines[row]
    line += " " * (column + 1 - len(line))
    line[column] = character
