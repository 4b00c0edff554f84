"""Several accounts in one settings file: whose folder, whose key, and what is wrong with whom."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click
import pytest

from pictory_archiver.cli_accounts import Chosen, chosen_accounts, over_accounts
from pictory_archiver.config import Loaded, account_names, key_of, load, load_all
from pictory_archiver.errors import ArchiveBusy, ArchiverError, ConfigError, Stopped, StorageError
from pictory_archiver.settings import Settings
from pictory_archiver.simulator import DEFAULT_KEY, Fault, Match, Status, World

from .conftest import Account
from .support import Program
from .test_cli import complete
from .test_config import SECRET
from .test_schemas import validate

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="links, and the shells of POSIX")

TWO = """\
archive: general
account: general
api: {key_file: general.key}
download: {workers: 3}
accounts:
  studio-a:
    archive: a
    key_file: a.key
  Agency.B_2:
    archive: ~/b
    key_command: [pass, show, b]
"""


@pytest.fixture(autouse=True)
def no_settings_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("HOME", "XDG_CONFIG_HOME", "USERPROFILE", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path / "home"))


def write(folder: Path, text: str = TWO) -> Path:
    file = folder / "settings.yaml"
    file.write_text(text)
    return file


def read(folder: Path, text: str = TWO, environ: dict[str, str] | None = None, **more: Any) -> Loaded:
    return load({}, config_file=write(folder, text), environ=environ or {}, **more)


def refusal(folder: Path, text: str, **more: Any) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        read(folder, text, **more)
    assert "\n" not in str(caught.value)
    assert SECRET not in str(caught.value) + caught.value.hint
    assert caught.value.exit_status == 2
    return caught.value


# --- what an account has of its own ---


def test_an_account_has_its_folder_and_its_key_and_shares_the_rest(tmp_path: Path) -> None:
    loaded = read(tmp_path, account="studio-a")
    settings = loaded.settings
    assert (settings.account, settings.archive) == ("studio-a", str(tmp_path / "a"))
    assert (settings.api.key_file, settings.api.key_command) == (str(tmp_path / "a.key"), None)
    assert settings.download.workers == 3
    assert (loaded.accounts, loaded.account) == (("studio-a", "Agency.B_2"), "studio-a")
    file = tmp_path / "settings.yaml"
    assert loaded.sources["account"] == f"{file}, line 6"
    assert loaded.sources["archive"] == f"{file}, line 7"
    assert loaded.sources["api.key_file"] == f"{file}, line 8"
    assert loaded.sources["api.key_command"] == "default"

    other = read(tmp_path, account="Agency.B_2").settings
    assert (other.account, other.archive) == ("Agency.B_2", str(Path.home() / "b"))
    assert (other.api.key_file, other.api.key_command) == (None, ("pass", "show", "b"))


def test_without_an_account_the_general_settings_count(tmp_path: Path) -> None:
    loaded = read(tmp_path)
    assert (loaded.settings.account, loaded.settings.archive) == ("general", str(tmp_path / "general"))
    assert loaded.settings.api.key_file == str(tmp_path / "general.key")
    assert (loaded.accounts, loaded.account) == (("studio-a", "Agency.B_2"), None)


@pytest.mark.parametrize("text", ["accounts:", "accounts: {}", "accounts: null", ""])
def test_there_need_be_none(tmp_path: Path, text: str) -> None:
    loaded = read(tmp_path, text)
    assert (loaded.settings, loaded.accounts) == (Settings(), ())


@pytest.mark.parametrize("account", ["studio-a", "Agency.B_2"])
def test_an_account_wins_over_the_environment(tmp_path: Path, account: str) -> None:
    environ = {
        "PICTORY_ARCHIVER_ARCHIVE": "/elsewhere",
        "PICTORY_ARCHIVER_ACCOUNT": "somebody",
        "PICTORY_ARCHIVER_DOWNLOAD_WORKERS": "5",
    }
    for key in ("PICTORY_API_KEY_FILE", "PICTORY_ARCHIVER_API_KEY_FILE", "PICTORY_ARCHIVER_API_KEY_COMMAND"):
        alone = read(tmp_path, account=account).settings
        loaded = read(tmp_path, environ={**environ, key: "/of-nobody"}, account=account)
        assert (loaded.settings.api, loaded.settings.archive) == (alone.api, alone.archive)
        assert loaded.settings.account == account
        assert loaded.settings.download.workers == 5
        assert key not in loaded.sources.values()


def test_a_key_in_the_environment_belongs_to_no_account(tmp_path: Path) -> None:
    for name in ("a.key", "general.key"):
        (tmp_path / name).write_text(f"pictai_{name}")
        (tmp_path / name).chmod(0o600)
    environ = {"PICTORY_API_KEY": SECRET}
    general = key_of(read(tmp_path, environ=environ), environ)
    mine = key_of(read(tmp_path, environ=environ, account="studio-a"), environ)
    assert general is not None
    assert mine is not None
    assert (general.value, mine.value) == (SECRET, "pictai_a.key")

    (tmp_path / "a.key").unlink()
    with pytest.raises(ConfigError, match=r"a\.key is not there") as caught:
        key_of(read(tmp_path, environ=environ, account="studio-a"), environ)
    assert caught.value.hint == "correct accounts.studio-a.key_file"


# --- what is wrong, and where ---

A = "accounts:\n  a:\n    archive: x\n    key_file: k"
REFUSED = {
    "accounts: 5": "accounts: must consist of `name: value` lines (from FILE, line 1)",
    "accounts: [a]": "accounts: must consist of `name: value` lines (from FILE, line 1)",
    "accounts:\n  a: b": "accounts.a: must consist of `name: value` lines (from FILE, line 2)",
    "accounts:\n  a:": "accounts.a.archive: missing: name the folder of its archive (from FILE, line 2)",
    "accounts:\n  a:\n    key_file: k": "accounts.a.archive: missing: name the folder of its archive "
    "(from FILE, line 2)",
    "accounts:\n  a:\n    archive:": "accounts.a.archive: must be a path, as text, not empty (from FILE, line 3)",
    "accounts:\n  a:\n    archive: x": "accounts.a: must have a key_file or a key_command (from FILE, line 2)",
    "accounts:\n  a:\n    archive: x\n    key_file:": "accounts.a: must have a key_file or a key_command "
    "(from FILE, line 2)",
    f"{A}\n    key_command: c": "accounts.a.key_file (from FILE, line 4) and accounts.a.key_command "
    "(from FILE, line 5): only one of them is allowed",
    f"{A}\n    key_fil: c": "accounts.a.key_fil: unknown setting (from FILE, line 5); "
    "did you mean accounts.a.key_file?",
    f"{A}\n    download: {{}}": "accounts.a.download: unknown setting (from FILE, line 5); "
    "allowed: accounts.a.archive, accounts.a.key_command, accounts.a.key_file",
    f"{A}\n    archive: y": "accounts.a.archive: given twice (from FILE, line 5)",
    f"{A}\n  a:\n    archive: y": "accounts.a: given twice (from FILE, line 5)",
    f"{A}\n  A:\n    archive: y": "accounts.A: differs from accounts.a in capitals alone (from FILE, line 5)",
    "accounts: {a: {archive: 5, key_file: k}}": "accounts.a.archive: must be a path, as text, not 5 "
    "(from FILE, line 1)",
    "accounts: {a: {archive: x, key_file: [k]}}": "accounts.a.key_file: must be a path, as text, not a list "
    "(from FILE, line 1)",
    "accounts: {a: {archive: x, key_command: ''}}": "accounts.a.key_command: must name a program (from FILE, line 1)",
    f"accounts: {{a: {{archive: x, {SECRET}: k}}}}": "accounts.a.pictai_…: unknown setting (from FILE, line 1); "
    "allowed: accounts.a.archive, accounts.a.key_command, accounts.a.key_file",
    "acounts: {}": "acounts: unknown setting (from FILE, line 1); did you mean accounts?",
}


@pytest.mark.parametrize("text", REFUSED, ids=range(len(REFUSED)))
def test_a_refusal_says_where_what_and_what_is_allowed(tmp_path: Path, text: str) -> None:
    assert str(refusal(tmp_path, text)) == REFUSED[text].replace("FILE", str(tmp_path / "settings.yaml"))


@pytest.mark.parametrize("name", ["-a", ".a", "_a", "a b", "a/b", "é", "''", "~", '"a\\n"', "a" * 41, "٣", SECRET])
def test_names_that_are_none(tmp_path: Path, name: str) -> None:
    text = f"accounts:\n  {name}: {{archive: x, key_file: k}}"
    for more in ({}, {"account": "a"}):
        error = str(refusal(tmp_path, text, **more))
        assert error.startswith("accounts.")
        assert "an account's name must be 1 to 40 letters of a-z, digits" in error


@pytest.mark.parametrize("name", ["a", "7", "a" * 40, "A.b_c-d", "no", "archive"])
def test_names_that_are_fine(tmp_path: Path, name: str) -> None:
    text = f"accounts:\n  {name}: {{archive: x, key_file: k}}"
    assert read(tmp_path, text, account=name).settings.account == name


def test_a_name_that_there_is_not(tmp_path: Path) -> None:
    error = refusal(tmp_path, TWO, account="studio-b")
    assert str(error) == "there is no account studio-b in the settings"
    assert error.hint == "did you mean studio-a? The accounts are studio-a, Agency.B_2"
    assert refusal(tmp_path, TWO, account="STUDIO-A").hint.startswith("did you mean studio-a?")
    assert refusal(tmp_path, TWO, account="xyz").hint == "the accounts are studio-a, Agency.B_2"
    assert str(refusal(tmp_path, "", account="a")) == "there is no account a: the settings name none"


# --- folders of their own ---


def two_folders(one: object, other: object) -> str:
    accounts = {"a": {"archive": str(one), "key_file": "k"}, "b": {"archive": str(other), "key_file": "k"}}
    return json.dumps({"accounts": accounts})


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        ("x", "x", "is the archive of accounts.b"),
        ("x", "y/../x/", "is the archive of accounts.b"),
        ("x/y", "x", "lies within the archive of accounts.b"),
        ("x", "x/y/z", "holds the archive of accounts.b"),
    ],
)
def test_each_account_has_a_folder_of_its_own(tmp_path: Path, one: str, other: str, said: str) -> None:
    file = tmp_path / "settings.yaml"
    expected = f"accounts.a.archive: {tmp_path / one} {said}: each account needs a folder of its own (from {file}, line"
    for account in (None, "a"):
        assert str(refusal(tmp_path, two_folders(one, other), account=account)).startswith(expected)
    assert str(refusal(tmp_path, two_folders(one, other), account="b")).startswith("accounts.b.archive: ")


@posix_only
def test_a_link_to_the_folder_is_the_folder(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "y").symlink_to("x")
    assert "is the archive of accounts.b" in str(refusal(tmp_path, two_folders("x", "y")))
    assert "lies within the archive of accounts.b" in str(refusal(tmp_path, two_folders("y/z", "x")))


@pytest.mark.parametrize(("one", "other"), [("x", "y"), ("x", "xy"), ("x/a", "x/b")])
def test_folders_side_by_side_are_fine(tmp_path: Path, one: str, other: str) -> None:
    assert read(tmp_path, two_folders(one, other)).accounts == ("a", "b")


# --- one account's mistake is its own ---

ONE_WRONG = f"{TWO}  wrong:\n    archive: c\n"


def test_what_is_wrong_with_one_account_does_not_concern_another(tmp_path: Path) -> None:
    assert read(tmp_path, ONE_WRONG, account="studio-a").settings.account == "studio-a"
    assert "accounts.wrong: must have a key_file" in str(refusal(tmp_path, ONE_WRONG, account="wrong"))
    assert "accounts.wrong: must have a key_file" in str(refusal(tmp_path, ONE_WRONG))


def test_all_accounts_come_in_their_order_with_their_mistakes(tmp_path: Path) -> None:
    file = write(tmp_path, ONE_WRONG)
    general, accounts = load_all({}, config_file=file, environ={})
    assert general.settings.account == "general"
    assert list(accounts) == ["studio-a", "Agency.B_2", "wrong"]
    assert [type(each) for each in accounts.values()] == [Loaded, Loaded, ConfigError]
    assert account_names(config_file=file, environ={}) == tuple(accounts)
    assert account_names(config_file=None, environ={}) == ()


def test_what_all_share_is_wrong_for_all(tmp_path: Path) -> None:
    file = write(tmp_path, TWO.replace("workers: 3", "workers: 99"))
    with pytest.raises(ConfigError, match=r"download\.workers: must be"):
        load_all({}, config_file=file, environ={})
    assert account_names(config_file=file, environ={}) == ("studio-a", "Agency.B_2")


# --- which one a command runs over ---


def choose(file: Path, *, archive: Path | None = None, account: str | None = None, every: bool = False) -> list[Chosen]:
    return chosen_accounts(archive, account=account, all_accounts=every, config_file=file, overrides={})


def test_one_or_all_are_chosen(tmp_path: Path) -> None:
    file = write(tmp_path, ONE_WRONG.replace("~/b", "b"))
    (one,) = choose(file, account="studio-a")
    assert (one.name, one.root, one.loaded.account) == ("studio-a", tmp_path / "a", "studio-a")
    first, second, wrong = choose(file, every=True)
    assert [first.root, second.root] == [tmp_path / "a", tmp_path / "b"]
    with pytest.raises(ConfigError, match=r"accounts\.wrong"):
        _ = wrong.root
    write(tmp_path)
    (general,) = choose(file)
    assert (general.name, general.root) == ("", tmp_path / "general")
    (named,) = choose(file, archive=tmp_path / "named")
    assert named.root == tmp_path / "named"


@pytest.mark.parametrize(
    "given",
    [
        {"archive": Path("x"), "account": "studio-a"},
        {"archive": Path("x"), "every": True},
        {"account": "studio-a", "every": True},
    ],
)
def test_one_thing_at_a_time_is_named(tmp_path: Path, given: dict[str, Any]) -> None:
    with pytest.raises(click.UsageError, match="exclude each other"):
        choose(write(tmp_path), **given)


def test_one_after_the_other_and_no_failure_stops_the_next(tmp_path: Path) -> None:
    chosen = [Chosen(name, None, Loaded(Settings(), {}, None)) for name in ("a", "b", "c")]
    outcomes: dict[str, int | ArchiverError] = {"a": StorageError("full"), "b": 3, "c": ArchiveBusy("busy")}
    begun: list[str] = []
    told: list[tuple[str, str]] = []

    def run(each: Chosen) -> int:
        begun.append(each.name)
        outcome = outcomes[each.name]
        if isinstance(outcome, ArchiverError):
            raise outcome
        return outcome

    def fail(each: Chosen, error: ArchiverError) -> None:
        told.append((each.name, str(error)))

    assert over_accounts(chosen, run, fail) == 6
    assert begun == ["a", "b", "c"]
    assert told == [("a", "full"), ("c", "busy")]

    outcomes["a"] = 0
    assert over_accounts(chosen, run, fail) == 75
    begun.clear()
    outcomes["b"] = Stopped(15)
    assert over_accounts(chosen, run, fail) == 143
    assert begun == ["a", "b"]


# --- status ---


def own(program: Program, name: str, archive: Path) -> dict[str, str]:
    """An account with a key file of its own."""
    program.home.mkdir(parents=True, exist_ok=True)
    key = program.home / f"{name}.key"
    key.write_text(DEFAULT_KEY)
    key.chmod(0o600)
    return {"archive": str(archive), "key_file": key.name}


@pytest.fixture
def made(account: Account, tmp_path: Path) -> Program:
    """Two archives, `a` complete and `b` not, as accounts of the settings."""
    simulator, program = account(World(count=2))
    assert program.run("sync", tmp_path / "a").status == 0
    simulator.faults.add(Fault(Match(kind="preview", video=0), Status(404), times=None))
    assert program.run("sync", tmp_path / "b").status == 3
    program.settings["accounts"] = {name: own(program, name, tmp_path / name) for name in ("a", "b")}
    program.key = None
    return program


def test_status_of_one_account(made: Program, tmp_path: Path) -> None:
    for name, exit_status in (("a", 0), ("b", 3)):
        outcome = made.run("status", "--account", name)
        assert outcome.status == exit_status
        assert outcome.stdout == made.run("status", tmp_path / name).stdout
        assert f"{tmp_path / name}\n" in outcome.stdout


def test_status_of_all_accounts(made: Program, tmp_path: Path) -> None:
    outcome = made.run("status", "--all-accounts")
    assert (outcome.status, outcome.stderr) == (3, "")
    one, other = (made.run("status", tmp_path / name).stdout for name in ("a", "b"))
    assert outcome.stdout == f"# a\n{one}\n# b\n{other}"
    printed = made.run("status", "--all-accounts", "--json")
    report = validate("status-of-accounts", printed.stdout)
    assert printed.status == report["exit_status"] == 3
    assert [(each["account"], each["exit_status"], each["error"]) for each in report["accounts"]] == [
        ("a", 0, None),
        ("b", 3, None),
    ]
    assert report["accounts"][1]["ledger"] == made.run("status", tmp_path / "b", "--json").report


def test_an_account_that_fails_does_not_hide_the_others(made: Program, tmp_path: Path) -> None:
    accounts = made.settings["accounts"]
    made.settings["accounts"] = {"gone": own(made, "gone", tmp_path / "gone"), **accounts}
    outcome = made.run("status", "--all-accounts")
    assert outcome.status == 6
    problem = f"{tmp_path / 'gone'} is no archive; is the disk mounted? `sync` makes a new one"
    assert outcome.stdout.startswith(f"# gone\nError: {problem}\n\n# a\nComplete as of ")
    made.settings["accounts"]["wrong"] = {"archive": "x"}
    outcome = made.run("status", "--all-accounts")
    assert outcome.status == 2
    assert "\n\n# wrong\nError: accounts.wrong: must have a key_file or a key_command (from " in outcome.stdout
    report = validate("status-of-accounts", made.run("status", "--all-accounts", "--json").stdout)
    assert report["exit_status"] == 2
    assert [each["exit_status"] for each in report["accounts"]] == [6, 0, 3, 2]
    assert [bool(each["ledger"]) for each in report["accounts"]] == [False, True, True, False]
    assert report["accounts"][0]["error"] == problem
    assert made.run("status", "--account", "a").status == 0


def test_with_accounts_and_no_archive_one_has_to_be_chosen(made: Program, tmp_path: Path) -> None:
    outcome = made.run("status", cwd=tmp_path)
    assert (outcome.status, outcome.stdout) == (2, "")
    assert outcome.stderr == (
        "Error: no archive is named, and the settings have 2 accounts: a, b; "
        "choose one with --account NAME, or take --all-accounts\n"
    )
    assert made.run("status", cwd=tmp_path / "a").status == 0
    made.settings["archive"] = str(tmp_path / "b")
    assert made.run("status", cwd=tmp_path).status == 3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["x", "--account", "a"], "Error: ARCHIVE and --account exclude each other"),
        (["x", "--all-accounts"], "Error: ARCHIVE and --all-accounts exclude each other"),
        (["--account", "a", "--all-accounts"], "Error: --account and --all-accounts exclude each other"),
        (["--account", "aa"], "Error: there is no account aa in the settings; did you mean a? The accounts are a, b"),
    ],
)
def test_a_mistake_is_named_in_one_line(tmp_path: Path, words: list[str], said: str) -> None:
    program = Program(tmp_path / "home", "http://127.0.0.1:9/pictoryapis", (), key=None)
    program.settings["accounts"] = {name: own(program, name, tmp_path / name) for name in ("a", "b")}
    outcome = program.run("status", *words)
    assert (outcome.status, outcome.stdout) == (2, "")
    assert outcome.stderr.splitlines()[-1].startswith(said)


def test_all_of_none(tmp_path: Path) -> None:
    program = Program(tmp_path / "home", "http://127.0.0.1:9/pictoryapis", (), key=None)
    outcome = program.run("status", "--all-accounts")
    assert (outcome.status, outcome.stdout) == (2, "")
    assert outcome.stderr == (
        "Error: --all-accounts: the settings have no accounts; name them below `accounts:` in the settings file\n"
    )


@posix_only
def test_the_shell_completes_the_names(made: Program, tmp_path: Path) -> None:
    made.settings["accounts"]["agency"] = {}
    assert complete(made, "pictory-archiver status --account ", 3) == ["a", "b", "agency"]
    assert complete(made, "pictory-archiver status --account a", 3) == ["a", "agency"]
    other = tmp_path / "other.yaml"
    other.write_text("accounts: {zoe: {}}")
    assert complete(made, f"pictory-archiver status --config {other} --account ", 5) == ["zoe"]
    other.write_text("accounts: [")
    assert complete(made, f"pictory-archiver status --config {other} --account ", 5) == [""]


# --- config ---


def test_check_tries_the_key_of_every_account(made: Program, tmp_path: Path) -> None:
    made.settings["accounts"]["b"] = {"archive": "b", "key_command": [sys.executable, "-c", "print('pictai_b')"]}
    outcome = made.run("config", "check")
    assert (outcome.status, outcome.stderr) == (0, "")
    assert outcome.stdout == f"{made.home / 'config.yaml'} is fine, with the accounts a, b\n"

    made.settings["accounts"] |= {
        "b": {"archive": "b", "key_command": [sys.executable, "-c", "raise SystemExit(7)"]},
        "c": {"archive": "c", "key_file": "c.key"},
        "d": {"archive": "d"},
    }
    outcome = made.run("config", "check")
    assert (outcome.status, outcome.stdout) == (2, "")
    assert outcome.stderr.splitlines() == [
        f"Error: accounts.b: the key command {sys.executable} failed with exit status 7; "
        "run it yourself to see what it says",
        f"Error: accounts.c: the key file {made.home / 'c.key'} is not there; correct accounts.c.key_file",
        f"Error: accounts.d: must have a key_file or a key_command (from {made.home / 'config.yaml'}, line 1)",
    ]


def rows(printed: str) -> dict[str, str]:
    return {path: rest.strip() for path, _, rest in (line.partition(" ") for line in printed.splitlines()[1:])}


def test_show_lists_the_accounts(made: Program, tmp_path: Path) -> None:
    made.settings["accounts"]["b"] = {
        "archive": "b",
        "key_command": [sys.executable, "-c", f"print('{SECRET}')"],
    }
    made.settings["accounts"]["c"] = {"archive": "c"}
    outcome = made.run("config", "show")
    assert outcome.status == 0
    assert SECRET not in outcome.stdout + outcome.stderr
    shown = rows(outcome.stdout)
    where = f"(from {made.home / 'config.yaml'}, line 1)"
    assert {path: text for path, text in shown.items() if path.startswith("accounts.")} == {
        "accounts.a.archive": f"{tmp_path / 'a'} {where}",
        "accounts.a.key_file": f"{made.home / 'a.key'} {where}",
        "accounts.a.key": f"pictai_… (from the key file {made.home / 'a.key'})",
        "accounts.b.archive": f"{made.home / 'b'} {where}",
        "accounts.b.key_command": f"[{sys.executable}, -c, print('pictai_…')] {where}",
        "accounts.b.key": f"pictai_… (from the key command {sys.executable})",
        "accounts.c": f"accounts.c: must have a key_file or a key_command {where}",
    }
    report = validate("config", made.run("config", "show", "--json").stdout)
    assert report["account"] is None
    assert [each["name"] for each in report["accounts"]] == ["a", "b", "c"]
    assert [(each["key"] or {}).get("found") for each in report["accounts"]] == [True, True, None]
    assert report["accounts"][2]["problem"].startswith("accounts.c: must have")


def test_show_of_one_account(made: Program, tmp_path: Path) -> None:
    made.env["PICTORY_API_KEY"] = "pictai_nobody's"
    outcome = made.run("config", "show", "--account", "b")
    assert outcome.status == 0
    assert outcome.stdout.startswith(f"# {made.home / 'config.yaml'}, account b\n")
    shown = rows(outcome.stdout)
    assert shown["archive"].startswith(f"{tmp_path / 'b'} (from ")
    assert shown["account"].startswith("b (from ")
    assert shown["api.key"] == f"pictai_… (from the key file {made.home / 'b.key'})"
    assert not [path for path in shown if path.startswith("accounts")]
    report = validate("config", made.run("config", "show", "--account", "b", "--json").stdout)
    assert (report["account"], report["accounts"]) == ("b", [])


@pytest.mark.parametrize(
    "url", ["https://hc-ping.com/5ecre7", "https://hc-ping.com:443?5ecre7", "https://HC-ping.com/p/5ecre7/x"]
)
def test_the_address_of_the_pings_is_a_secret(tmp_path: Path, url: str) -> None:
    program = Program(tmp_path / "home", "http://127.0.0.1:9/pictoryapis", (), key=None)
    program.settings["notify"] = {"healthcheck": url}
    printed = program.run("config", "show")
    assert rows(printed.stdout)["notify.healthcheck"].startswith("https://hc-ping.com/… (from ")
    as_json = program.run("config", "show", "--json")
    for wrong in (f"{url}#x", f"{url} x", [url], url.replace("https", "ftp"), url.replace("//", "//me:word@")):
        program.settings["notify"] = {"healthcheck": wrong}
        refused = program.run("config", "check")
        assert refused.status == 2
        assert "Error: notify.healthcheck: must be" in refused.stderr
        printed.stdout += refused.stdout + refused.stderr
    assert "5ecre7" not in printed.stdout + as_json.stdout
