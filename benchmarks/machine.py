"""What the figures were measured on: they mean nothing without."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sqlite3
import ssl
import subprocess
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pictory_archiver

GIB = 2**30
TOOLS = ("nginx", "rclone", "curl", "wget2", "aria2c", "sha256sum", "chromium")
_VERSION = re.compile(r"\d+\.\d[\w.]*")


def machine(folder: Path) -> Iterator[str]:
    """The lines of a description; `folder` is where everything is written."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB
    yield f"{_processor()}, {os.cpu_count()} processors, {memory:.0f} GiB; {platform.system()} {platform.release()}"
    yield f"files on {_file_system(folder)}"
    yield (
        f"pictory-archiver {pictory_archiver.__version__}, Python {platform.python_version()}, "
        f"aiohttp {version('aiohttp')}, {ssl.OPENSSL_VERSION.rsplit(' ', 3)[0]}, SQLite {sqlite3.sqlite_version}"
    )
    yield "against " + ", ".join(f"{tool} {found}" for tool in TOOLS if (found := _version_of(tool)))


def _processor() -> str:
    known = Path("/proc/cpuinfo")
    names = re.findall(r"model name\s*:\s*(.*)", known.read_text()) if known.exists() else []
    return names[0] if names else platform.processor() or platform.machine()


def _file_system(folder: Path) -> str:
    told = subprocess.run(["df", "--output=fstype", folder], capture_output=True, text=True, check=False)
    return told.stdout.split()[-1] if told.returncode == 0 else "an unknown file system"


def _version_of(tool: str) -> str | None:
    path = shutil.which(tool, path=f"{os.environ['PATH']}{os.pathsep}/usr/sbin")
    if path is None:
        return None
    told = subprocess.run([path, "-v" if tool == "nginx" else "--version"], capture_output=True, text=True, check=False)
    found = _VERSION.search(told.stdout + told.stderr)
    return found[0] if found else None
