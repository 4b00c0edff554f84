"""`schedule print`: what each scheduler makes of a recipe is exactly the command line, whatever the paths hold.

cron: `/bin/sh` runs the line after what the crons do with it. systemd: its own parser reads the units. launchd and
Windows: their documents are read back; no such computer was here.
"""

from __future__ import annotations

import calendar
import json
import os
import plistlib
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import msgspec
import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pictory_archiver.archive import JOURNAL
from pictory_archiver.errors import ConfigError
from pictory_archiver.jobs import Facts, jobs, monthly
from pictory_archiver.schedule import KINDS, recipes
from pictory_archiver.simulator import World

from .conftest import Account
from .damage import file_of, flip
from .support import TIMEOUT, Program, check_against_world, required, snapshot

SYSTEMD_ANALYZE = shutil.which("systemd-analyze")
SYSTEMD = next((path for path in ("/usr/lib/systemd/systemd", "/lib/systemd/systemd") if Path(path).exists()), None)
STRACE = shutil.which("strace")
UNSHARE = shutil.which("unshare")
NOBODY = 65534
TASK = "{http://schemas.microsoft.com/windows/2004/02/mit/task}"

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="cron and a shell of POSIX")

NASTY = "/a b/\"q\" 'é' 100% \\ \\\\ \\% %% $HOME ${X} `x` & < > ; # ~ * | ! 日本 🎬 \\"
PATHS = st.text(
    st.one_of(
        st.sampled_from(" \\\\%%'\"$`&<>;#~*|!()[]{}=:-@+?\u00a0é🎬ab"),
        st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp"), exclude_characters="/\ufffe\uffff"),
    ),
    max_size=40,
).map(lambda text: f"/{text}")
each_kind = pytest.mark.parametrize("kind", KINDS)


def facts_of(*program: str, **more: Any) -> Facts:
    facts: dict[str, Any] = {"archive": "/backup/pictory", "user": "ana", "home": "/home/ana"}
    given_facts = {"program": program or ("/opt/pictory-archiver",), "hour": 3, "minute": 17, **facts, **more}
    return Facts(**given_facts)


def services(facts: Facts) -> tuple[str, str]:
    """The services of the night and of the month."""
    night, _, check, _ = (recipe.text for recipe in recipes("systemd", facts))
    return night, check


# --- what is run ---


def test_the_command_line_names_everything_in_full() -> None:
    night, check = jobs(facts_of("/bin/python", "-m", "pictory_archiver", config_file="/etc/p.yaml"))
    python = ("/bin/python", "-m", "pictory_archiver")
    assert night.command == (
        *(*python, "sync", "/backup/pictory"),
        *("--config", "/etc/p.yaml", "--must-exist", "--quiet"),
    )
    assert check.command == (*python, "verify", "/backup/pictory", "--config", "/etc/p.yaml", "--quiet")


def test_accounts_take_the_place_of_the_archive() -> None:
    of_one = facts_of(archive=None, account="studio-a")
    assert [job.arguments for job in jobs(of_one)] == [
        ("sync", "--account", "studio-a", "--must-exist", "--quiet"),
        ("verify", "--account", "studio-a", "--quiet"),
    ]
    assert [recipe.name for recipe in recipes("systemd", of_one)] == [
        "pictory-archiver-studio-a.service",
        "pictory-archiver-studio-a.timer",
        "pictory-archiver.verify-studio-a.service",
        "pictory-archiver.verify-studio-a.timer",
    ]
    assert [job.arguments for job in jobs(facts_of(archive=None, all_accounts=True))] == [
        ("sync", "--all-accounts", "--must-exist", "--quiet"),
        ("verify", "--all-accounts", "--quiet"),
    ]


@pytest.mark.parametrize(
    ("at", "check"), [((3, 17), (4, 47)), ((0, 0), (1, 30)), ((22, 29), (23, 59)), ((23, 5), (0, 35))]
)
def test_the_check_begins_an_hour_and_a_half_after_the_nightly_run(at: tuple[int, int], check: tuple[int, int]) -> None:
    job = monthly(facts_of(hour=at[0], minute=at[1]))
    assert (job.day, job.hour, job.minute) == (1, *check)


@each_kind
def test_no_account_takes_the_file_of_another_one(kind: str) -> None:
    names = [None, "verify", "a", "a.verify", "a-verify", "verify-a", "a.sync", "verify-a.verify"]
    made = [recipe.name for name in names for recipe in recipes(kind, facts_of(archive=None, account=name))]
    assert len(set(made)) == len(made)


@each_kind
@pytest.mark.parametrize("field", ["archive", "config_file", "key_file", "user"])
@pytest.mark.parametrize("character", ["\n", "\r", "\t", "\x00", "\x1b", "\x7f", "\x85", "\u2028", "\udce9", "\uffff"])
def test_what_no_scheduler_takes_is_refused(kind: str, field: str, character: str) -> None:
    with pytest.raises(ConfigError, match="control characters"):
        recipes(kind, facts_of(**{field: f"/a{character}b"}))


# --- cron ---


@pytest.fixture(scope="module")
def recorder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program with a difficult name that writes its arguments to standard output, each ended by a NUL."""
    path = tmp_path_factory.mktemp("bin of cron") / "re'cord 100%\\\\ \\% $HOME"
    path.write_text('#!/bin/sh\nprintf \'%s\\0\' "$0" "$@"\n')
    path.chmod(0o755)
    return path


def as_cron_runs_it(command: str, dropped: str) -> str:
    """What a cron hands to the shell: up to the first bare `%`, and without a backslash before these characters."""
    made, rest = "", iter(command)
    for character in rest:
        if character == "\\":
            following = next(rest, "")
            made += following if following in dropped and following else character + following
        elif character == "%":
            break
        else:
            made += character
    return made


def crontab(text: str) -> list[tuple[str, str]]:
    """When each line of a crontab runs (its five fields), and what."""
    lines = [line.split(" ", 5) for line in text.splitlines() if not line.startswith("#")]
    return [(" ".join(when), command) for *when, command in lines]


def ran(command: str, **more: Any) -> list[str]:
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, timeout=TIMEOUT, check=False, **more)
    assert done.returncode == 0, done.stderr
    return [os.fsdecode(word) for word in done.stdout.split(b"\0")[:-1]]


@posix_only
@given(archive=PATHS, config_file=PATHS)
@example(archive=NASTY, config_file="/plain%")
@example(archive="/a\\\\\\%\\%%'\\''", config_file="/%")
@settings(max_examples=60, deadline=None)
def test_a_cron_line_runs_exactly_that(recorder: Path, archive: str, config_file: str) -> None:
    facts = facts_of(str(recorder), archive=archive, config_file=config_file)
    (recipe,) = recipes("cron", facts)
    of_night, of_month = crontab(recipe.text)
    assert (of_night[0], of_month[0]) == ("17 3 * * *", "47 4 1 * *")
    assert of_month[1].startswith("nice ")
    bare = {"HOME": "/nowhere", "PATH": "/usr/bin:/bin"}
    for job, (_, command) in zip(jobs(facts), (of_night, of_month), strict=True):
        assert ran(as_cron_runs_it(command, "%"), env=bare) == list(job.command)
        assert ran(as_cron_runs_it(command, "%\\"), env=bare) == list(job.command), "a cron that drops \\\\ as well"
        assert ran(command, env=bare) == list(job.command), "a cron that leaves the line alone"


def scheduled(program: Program, kind: str, *words: str | Path) -> str:
    """The recipe that `schedule print` prints when nothing but the settings file says anything."""
    environment = {"HOME": str(program.home), "PATH": os.environ["PATH"]}
    done = subprocess.run(
        program.command("schedule", "print", kind, *words),
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=TIMEOUT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@posix_only
def test_the_very_lines_make_an_archive_complete_and_check_it_in_silence(account: Account, tmp_path: Path) -> None:
    simulator, program = account(World(count=5))
    home = program.home / "it's 100% home"
    home.mkdir(parents=True)
    archive = tmp_path / 'the "archive" of 100% é'
    (home / "key").write_text(simulator.key)
    (home / "key").chmod(0o600)
    config = home / "my settings.yaml"
    api = {"base_url": simulator.api_url, "key_file": "key", "pause_seconds": 0}
    config.write_text(yaml.safe_dump({"archive": str(archive), "api": api}))

    lines = crontab(scheduled(program, "cron", "--config", config, "--at", "5:07"))
    assert [when for when, _ in lines] == ["7 5 * * *", "37 6 1 * *"]
    nightly, monthly = (as_cron_runs_it(command, "%") for _, command in lines)
    bare = {"HOME": str(home), "LOGNAME": "ana", "SHELL": "/bin/sh", "PATH": "/usr/bin:/bin"}
    origins = f"PICTORY_ARCHIVER_ALLOW_ORIGINS='{' '.join(simulator.origins)}'"

    def run_unattended(command: str) -> tuple[int, bytes, bytes]:
        words = ["/bin/sh", "-c", f"{origins} {command}"]
        done = subprocess.run(words, env=bare, capture_output=True, timeout=TIMEOUT, check=False)
        return done.returncode, done.stdout, done.stderr

    for is_there in (False, True):  # an empty folder is where a disk should be mounted
        if is_there:
            archive.mkdir()
        for command in (nightly, monthly):
            status, out, err = run_unattended(command)
            assert (status, out, b"is the disk mounted?" in err) == (6, b"", True)
        assert is_there == archive.exists()
        assert not is_there or not list(archive.iterdir())
    assert program.run("sync", archive).status == 0
    simulator.world.add(2)
    for _ in range(2):
        assert run_unattended(nightly) == (0, b"", b"")
    check_against_world(archive, simulator)

    (home / "key").unlink()
    assert run_unattended(monthly) == (0, b"", b"")
    damaged = file_of(archive, simulator.world, 3, "mp4")
    flip(damaged)
    status, out, err = run_unattended(monthly)
    assert (status, damaged.name in out.decode(), err) == (7, True, b"")


@posix_only
def test_of_all_accounts_the_one_whose_disk_is_not_mounted_is_named(account: Account, tmp_path: Path) -> None:
    _, program = account(World(count=2))
    here, away = tmp_path / "here", tmp_path / "not mounted"
    away.mkdir()
    assert program.run("sync", here).status == 0
    accounts = {name: {"archive": str(path), "key_file": "none"} for name, path in (("a", away), ("b", here))}
    config = tmp_path / "accounts.yaml"
    config.write_text(yaml.safe_dump({"accounts": accounts}))
    (_, command) = crontab(scheduled(program, "cron", "--all-accounts", "--config", config))[-1]
    done = subprocess.run(
        ["/bin/sh", "-c", as_cron_runs_it(command, "%")],
        env={"HOME": str(program.home), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert (done.returncode, done.stderr) == (
        6,
        f"Error: {away} is no archive; is the disk mounted? `sync` makes a new one\n",
    )
    assert "\n# b\n" in done.stdout, "the other one was checked"
    assert done.stdout.endswith("\nNot sound: a (1 of 2 accounts).\n")
    assert not list(away.iterdir())


# --- systemd ---


def by_systemds_rules(line: str) -> list[str]:
    """The words of a unit's line, as systemd.syntax and systemd.unit describe quotes, escapes and specifiers."""
    words: list[str] = []
    rest = line
    while rest := rest.lstrip(" "):
        match = re.match(r'"((?:[^"\\]|\\["\\])*)"(?= |$)|([^ "\'\\]+)(?= |$)', rest)
        assert match, rest
        word = re.sub(r"\\(.)", r"\1", match[1]) if match[2] is None else match[2]
        assert "%" not in word.replace("%%", ""), "a specifier"
        words.append(word.replace("%%", "%"))
        rest = rest[match.end() :]
    return words


def values(unit: str, setting: str) -> list[str]:
    return [line.partition("=")[2] for line in unit.splitlines() if line.startswith(f"{setting}=")]


PROGRAMS = PATHS.map(lambda path: path.translate({ord(each): "" for each in "\"'\\"})).filter(
    lambda path: path.lstrip("/.") != ""
)


@given(program=PROGRAMS, archive=PATHS, config_file=PATHS)
@example(program="/a 100%$x;/p", archive=NASTY, config_file="/;")
def test_units_are_quoted_by_systemds_rules(program: str, archive: str, config_file: str) -> None:
    folders, journals = (archive, "/var/my index"), (f"{archive}/journal",)
    facts = facts_of(program, archive=archive, config_file=config_file, folders=folders, journals=journals)
    for job, service, writable in zip(jobs(facts), services(facts), (folders, journals), strict=True):
        (start,) = values(service, "ExecStart")
        marked, *arguments = by_systemds_rules(start)
        assert (marked, arguments) == (f":{program}", list(job.arguments))
        assert [by_systemds_rules(each) for each in values(service, "ReadWritePaths")] == [[f"-{x}"] for x in writable]
        assert [by_systemds_rules(each) for each in values(service, "RequiresMountsFor")] == [[x] for x in folders]


@pytest.fixture
def manager() -> Iterator[Path]:
    """A folder for units that the real service manager can read: it tests units only without the rights of root."""
    if SYSTEMD is None:
        pytest.skip("systemd is not here")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "run").mkdir()
        folder.chmod(0o755)
        if os.geteuid() == 0:
            os.chown(folder / "run", NOBODY, NOBODY)
        yield folder


def read_by_systemd(folder: Path, service: str) -> str:
    """What the real service manager understood of a service, in its own words."""
    assert SYSTEMD is not None
    (folder / "x.service").write_text(service, encoding="utf-8")
    home = str(folder / "run")
    identity = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
    done = subprocess.run(
        [SYSTEMD, "--test", "--user", "--unit=x.service"],
        env={"PATH": os.environ["PATH"], "HOME": home, "XDG_RUNTIME_DIR": home, "SYSTEMD_UNIT_PATH": f"{folder}:"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=TIMEOUT,
        check=False,
        **identity,  # type: ignore[call-overload]
    )
    if "-> Unit x.service:" not in done.stdout:
        pytest.skip(f"systemd tests no units here: {done.stdout[-300:]}{done.stderr[-300:]}")
    assert "x.service:" not in done.stderr, done.stderr
    understood: str = done.stdout.partition("-> Unit x.service:")[2].partition("-> Unit ")[0]
    return understood


@posix_only
def test_the_real_systemd_reads_every_path_exactly(manager: Path) -> None:
    @given(archive=PATHS, config_file=PATHS, key_file=PATHS)
    @example(archive=NASTY, config_file=NASTY, key_file="/x y/%k \"'\\z")
    @settings(max_examples=20, deadline=None)
    def holds(archive: str, config_file: str, key_file: str) -> None:
        archive, key_file = f"/a{archive}b", f"/k{key_file}z"
        paths: dict[str, Any] = {"folders": (archive,), "journals": (f"{archive}/j",), "key_file": key_file}
        facts = facts_of("/usr/bin/env", archive=archive, config_file=config_file, **paths)
        of_night, of_month = (read_by_systemd(manager, service) for service in services(facts))
        for job, understood in zip(jobs(facts), (of_night, of_month), strict=True):
            (line,) = re.findall(r"Command Line: (.*)", understood)
            assert ran(f"printf '%s\\0' {line}") == list(job.command)
            assert f"RequiresMountsFor: {archive} (" in understood
        assert f"ReadWritePaths: -{archive}\n" in of_night
        assert f"ReadWritePaths: -{archive}/j\n" in of_month
        assert re.search(r"Environment: PICTORY_API_KEY_FILE=/\S+/credentials/x.service/pictory-key\n", of_night)
        assert "pictory-key" not in of_month

    holds()


@posix_only
def test_systemd_verifies_all_units(tmp_path: Path) -> None:
    if SYSTEMD_ANALYZE is None:
        pytest.skip("systemd-analyze is not here")
    program = tmp_path / "of 100% $x; é" / "pictory-archiver"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    paths: dict[str, Any] = {"folders": (NASTY,), "journals": (f"{NASTY}/j",), "key_file": "/the key"}
    facts = facts_of(str(program), archive=NASTY, config_file=NASTY, user="root", **paths)
    made = [*recipes("systemd", facts), *recipes("systemd", msgspec.structs.replace(facts, archive=None, account="b"))]
    for recipe in made:
        (tmp_path / recipe.name).write_text(recipe.text, encoding="utf-8")
    done = subprocess.run(
        [SYSTEMD_ANALYZE, "verify", *(tmp_path / recipe.name for recipe in made)],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@posix_only
def test_the_timers_of_systemd_are_a_night_and_a_month() -> None:
    if SYSTEMD_ANALYZE is None:
        pytest.skip("systemd-analyze is not here")
    _, of_night, _, of_month = (recipe.text for recipe in recipes("systemd", facts_of(hour=23, minute=5)))
    for timer, moments in (
        (of_night, [("2028-02-28", "23:05:00"), ("2028-02-29", "23:05:00")]),
        (of_month, [("2028-03-01", "00:35:00"), ("2028-04-01", "00:35:00")]),
    ):
        (when,) = values(timer, "OnCalendar")
        told = subprocess.run(
            [SYSTEMD_ANALYZE, "calendar", when, "--base-time=2028-02-28 12:00 UTC", "--iterations=2"],
            env={"TZ": "UTC", "LC_ALL": "C"},
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=True,
        ).stdout
        assert re.findall(r"(?:elapse|#2): \w+ (\S+) (\S+) UTC", told) == moments
        assert values(timer, "Persistent") == ["true"]


@posix_only
@pytest.mark.parametrize("verb", ["sync", "verify"])
def test_no_command_makes_a_call_that_its_unit_forbids(
    account: Account, archive: Path, tmp_path: Path, verb: str
) -> None:
    if SYSTEMD_ANALYZE is None or STRACE is None:
        pytest.skip("systemd-analyze or strace is not here")
    _, program = account(World(count=5))
    assert verb == "sync" or program.run("sync", archive).status == 0
    program.prefix = (STRACE, "-f", "-qq", "-o", str(tmp_path / "calls"))
    assert program.run(verb, archive).status == 0
    calls = (tmp_path / "calls").read_text(errors="replace")
    made = set(re.findall(r"^\d+ +(\w+)\(", calls, re.MULTILINE))
    assert {"openat", "connect" if verb == "sync" else "pread64"} <= made
    assert not made - allowed_calls("@system-service")
    (allowed,) = values(services(facts_of())[verb == "verify"], "RestrictAddressFamilies")
    families = set(re.findall(r" socket\((AF_\w+)", calls))
    assert families <= {*allowed.split()} | ({"AF_NETLINK"} if verb == "sync" else set())
    both = re.findall(r" (?:mmap|mprotect)\([^)]*PROT_WRITE\|PROT_EXEC[^)]*\)| mprotect\([^)]*PROT_EXEC[^)]*\)", calls)
    assert not both, "memory that is written and executed"


def allowed_calls(group: str) -> set[str]:
    assert SYSTEMD_ANALYZE is not None
    listed = subprocess.run([SYSTEMD_ANALYZE, "syscall-filter", group], capture_output=True, text=True, check=True)
    names = {line.strip() for line in listed.stdout.splitlines()[1:] if not line.strip().startswith("#")}
    inner = {name for name in names if name.startswith("@")}
    return (names - inner).union(*(allowed_calls(name) for name in inner))


def test_the_key_file_becomes_a_credential_of_the_run_that_needs_it() -> None:
    service, check = services(facts_of(key_file="/my keys/100% key"))
    assert values(service, "LoadCredential") == ["pictory-key:/my keys/100%% key"]
    assert "PICTORY_API_KEY_FILE=%d/pictory-key" in values(service, "Environment")
    assert "LoadCredential" not in services(facts_of())[0]
    for word in ("LoadCredential", "Environment", "PICTORY_API_KEY", "keys"):
        assert word not in check


def test_the_units_protect_what_is_not_the_archive() -> None:
    for service in services(facts_of(folders=("/backup/pictory",))):
        for line in (
            *("ProtectSystem=strict", "ProtectHome=read-only", "PrivateTmp=yes", "User=ana", "TimeoutStopSec=20"),
            *("Nice=10", "IOSchedulingClass=idle"),
        ):
            assert line in service.splitlines()
        assert "SuccessExitStatus" not in service
    for service in services(facts_of("/opt/p", archive="/tmp/a", folders=("/tmp/a",))):
        assert "PrivateTmp=no" in service.splitlines()


def test_a_check_has_no_network_and_waits_for_none() -> None:
    service, check = services(facts_of())
    assert values(check, "PrivateNetwork") == ["yes"]
    assert "network-online" in service
    assert "network-online" not in check


def test_a_check_runs_where_nothing_but_the_journal_can_be_written(account: Account, archive: Path) -> None:
    """As its unit has the archive mounted: by the same paths, with the means that systemd uses."""
    required(sys.platform == "linux" and os.geteuid() == 0 and UNSHARE, "root on Linux, to mount what is read-only")
    simulator, program = account(World(count=5))
    assert program.run("sync", archive).status == 0
    printed = program.run("schedule", "print", "systemd", archive).stdout
    of_check = printed.partition("/etc/systemd/system/pictory-archiver.verify.service")[2]
    (journal,) = (path.removeprefix("-") for path in values(of_check, "ReadWritePaths"))
    script = """
        mount --bind "$0" "$0" && mount --bind "$1" "$1" && mount -o remount,ro,bind "$0" || exit 99
        touch "$0/x" 2>/dev/null && exit 98
        shift; exec "$@"
    """
    program.prefix = (str(UNSHARE), "--mount", "--net", "sh", "-c", script, str(archive), journal)
    before, journaled = snapshot(archive), (archive / JOURNAL).read_text()
    assert program.run("verify", archive, "--quiet").status == 0
    assert snapshot(archive) == before
    flip(file_of(archive, simulator.world, 3, "mp4"))
    assert program.run("verify", archive, "--quiet").status == 7
    lines = (archive / JOURNAL).read_text().removeprefix(journaled).splitlines()
    assert [json.loads(line)["exit_status"] for line in lines] == [0, 7]


@pytest.mark.parametrize("path", ["/it's/p", '/the "p"', "/a\\p"])
def test_a_program_that_systemd_does_not_run_is_refused(path: str) -> None:
    with pytest.raises(ConfigError, match="runs no program whose path holds quotes"):
        recipes("systemd", facts_of(path))


@pytest.mark.parametrize("path", ["/key ", "/key\\"])
def test_a_key_file_that_systemd_cannot_name_is_refused(path: str) -> None:
    with pytest.raises(ConfigError, match="cannot load the key file"):
        recipes("systemd", facts_of(key_file=path))


# --- launchd ---


@given(program=PATHS, archive=PATHS, config_file=PATHS)
@example(program=NASTY, archive=NASTY, config_file="/]]>-->")
def test_a_launch_agent_holds_exactly_that(program: str, archive: str, config_file: str) -> None:
    facts = facts_of(program, archive=archive, config_file=config_file)
    times = ({"Hour": 3, "Minute": 17}, {"Day": 1, "Hour": 4, "Minute": 47})
    for job, recipe, when in zip(jobs(facts), recipes("launchd", facts), times, strict=True):
        agent = plistlib.loads(recipe.text.encode(recipe.encoding))
        assert agent["ProgramArguments"] == list(job.command)
        assert agent["StartCalendarInterval"] == when
        assert recipe.name == f"{agent['Label']}.plist"
        assert f"~/Library/LaunchAgents/{recipe.name}" in recipe.text
        assert (agent["ProcessType"], agent["LowPriorityIO"]) == ("Background", True)
        assert agent["StandardErrorPath"] == "/home/ana/Library/Logs/pictory-archiver.log"


# --- Windows ---


def as_windows_splits_it(line: str) -> list[str]:
    """Arguments by the rules of the C run-time: backslashes count only before a quote."""
    words, word, quoted, begun = [], "", False, False
    for backslashes, character in re.findall(r"(\\*)(.|$)", line, re.DOTALL):
        if character == '"':
            word, begun = word + "\\" * (len(backslashes) // 2), True
            if len(backslashes) % 2:
                word += '"'
            else:
                quoted = not quoted
        else:
            word, begun = word + backslashes, begun or bool(backslashes)
            if character in (" ", "\t", "") and not quoted:
                words += [word] if begun else []
                word, begun = "", False
            else:
                word, begun = word + character, True
    assert not quoted
    return words


WINDOWS_PATHS = PATHS.filter(lambda path: path.count("%") < 2).map(lambda path: "C:\\" + path[1:])


@given(program=WINDOWS_PATHS, archive=WINDOWS_PATHS, config_file=WINDOWS_PATHS)
@example(program="C:\\é & <b>\\p.exe", archive="C:\\a b\\", config_file="C:\\]]>--> 100%")
def test_a_task_holds_exactly_that(program: str, archive: str, config_file: str) -> None:
    facts = facts_of(program, archive=archive, config_file=config_file)
    for job, recipe in zip(jobs(facts), recipes("windows", facts), strict=True):
        data = recipe.text.encode(recipe.encoding)
        assert data[:2] in (b"\xff\xfe", b"\xfe\xff")
        assert recipe.text.isascii()
        task = ET.fromstring(data)
        assert task.findtext(f".//{TASK}Command") == program
        assert as_windows_splits_it(task.findtext(f".//{TASK}Arguments") or "") == list(job.arguments)
        settings_of = {each.tag.removeprefix(TASK): each.text for each in task.find(f"{TASK}Settings") or ()}
        assert settings_of["MultipleInstancesPolicy"] == "IgnoreNew"
        assert settings_of["StartWhenAvailable"] == "true"
        assert settings_of["Priority"] == "7"


def test_the_tasks_are_for_every_day_and_for_the_first_of_every_month() -> None:
    of_night, of_month = (ET.fromstring(recipe.text.encode("utf-16")) for recipe in recipes("windows", facts_of()))
    starts = [task.findtext(f".//{TASK}StartBoundary") or "" for task in (of_night, of_month)]
    assert [start.partition("T")[2] for start in starts] == ["03:17:00", "04:47:00"]
    assert of_night.findtext(f".//{TASK}ScheduleByDay/{TASK}DaysInterval") == "1"
    schedule = of_month.find(f".//{TASK}ScheduleByMonth")
    assert schedule is not None
    assert [day.text for day in schedule.findall(f"{TASK}DaysOfMonth/{TASK}Day")] == ["1"]
    months = [month.tag.removeprefix(TASK) for month in schedule.find(f"{TASK}Months") or ()]
    assert months == list(calendar.month_name)[1:]
    needs = [task.findtext(f".//{TASK}RunOnlyIfNetworkAvailable") for task in (of_night, of_month)]
    assert needs == ["true", "false"], "a check needs no network"


def test_a_path_that_windows_would_change_is_refused() -> None:
    with pytest.raises(ConfigError, match="between two %"):
        recipes("windows", facts_of(archive="C:\\%TEMP%"))


# --- the command ---


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """The program with settings, and no account to reach."""
    return Program(tmp_path / "home", "http://127.0.0.1:9/pictoryapis", (), key=None)


def test_it_fills_in_the_facts(program: Program, tmp_path: Path) -> None:
    program.settings = {
        "archive": "up/../archive",
        "api": {"key_file": "the key"},
        "catalogue": {"folder": "~/index"},
    }
    outcome = program.run("schedule", "print", "systemd", "--at", "23:05")
    assert outcome.status == 0
    home = program.home
    script = Path(sys.executable).with_name("pictory-archiver")
    of_night, of_month = (by_systemds_rules(start) for start in values(outcome.stdout, "ExecStart"))
    for words in (of_night, of_month):
        assert words[0].removeprefix(":") == str(script if script.exists() else sys.executable)
    which = (str(home / "archive"), "--config", str(home / "config.yaml"))
    assert of_night[-6:] == ["sync", *which, "--must-exist", "--quiet"]
    assert of_month[-5:] == ["verify", *which, "--quiet"]
    assert values(outcome.stdout, "ReadWritePaths") == [
        f"-{home / 'archive'}",
        f"-{home / 'index'}",
        f"-{home / 'archive' / JOURNAL}",
    ]
    assert values(outcome.stdout, "LoadCredential") == [f"pictory-key:{home / 'the key'}"]
    assert values(outcome.stdout, "OnCalendar") == ["*-*-* 23:05:00", "*-*-01 00:35:00"]
    for place in ("service", "timer", "verify.service", "verify.timer"):
        assert f"# Belongs into /etc/systemd/system/pictory-archiver.{place}\n" in outcome.stdout


def test_without_a_script_the_module_is_run(program: Program, tmp_path: Path) -> None:
    lonely = tmp_path / "bin" / "python"
    lonely.parent.mkdir()
    lonely.symlink_to(sys.executable)
    (lonely.parent.parent / "pyvenv.cfg").write_text(f"home = {Path(sys.executable).resolve().parent}\n")
    done = subprocess.run(
        [lonely, "-m", "pictory_archiver", "schedule", "print", "cron", "/backup"],
        env={"HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert f"17 3 * * * {lonely} -m pictory_archiver sync /backup --must-exist --quiet\n" in done.stdout


def test_the_archive_of_the_command_line_wins_and_is_made_absolute(program: Program, tmp_path: Path) -> None:
    program.settings = {"archive": "/other", "api": {"key_command": "pass show pictory"}}
    outcome = program.run("schedule", "print", "launchd", "mine", cwd=tmp_path)
    of_night, of_month = (plistlib.loads(text.encode()) for text in re.split(r"\n(?=<\?xml)", outcome.stdout))
    assert of_night["ProgramArguments"][-6:-3] == ["sync", str(tmp_path / "mine"), "--config"]
    assert of_month["ProgramArguments"][-5:-2] == ["verify", str(tmp_path / "mine"), "--config"]


def test_it_warns_of_what_a_scheduled_run_would_miss(program: Program, archive: Path) -> None:
    program.env = {"PICTORY_API_KEY_FILE": "/the/key", "HTTPS_PROXY": "http://proxy:3128"}
    warnings = program.run("schedule", "print", "cron", archive).stderr.splitlines()
    seen = "Warning: a scheduled run does not see HTTPS_PROXY, PICTORY_API_BASE_URL, PICTORY_API_KEY_FILE: "
    assert warnings[0].startswith(seen)
    assert warnings[1].startswith(f"Warning: {archive} is no archive yet")
    assert len(warnings) == 2
    assert "PICTORY_API_KEY_FILE" not in program.run("schedule", "print", "systemd", archive).stderr
    program.env = {"PICTORY_ARCHIVER_API_KEY_FILE": "/the/key"}
    assert "API_KEY_FILE" in program.run("schedule", "print", "cron", archive).stderr
    of_systemd = program.run("schedule", "print", "systemd", archive)
    assert "API_KEY_FILE" not in of_systemd.stderr
    assert values(of_systemd.stdout, "LoadCredential") == ["pictory-key:/the/key"]
    program.env = {}
    assert "finds no API key: run `pictory-archiver init`" in program.run("schedule", "print", "cron", archive).stderr


def test_nothing_is_missing_nothing_is_said(account: Account, archive: Path) -> None:
    _, program = account(World(count=1))
    assert program.run("sync", archive).status == 0
    program.settings = {"api": {"key_command": "pass show pictory", "base_url": program.api_url}}
    program.env = {"PICTORY_API_BASE_URL": "", "PICTORY_ARCHIVER_ALLOW_ORIGINS": "", "PICTORY_API_KEY": ""}
    outcome = program.run("schedule", "print", "cron", archive)
    assert (outcome.status, outcome.stderr) == (0, "")


def test_accounts_are_scheduled_by_name(program: Program, tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "the other"
    program.settings = {
        "accounts": {
            "studio-a": {"archive": str(one), "key_file": "a.key"},
            "agency-b": {"archive": str(other), "key_command": ["pass", "b"]},
        }
    }
    program.env = {"PICTORY_API_KEY": "pictai_x", "PICTORY_API_KEY_FILE": "/x", "PICTORY_API_BASE_URL": ""}
    of_one = program.run("schedule", "print", "systemd", "--account", "agency-b")
    assert [by_systemds_rules(start)[1:4] for start in values(of_one.stdout, "ExecStart")] == [
        ["sync", "--account", "agency-b"],
        ["verify", "--account", "agency-b"],
    ]
    assert values(of_one.stdout, "ReadWritePaths") == [f'"-{other}"', f'"-{other / JOURNAL}"']
    assert "LoadCredential" not in of_one.stdout
    assert f"Warning: {other} is no archive yet" in of_one.stderr
    assert "PICTORY_API" not in of_one.stderr
    of_all = program.run("schedule", "print", "systemd", "--all-accounts")
    assert [by_systemds_rules(start)[1:3] for start in values(of_all.stdout, "ExecStart")] == [
        ["sync", "--all-accounts"],
        ["verify", "--all-accounts"],
    ]
    assert values(of_all.stdout, "RequiresMountsFor") == [str(one), f'"{other}"'] * 2
    assert values(of_all.stdout, "ReadWritePaths")[2:] == [f"-{one / JOURNAL}", f'"-{other / JOURNAL}"']
    unknown = program.run("schedule", "print", "cron", "--account", "agency")
    assert unknown.status == 2
    assert "agency-b" in unknown.stderr


@each_kind
def test_files_are_written_and_never_replaced(program: Program, tmp_path: Path, kind: str) -> None:
    printed = program.run("schedule", "print", kind, "/backup/é 100%").stdout
    folder = tmp_path / "new" / "folder"
    outcome = program.run("schedule", "print", kind, "/backup/é 100%", "--output", folder)
    assert (outcome.status, outcome.stdout) == (0, "")
    made = [Path(path) for path in re.findall("^Saved: (.*)$", outcome.stderr, re.MULTILINE)]
    assert sorted(made) == sorted(folder.iterdir())
    assert len(made) == {"systemd": 4, "cron": 1, "launchd": 2, "windows": 2}[kind]
    encoding = "utf-16" if kind == "windows" else "utf-8"
    assert "\n".join(path.read_text(encoding) for path in made) == printed
    again = program.run("schedule", "print", kind, "/elsewhere", "--output", folder)
    assert again.status == 2
    assert f"{made[0]} is there already and was left as it is; remove it" in again.stderr
    assert "\n".join(path.read_text(encoding) for path in made) == printed
    for path in made[:-1]:
        path.unlink()
    assert program.run("schedule", "print", kind, "/elsewhere", "--output", folder).status == 2
    assert list(folder.iterdir()) == [made[-1]], "all or none"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["print"], "Missing argument"),
        (["print", "crontab", "/a"], "'crontab' is not one of 'systemd', 'cron', 'launchd', 'windows'"),
        (["print", "cron"], "no archive is named"),
        (["print", "cron", "/a", "--at", "24:00"], "'24:00' is no time of day: write 03:17"),
        (["print", "cron", "/a", "--at", "noon"], "'noon' is no time of day"),
        (["print", "cron", "/a", "--account", "b"], "exclude each other"),
        (["print", "cron", "--all-accounts", "--account", "b"], "exclude each other"),
        (["print", "cron", "/a", "--all-accounts"], "exclude each other"),
        (["print", "cron", "/a\nb"], "/a\\x0ab holds line breaks"),
        (["print", "cron", "~no-such-user/a"], "there is no such home"),
        (["print", "cron", "/a", "--config", "nowhere.yaml"], "nowhere.yaml is not there"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_named_in_one_line(program: Program, tmp_path: Path, words: list[str], said: str) -> None:
    outcome = program.run("schedule", *words, cwd=tmp_path)
    assert (outcome.status, outcome.stdout) == (2, "")
    assert said in outcome.stderr
    assert len([line for line in outcome.stderr.splitlines() if line.startswith("Error: ")]) == 1


@posix_only
def test_a_folder_that_cannot_be_written_is_named(program: Program, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    outcome = program.run("schedule", "print", "cron", "/a", "--output", tmp_path / "file" / "x")
    assert outcome.status == 6
    assert str(tmp_path / "file") in outcome.stderr
