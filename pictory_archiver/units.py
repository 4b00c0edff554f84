"""The units of systemd: a service and a timer for each job, as texts. Every path comes through exactly.

A service sees the system read-only. The one that syncs writes to the archive; the one that checks writes to the
journal alone, and has neither a key nor a network.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from .errors import ConfigError
from .jobs import NAME, Facts, Job, Recipe, monthly, nightly

CREDENTIAL = "pictory-key"
KEY_FILE_VARIABLE = "PICTORY_API_KEY_FILE"
HIDDEN_BY_PRIVATE_TMP = ("/tmp/", "/var/tmp/")  # noqa: S108 - compared with, not written to

_PLAIN = re.compile(r"[A-Za-z0-9_./:@=+,-]+")


def units(facts: Facts) -> tuple[Recipe, ...]:
    """A service and a timer for every night, and such a pair for every month. Raises `ConfigError`."""
    night, check = nightly(facts), monthly(facts)
    key = _key(facts.key_file)
    state = f"StateDirectory={NAME}\nEnvironment=XDG_STATE_HOME=%S\n"
    return (
        _service(
            night,
            facts,
            before="Wants=network-online.target\nAfter=network-online.target\n",
            settings=f"{key}{state}{_writable(facts.folders)}RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX\n",
        ),
        _timer(night, f"*-*-* {night.hour:02}:{night.minute:02}:00", "night", "RandomizedDelaySec=10min\n"),
        _service(
            check,
            facts,
            settings=f"{_writable(facts.journals)}PrivateNetwork=yes\nRestrictAddressFamilies=AF_UNIX\n",
        ),
        _timer(check, f"*-*-{check.day:02} {check.hour:02}:{check.minute:02}:00", "month"),
    )


def _service(job: Job, facts: Facts, *, before: str = "", settings: str) -> Recipe:
    """`before` is more of what it waits for, `settings` what it may do of its own."""
    text = f"""\
# Belongs into /etc/systemd/system/{job.name}.service
# Switch it on: sudo systemctl daemon-reload && sudo systemctl enable --now {job.name}.timer
# Run it now: sudo systemctl start {job.name}.service; what it said: journalctl -u {job.name}.service
[Unit]
Description={job.what[0].upper()}{job.what[1:]}
{before}{_list("RequiresMountsFor", facts.folders)}
[Service]
Type=oneshot
User={_text(facts.user)}
ExecStart={" ".join(map(systemd_word, (":" + _program(job.program[0]), *job.command[1:])))}
TimeoutStopSec=20
UMask=0022
Nice=10
IOSchedulingClass=idle

{settings}ProtectSystem=strict
ProtectHome=read-only
PrivateTmp={_private_tmp(facts)}
PrivateDevices=yes
NoNewPrivileges=yes
CapabilityBoundingSet=
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
LockPersonality=yes
MemoryDenyWriteExecute=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
"""
    return Recipe(f"{job.name}.service", text)


def _timer(job: Job, calendar: str, every: str, more: str = "") -> Recipe:
    text = f"""\
# Belongs into /etc/systemd/system/{job.name}.timer
[Unit]
Description=Every {every}: {job.what}

[Timer]
OnCalendar={calendar}
{more}Persistent=true

[Install]
WantedBy=timers.target
"""
    return Recipe(f"{job.name}.timer", text)


def _key(file: str | None) -> str:
    """The key as a credential: the file may then be one that only root can read."""
    if file is None:
        return ""
    if file.endswith((" ", "\\")):
        raise ConfigError(
            f"systemd cannot load the key file {file!r}: its name ends in a blank or a backslash",
            hint="give it another name",
        )
    return f"LoadCredential={CREDENTIAL}:{_text(file)}\nEnvironment={KEY_FILE_VARIABLE}=%d/{CREDENTIAL}\n"


def _writable(paths: Iterable[str]) -> str:
    """What it may write to. That one is not there is no reason not to start.

    The run itself then says that the archive is not there, and tells whom it has to tell.
    """
    return _list("ReadWritePaths", ["-" + path for path in paths])


def _private_tmp(facts: Facts) -> str:
    paths = (*facts.program, *facts.folders, facts.config_file or "")
    return "no" if any(path.startswith(HIDDEN_BY_PRIVATE_TMP) for path in paths) else "yes"


def _program(path: str) -> str:
    if set(path) & set("\"'\\"):
        raise ConfigError(
            f"systemd runs no program whose path holds quotes or backslashes: {path}",
            hint="install pictory-archiver into another folder",
        )
    return path


def _list(setting: str, words: Iterable[str]) -> str:
    return "".join(f"{setting}={systemd_word(word)}\n" for word in words)


def systemd_word(word: str) -> str:
    """A word of a list or a command line in a unit. `$` needs no care where the program is marked with a colon."""
    if _PLAIN.fullmatch(word):
        return word
    return '"' + _text(word).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _text(text: str) -> str:
    """Text in a unit that is taken as it is, but for specifiers."""
    return text.replace("%", "%%")
