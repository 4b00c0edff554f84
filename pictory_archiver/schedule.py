"""Recipes that run `sync` every night: for systemd, cron, launchd and the Task Scheduler of Windows, as texts.

Each format has its own way of quoting, and every path comes through exactly. What a format cannot carry is refused
with a `ConfigError`. Nothing here looks at the computer: the facts are handed in.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Mapping

from msgspec import Struct

from .errors import ConfigError

NAME = "pictory-archiver"
WHAT = "A complete copy of the AI Studio videos of a Pictory account"
CREDENTIAL = "pictory-key"
KEY_FILE_VARIABLE = "PICTORY_API_KEY_FILE"
HIDDEN_BY_PRIVATE_TMP = ("/tmp/", "/var/tmp/")  # noqa: S108 - compared with, not written to

_REFUSED = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")
_PLAIN = re.compile(r"[A-Za-z0-9_./:@=+,-]+")


class Night(Struct, frozen=True, kw_only=True):
    """A nightly `sync`. All paths are absolute.

    `program` is the beginning of the command line. Either `archive` is set, or one of `account` and `all_accounts`.
    `writable` are the folders that the run writes to. `hour` and `minute` are local time. `user` is who runs it,
    `home` that user's home folder.
    """

    program: tuple[str, ...]
    archive: str | None = None
    account: str | None = None
    all_accounts: bool = False
    config_file: str | None = None
    key_file: str | None = None
    writable: tuple[str, ...] = ()
    hour: int
    minute: int
    user: str
    home: str

    @property
    def arguments(self) -> tuple[str, ...]:
        """The command line after the program."""
        return (
            "sync",
            *([self.archive] if self.archive else []),
            *(["--account", self.account] if self.account else []),
            *(["--all-accounts"] if self.all_accounts else []),
            *(["--config", self.config_file] if self.config_file else []),
            "--must-exist",
            "--quiet",
        )

    @property
    def command(self) -> tuple[str, ...]:
        """The whole command line."""
        return (*self.program, *self.arguments)

    @property
    def name(self) -> str:
        """Tells it from the nights of other accounts."""
        return f"{NAME}-{self.account}" if self.account else NAME


class Recipe(Struct, frozen=True):
    """One file: its name and its text, whose first lines say where it belongs and how to switch it on."""

    name: str
    text: str
    encoding: str = "utf-8"


def recipes(kind: str, night: Night) -> tuple[Recipe, ...]:
    """The files of a kind of `KINDS`. Raises `ConfigError` for what the format cannot carry."""
    for text in (*night.command, *night.writable, night.key_file or "", night.user, night.home):
        if _REFUSED.search(text):
            raise ConfigError(
                f"{text} holds line breaks, control characters or bytes that are no text: no scheduler takes them",
                hint="give it another name",
            )
    return KINDS[kind](night)


def _cron(night: Night) -> tuple[Recipe, ...]:
    text = (
        "# Belongs into your crontab: run `crontab -e` and add this line. Cron mails what it prints: problems only.\n"
        f"{night.minute} {night.hour} * * * {' '.join(map(cron_word, night.command))}\n"
    )
    return (Recipe(f"{night.name}.cron", text),)


def cron_word(word: str) -> str:
    """A word for `/bin/sh` that is the same before and after what a cron does with `%` and backslashes.

    Most crons make a line break of `%` and drop the backslash of `\\%`; some do so with `\\\\` too, some with neither.
    So `\\%` stands outside quotes, where a shell drops the backslash as well, and no backslash precedes another one.
    """
    quoted = shlex.quote(word)
    if quoted == word:
        return word.replace("%", r"\%")
    return quoted.replace("\\", r"\''").replace("%", r"'\%'")


def _systemd(night: Night) -> tuple[Recipe, ...]:
    service = f"""\
# Belongs into /etc/systemd/system/{night.name}.service
# Switch it on: sudo systemctl daemon-reload && sudo systemctl enable --now {night.name}.timer
# Run it now: sudo systemctl start {night.name}.service; what it said: journalctl -u {night.name}.service
[Unit]
Description={WHAT}
Wants=network-online.target
After=network-online.target
{_systemd_list("RequiresMountsFor", night.writable)}
[Service]
Type=oneshot
User={_systemd_text(night.user)}
ExecStart={" ".join(map(systemd_word, (":" + _systemd_program(night.program[0]), *night.command[1:])))}
{_systemd_key(night)}TimeoutStopSec=20
UMask=0022
Nice=10
IOSchedulingClass=idle

StateDirectory={NAME}
Environment=XDG_STATE_HOME=%S
{_systemd_protection(night)}PrivateDevices=yes
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
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
"""
    timer = f"""\
# Belongs into /etc/systemd/system/{night.name}.timer
[Unit]
Description=Every night: {WHAT[0].lower()}{WHAT[1:]}

[Timer]
OnCalendar=*-*-* {night.hour:02}:{night.minute:02}:00
RandomizedDelaySec=10min
Persistent=true

[Install]
WantedBy=timers.target
"""
    return Recipe(f"{night.name}.service", service), Recipe(f"{night.name}.timer", timer)


def _systemd_key(night: Night) -> str:
    """The key as a credential: the file may then be one that only root can read."""
    if night.key_file is None:
        return ""
    if night.key_file.endswith((" ", "\\")):
        raise ConfigError(
            f"systemd cannot load the key file {night.key_file!r}: its name ends in a blank or a backslash",
            hint="give it another name",
        )
    return (
        f"LoadCredential={CREDENTIAL}:{_systemd_text(night.key_file)}\n"
        f"Environment={KEY_FILE_VARIABLE}=%d/{CREDENTIAL}\n"
    )


def _systemd_protection(night: Night) -> str:
    """What it may see and write of the file system. A folder that is not there is no reason not to start.

    The run itself then says that the archive is not there, and tells whom it has to tell.
    """
    paths = (*night.program, *night.writable, night.config_file or "")
    private_tmp = "no" if any(path.startswith(HIDDEN_BY_PRIVATE_TMP) for path in paths) else "yes"
    writable = _systemd_list("ReadWritePaths", ["-" + path for path in night.writable])
    return f"ProtectSystem=strict\nProtectHome=read-only\n{writable}PrivateTmp={private_tmp}\n"


def _systemd_program(path: str) -> str:
    if set(path) & set("\"'\\"):
        raise ConfigError(
            f"systemd runs no program whose path holds quotes or backslashes: {path}",
            hint="install pictory-archiver into another folder",
        )
    return path


def _systemd_list(setting: str, words: Iterable[str]) -> str:
    return "".join(f"{setting}={systemd_word(word)}\n" for word in words)


def systemd_word(word: str) -> str:
    """A word of a list or a command line in a unit. `$` needs no care where the program is marked with a colon."""
    if _PLAIN.fullmatch(word):
        return word
    return '"' + _systemd_text(word).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _systemd_text(text: str) -> str:
    """Text in a unit that is taken as it is, but for specifiers."""
    return text.replace("%", "%%")


def _launchd(night: Night) -> tuple[Recipe, ...]:
    import plistlib

    label = f"{night.name}.sync"
    name = f"{label}.plist"
    log = f"{night.home}/Library/Logs/{night.name}.log"
    agent = {
        "Label": label,
        "ProgramArguments": list(night.command),
        "StartCalendarInterval": {"Hour": night.hour, "Minute": night.minute},
        "ProcessType": "Background",
        "LowPriorityIO": True,
        "StandardOutPath": log,
        "StandardErrorPath": log,
    }
    comment = (
        f"<!-- Belongs into ~/Library/LaunchAgents/{name}\n"
        f"     Switch it on: launchctl bootstrap gui/$(id -u) ~/Library/LaunchAgents/{name}\n"
        f"     Run it now: launchctl kickstart gui/$(id -u)/{label} -->\n"
    )
    text = plistlib.dumps(agent, sort_keys=False).decode()
    return (Recipe(name, text.replace("<plist", f"{comment}<plist", 1)),)


def _windows(night: Night) -> tuple[Recipe, ...]:
    import html
    import subprocess

    for word in night.command:
        if word.count("%") > 1:
            raise ConfigError(
                f"the Task Scheduler would take what stands between two % for a variable: {word}",
                hint="give it another name",
            )
    name = f"{night.name}.xml"
    text = f"""\
<?xml version="1.0" encoding="UTF-16"?>
<!-- Save it with the option `output` of `schedule print`: a pipe can spoil its encoding.
     Switch it on: schtasks /Create /TN {night.name} /XML {name}
     Run it now: schtasks /Run /TN {night.name} -->
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo>
    <Description>{WHAT}</Description>
  </RegistrationInfo>
  <Triggers>
    <CalendarTrigger>
      <StartBoundary>2026-01-01T{night.hour:02}:{night.minute:02}:00</StartBoundary>
      <ScheduleByDay>
        <DaysInterval>1</DaysInterval>
      </ScheduleByDay>
    </CalendarTrigger>
  </Triggers>
  <Principals>
    <Principal id="Author">
      <LogonType>InteractiveToken</LogonType>
      <RunLevel>LeastPrivilege</RunLevel>
    </Principal>
  </Principals>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>true</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <StartWhenAvailable>true</StartWhenAvailable>
    <RunOnlyIfNetworkAvailable>true</RunOnlyIfNetworkAvailable>
    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>
    <Priority>7</Priority>
  </Settings>
  <Actions Context="Author">
    <Exec>
      <Command>{html.escape(night.program[0], quote=False)}</Command>
      <Arguments>{html.escape(subprocess.list2cmdline(night.command[1:]), quote=False)}</Arguments>
    </Exec>
  </Actions>
</Task>
"""
    ascii_text = text.encode("ascii", "xmlcharrefreplace").decode()
    return (Recipe(name, ascii_text, "utf-16"),)


KINDS: Mapping[str, Callable[[Night], tuple[Recipe, ...]]] = {
    "systemd": _systemd,
    "cron": _cron,
    "launchd": _launchd,
    "windows": _windows,
}
