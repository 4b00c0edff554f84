"""What a computer runs unattended: `sync` every night, and `verify` every month. Pure; the facts are handed in.

The check reads every file. It begins on the first day of the month, 90 minutes after the nightly run, as far as the
time of day goes: none of the two waits for the other.
"""

from __future__ import annotations

from msgspec import Struct

NAME = "pictory-archiver"
COPY = "the AI Studio videos of a Pictory account"
CHECK_DAY = 1
CHECK_AFTER_MINUTES = 90


class Facts(Struct, frozen=True, kw_only=True):
    """What a recipe is filled in with. All paths are absolute.

    `program` is the beginning of the command line. Either `archive` is set, or one of `account` and `all_accounts`.
    `folders` are all that a `sync` writes to, `journals` the files that a check adds a line to. `hour` and `minute` are
    local time, of the nightly run. `user` is who runs it, `home` that user's home folder.
    """

    program: tuple[str, ...]
    archive: str | None = None
    account: str | None = None
    all_accounts: bool = False
    config_file: str | None = None
    key_file: str | None = None
    folders: tuple[str, ...] = ()
    journals: tuple[str, ...] = ()
    hour: int
    minute: int
    user: str
    home: str

    @property
    def name(self) -> str:
        """Tells what is run for one account from what is run for another."""
        return f"{NAME}-{self.account}" if self.account else NAME

    @property
    def words(self) -> tuple[str, ...]:
        """Whatever comes into a recipe."""
        commands = (*nightly(self).command, *monthly(self).command)
        return (*commands, *self.folders, *self.journals, self.key_file or "", self.user, self.home)


class Job(Struct, frozen=True, kw_only=True):
    """A command that is run at a local time: every night, or with a `day` once a month.

    `name` tells it from every other job, whatever accounts are called. `verb` is its first argument.
    """

    name: str
    what: str
    program: tuple[str, ...]
    verb: str
    options: tuple[str, ...]
    day: int | None = None
    hour: int
    minute: int

    @property
    def arguments(self) -> tuple[str, ...]:
        """The command line after the program."""
        return (self.verb, *self.options)

    @property
    def command(self) -> tuple[str, ...]:
        """The whole command line."""
        return (*self.program, *self.arguments)


class Recipe(Struct, frozen=True):
    """One file: its name and its text, whose first lines say where it belongs and how to switch it on."""

    name: str
    text: str
    encoding: str = "utf-8"


def jobs(facts: Facts) -> tuple[Job, Job]:
    """All that is to be run."""
    return nightly(facts), monthly(facts)


def nightly(facts: Facts) -> Job:
    """The `sync` of every night. It makes no new archive where a disk is not mounted."""
    return Job(
        name=facts.name,
        what=f"a complete copy of {COPY}",
        program=facts.program,
        verb="sync",
        options=(*_which(facts), "--must-exist", "--quiet"),
        hour=facts.hour,
        minute=facts.minute,
    )


def monthly(facts: Facts) -> Job:
    """The `verify` of every month. Names of accounts stand behind a hyphen, so none of them makes its name twice."""
    minutes = (60 * facts.hour + facts.minute + CHECK_AFTER_MINUTES) % (24 * 60)
    return Job(
        name=f"{NAME}.verify-{facts.account}" if facts.account else f"{NAME}.verify",
        what=f"a check of every file in the copy of {COPY}",
        program=facts.program,
        verb="verify",
        options=(*_which(facts), "--quiet"),
        day=CHECK_DAY,
        hour=minutes // 60,
        minute=minutes % 60,
    )


def _which(facts: Facts) -> tuple[str, ...]:
    return (
        *([facts.archive] if facts.archive else []),
        *(["--account", facts.account] if facts.account else []),
        *(["--all-accounts"] if facts.all_accounts else []),
        *(["--config", facts.config_file] if facts.config_file else []),
    )
