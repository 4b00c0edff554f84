"""What the tests with random and hostile bytes share: how many examples, what is hostile, and a process with bounds.

`PICTORY_FUZZ=20` plays twenty times as many examples, other ones each time; without it they are the same ones always.
With `PICTORY_FUZZ_SHRINK=1` a small example is looked for where one fails.
"""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from pictory_archiver.settings import MIB

from .support import required

FACTOR = float(os.environ.get("PICTORY_FUZZ", "0"))
SHRINK = bool(os.environ.get("PICTORY_FUZZ_SHRINK"))

FOREIGN = (
    *(
        "..",
        ".",
        "",
        "/",
        "../../outside/canary.mp4",
        "../../../outside/canary.mp4",
        "../outside",
        "a/b",
        "a\\b",
        "..\\x",
    ),
    *(
        "/etc/passwd",
        "C:\\x",
        "C:x",
        "\\\\host\\share",
        "//host/share",
        "x\0y",
        "x\n",
        "\x1b[2J",
        "\u202egpj.exe",
        "\x85",
    ),
    *("con", "nul.mp4", "x" * 300, "é", "e\u0301", ".pictory-archiver", "README.txt", "index.html", "%2e%2e%2f"),
    *("https://[::1", "file:///etc/passwd", "http://127.0.0.1:9/x", "javascript:alert(1)", "https://a@b/?sig=1#f"),
    *("2026-04-09T18:51:47Z", "0000-00-00T00:00:00Z", "9999-12-31T23:59:59-23:59", "1e400", "NaN"),
)
"""Texts that have led a program astray somewhere."""

NUMBERS = (0, -1, 2**31, 2**53 + 1, 2**63 - 1, 2**63, 2**64, 10**30, 10**400, -(10**30), 0.5, 1e308)


def many(count: int) -> settings:
    """So many examples, times `PICTORY_FUZZ`. No deadline: how long an example takes is no matter here."""
    return settings(
        max_examples=max(round(count * FACTOR), 1) if FACTOR else count,
        derandomize=not FACTOR,
        database=None,
        deadline=None,
        print_blob=True,
        phases=[Phase.explicit, Phase.generate, Phase.shrink] if SHRINK else [Phase.explicit, Phase.generate],
        suppress_health_check=[*HealthCheck],
    )


def nested(depth: int) -> Any:
    """A list in a list, and so on."""
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


HOSTILE: st.SearchStrategy[Any] = (
    st.sampled_from(FOREIGN)
    | st.sampled_from(NUMBERS)
    | st.none()
    | st.booleans()
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
    | st.sampled_from([199, 203, 300, 900]).map(nested)
    | st.just([])
    | st.just({})
)
"""Any value of JSON that a record might hold where something else belongs."""


@st.composite
def spoilt(draw: st.DrawFn, data: bytes, most: int = 6) -> bytes:
    """Bytes that were cut, overwritten, doubled or exchanged here and there."""
    found = bytearray(data)
    for _ in range(draw(st.integers(1, most))):
        at = draw(st.integers(0, max(len(found) - 1, 0)))
        match draw(st.sampled_from(["flip", "set", "cut", "zero", "insert", "double"])):
            case "flip" if found:
                found[at] ^= 1 << draw(st.integers(0, 7))
            case "set" if found:
                found[at] = draw(st.sampled_from([0, 1, 0x7F, 0x80, 0xFE, 0xFF]))
            case "cut":
                del found[at : at + draw(st.sampled_from([1, 2, 7, 64, 1 << 20]))]
            case "zero":
                length = len(found[at : at + draw(st.sampled_from([1, 4, 64, 4096]))])
                found[at : at + length] = bytes(length)
            case "insert":
                found[at:at] = draw(st.sampled_from([b"[" * 300, b"{", b'"', b"\\", b"\xff", b"\0", b"9" * 30, b"\n"]))
            case _:
                found[at:at] = found[at : at + draw(st.sampled_from([1, 16, 256]))]
    return bytes(found)


def bounded(code: str, *arguments: str, mebibytes: int, seconds: int = 20) -> str:
    """What a Python program prints that may take so much memory more than it takes to start, and so many seconds of the
    processor. It fails where it takes more; `begin()` is called by it once its input is made.

    Seconds are a guard against what never ends: each bound is many times what the work takes.
    """
    required(sys.platform == "linux", "Linux, to bound the memory of a process")
    prelude = f"""
        import resource, sys

        def begin():
            with open("/proc/self/statm") as file:
                pages = int(file.read().split()[0])
            limit = pages * resource.getpagesize() + {mebibytes * MIB}
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
            used = resource.getrusage(resource.RUSAGE_SELF)
            end = int(used.ru_utime + used.ru_stime) + {seconds}
            resource.setrlimit(resource.RLIMIT_CPU, (end, end))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(prelude) + textwrap.dedent(code), *arguments],
        capture_output=True,
        text=True,
        timeout=30 * seconds,
        check=False,
    )
    assert done.returncode == 0, f"{done.returncode}: {done.stderr[-2000:]}"
    return done.stdout
