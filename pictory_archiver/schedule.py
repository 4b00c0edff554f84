"""Recipes that run the jobs unattended: for systemd, cron, launchd and the Task Scheduler of Windows, as texts.

Each format has its own way of quoting, and every path comes through exactly. What a format cannot carry is refused
with a `ConfigError`. Nothing here looks at the computer: the facts are handed in.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping

from .errors import ConfigError
from .jobs import Facts, Job, Recipe, jobs, monthly, nightly
from .units import units

_REFUSED = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")

MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


def recipes(kind: str, facts: Facts) -> tuple[Recipe, ...]:
    """The files of a kind of `KINDS`. Raises `ConfigError` for what the format cannot carry."""
    for text in facts.words:
        if _REFUSED.search(text):
            raise ConfigError(
                f"{text} holds line breaks, control characters or bytes that are no text: no scheduler takes them",
                hint="give it another name",
            )
    return KINDS[kind](facts)


def _cron(facts: Facts) -> tuple[Recipe, ...]:
    night, check = nightly(facts), monthly(facts)
    text = (
        "# Belongs into your crontab: run `crontab -e`, and add these lines. Cron mails what they print: problems.\n"
        f"# Every night: {night.what}\n"
        f"{night.minute} {night.hour} * * * {' '.join(map(cron_word, night.command))}\n"
        f"# Every month: {check.what}\n"
        f"{check.minute} {check.hour} {check.day} * * nice {' '.join(map(cron_word, check.command))}\n"
    )
    return (Recipe(f"{facts.name}.cron", text),)


def cron_word(word: str) -> str:
    """A word for `/bin/sh` that is the same before and after what a cron does with `%` and backslashes.

    Most crons make a line break of `%` and drop the backslash of `\\%`; some do so with `\\\\` too, some with neither.
    So `\\%` stands outside quotes, where a shell drops the backslash as well, and no backslash precedes another one.
    """
    quoted = shlex.quote(word)
    if quoted == word:
        return word.replace("%", r"\%")
    return quoted.replace("\\", r"\''").replace("%", r"'\%'")


def _launchd(facts: Facts) -> tuple[Recipe, ...]:
    return tuple(_agent(job, facts) for job in jobs(facts))


def _agent(job: Job, facts: Facts) -> Recipe:
    import plistlib

    label = f"{facts.name}.{job.verb}"
    name = f"{label}.plist"
    log = f"{facts.home}/Library/Logs/{facts.name}.log"
    day = {} if job.day is None else {"Day": job.day}
    agent = {
        "Label": label,
        "ProgramArguments": list(job.command),
        "StartCalendarInterval": {**day, "Hour": job.hour, "Minute": job.minute},
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
    return Recipe(name, text.replace("<plist", f"{comment}<plist", 1))


def _windows(facts: Facts) -> tuple[Recipe, ...]:
    for word in nightly(facts).command:
        if word.count("%") > 1:
            raise ConfigError(
                f"the Task Scheduler would take what stands between two % for a variable: {word}",
                hint="give it another name",
            )
    return tuple(_task(job) for job in jobs(facts))


def _task(job: Job) -> Recipe:
    """Only the nightly run needs the network. The priority is that of work in the background."""
    import html
    import subprocess

    name = f"{job.name}.xml"
    text = f"""\
<?xml version="1.0" encoding="UTF-16"?>
<!-- Save it with the option `output` of `schedule print`: a pipe can spoil its encoding.
     Switch it on: schtasks /Create /TN {job.name} /XML {name}
     Run it now: schtasks /Run /TN {job.name} -->
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo>
    <Description>{job.what[0].upper()}{job.what[1:]}</Description>
  </RegistrationInfo>
  <Triggers>
    <CalendarTrigger>
      <StartBoundary>2026-01-01T{job.hour:02}:{job.minute:02}:00</StartBoundary>
{_calendar(job)}    </CalendarTrigger>
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
    <RunOnlyIfNetworkAvailable>{"true" if job.day is None else "false"}</RunOnlyIfNetworkAvailable>
    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>
    <Priority>7</Priority>
  </Settings>
  <Actions Context="Author">
    <Exec>
      <Command>{html.escape(job.program[0], quote=False)}</Command>
      <Arguments>{html.escape(subprocess.list2cmdline(job.command[1:]), quote=False)}</Arguments>
    </Exec>
  </Actions>
</Task>
"""
    ascii_text = text.encode("ascii", "xmlcharrefreplace").decode()
    return Recipe(name, ascii_text, "utf-16")


def _calendar(job: Job) -> str:
    if job.day is None:
        return """\
      <ScheduleByDay>
        <DaysInterval>1</DaysInterval>
      </ScheduleByDay>
"""
    return f"""\
      <ScheduleByMonth>
        <DaysOfMonth>
          <Day>{job.day}</Day>
        </DaysOfMonth>
        <Months>
          {"".join(f"<{month}/>" for month in MONTHS)}
        </Months>
      </ScheduleByMonth>
"""


KINDS: Mapping[str, Callable[[Facts], tuple[Recipe, ...]]] = {
    "systemd": units,
    "cron": _cron,
    "launchd": _launchd,
    "windows": _windows,
}
