"""`init`, `config check` and `config show`, through click, with real files."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import jsonschema
import msgspec
import pytest
import yaml
from click.testing import CliRunner, Result

from pictory_archiver import cli_config, config, workshop
from pictory_archiver.cli import cli
from pictory_archiver.cli_config import config_group, init
from pictory_archiver.config_report import ConfigReport
from pictory_archiver.errors import ArchiverError, ConfigError, KeyRefused, ListingError, StorageError
from pictory_archiver.key import MASK, Key, find_key
from pictory_archiver.setting_rules import FIELDS
from pictory_archiver.settings import Settings

SECRET = "5ecre7Key"
TEXT = f"pictai_{SECRET}"
PASSWORD = "hunter2"

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="the mode says nothing there")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith("PICTORY_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    for name in ("HOME", "XDG_CONFIG_HOME", "USERPROFILE", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli_config, "_on_terminal", lambda: True)


class Tries:
    """Stands in for `workshop.try_key`: refuses or fails as told, and remembers what it was asked."""

    def __init__(self, *outcomes: int | ArchiverError) -> None:
        self.outcomes = list(outcomes)
        self.asked: list[tuple[Settings, str]] = []

    async def __call__(self, settings: Settings, key: Key) -> int:
        self.asked.append((settings, key.value))
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, ArchiverError):
            raise outcome
        return outcome


@pytest.fixture
def tries(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Tries]:
    def install(*outcomes: int | ArchiverError) -> Tries:
        double = Tries(*outcomes)
        monkeypatch.setattr(workshop, "try_key", double)
        return double

    return install


def run(command: click.Command, *arguments: str, answers: str = "") -> Result:
    settings = cli.context_settings  # click keeps the first help option that a command was asked for
    result = CliRunner().invoke(command, arguments, input=answers, standalone_mode=False, **settings)
    assert SECRET not in result.output + repr(result.exception)
    assert PASSWORD not in result.output + repr(result.exception)
    return result


def succeed(command: click.Command, *arguments: str, answers: str = "") -> Result:
    result = run(command, *arguments, answers=answers)
    if result.exception:
        raise result.exception
    return result


def fail(kind: type[ArchiverError], command: click.Command, *arguments: str, answers: str = "") -> ArchiverError:
    result = run(command, *arguments, answers=answers)
    assert type(result.exception) is kind, result.output
    assert isinstance(result.exception, ArchiverError)
    return result.exception


def users_folder() -> Path:
    return config.settings_file(None, {})[0].parent


# --- config check ---


def test_check_says_that_a_file_is_fine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PICTORY_API_KEY", TEXT)
    (tmp_path / "a.yaml").write_text("account: me")
    result = succeed(config_group, "check", "--config", "a.yaml")
    assert result.stdout == f"{tmp_path / 'a.yaml'} is fine\n"
    assert result.stderr == ""


def test_check_without_a_file_and_without_a_key() -> None:
    result = succeed(config_group, "check")
    assert result.stdout == (
        "There is no settings file; what the environment sets is fine, "
        "but there is no API key yet: run `pictory-archiver init`\n"
    )


def test_check_fails_for_bad_settings_and_bad_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.yaml").write_text("acount: me")
    assert "did you mean account?" in str(fail(ConfigError, config_group, "check", "--config", "a.yaml"))
    (tmp_path / "a.yaml").write_text("api: {key_file: none}")
    assert "is not there" in str(fail(ConfigError, config_group, "check", "--config", "a.yaml"))
    monkeypatch.setenv("PICTORY_API_KEY", f"{TEXT} {TEXT}")
    fail(ConfigError, config_group, "check")


@posix_only
def test_check_gives_warnings_on_stderr(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(SECRET)
    (tmp_path / "key").chmod(0o644)
    (tmp_path / "a.yaml").write_text("api: {key_file: key}")
    result = succeed(config_group, "check", "--config", "a.yaml")
    assert result.stderr.count("Warning: ") == 2
    assert "Warning" not in result.stdout


# --- config show ---


def test_show_names_every_setting_with_value_and_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PICTORY_API_KEY", TEXT)
    monkeypatch.setenv("PICTORY_ARCHIVER_RETRY_TRIES", "3")
    (tmp_path / "a.yaml").write_text("download:\n  max_image_bytes: 3000")
    lines = succeed(config_group, "show", "--config", "a.yaml").stdout.splitlines()
    assert lines[0] == f"# {tmp_path / 'a.yaml'}"
    rows = {path: rest.strip() for path, _, rest in (line.partition(" ") for line in lines[1:])}
    assert list(rows) == [*FIELDS, "api.key"]
    assert rows["api.key"] == f"{MASK} (from PICTORY_API_KEY)"
    assert rows["retry.tries"] == "3 (from PICTORY_ARCHIVER_RETRY_TRIES)"
    assert rows["download.max_image_bytes"] == f"3000 (from {tmp_path / 'a.yaml'}, line 2)"
    assert rows["download.max_video_bytes"] == "16GiB (default)"
    assert rows["download.assets"] == "[video, thumbnail, preview, last_frame, inputs] (default)"
    assert rows["api.pause_seconds"] == "0.25 (default)"
    assert rows["archive"] == "null (default)"
    assert rows["stats.credits_per_second"] == "{veo3.1: 20, veo3.1_fast: 10, pixverse5.5: 1.6} (default)"
    assert len({line.index(rows[path]) for path, line in zip(rows, lines[1:], strict=True)}) == 1


def test_show_without_a_key_and_with_a_bad_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert succeed(config_group, "show").stdout.splitlines()[0] == "# no settings file"
    assert succeed(config_group, "show").stdout.splitlines()[-1].split(maxsplit=1) == ["api.key", "not set"]
    monkeypatch.setenv("PICTORY_API_KEY", f"{TEXT} {TEXT}")
    assert "the API key from PICTORY_API_KEY holds white space" in succeed(config_group, "show").stdout


@pytest.mark.parametrize(
    "url",
    [
        f"http://user:{PASSWORD}@proxy:3128",
        f"user:{PASSWORD}@proxy:3128",
        f"http://a:{PASSWORD}/@{PASSWORD}@proxy:3128",
    ],
)
def test_show_masks_the_passwords_of_proxies(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("https_proxy", url)
    monkeypatch.setenv("no_proxy", "localhost,.lan")
    text = succeed(config_group, "show").stdout
    assert "…@proxy:3128 (from the environment)" in text
    assert "localhost,.lan (from the environment)" in text
    succeed(config_group, "show", "--json")


def test_show_masks_keys_wherever_they_were_put(tmp_path: Path) -> None:
    command = ["echo", TEXT]
    (tmp_path / "a.yaml").write_text(yaml.safe_dump({"api": {"key_command": command, "user_agent": TEXT}}))
    assert f"[echo, {MASK}]" in succeed(config_group, "show", "--config", "a.yaml").stdout
    succeed(config_group, "show", "--config", "a.yaml", "--json")


def test_show_json_obeys_its_schema(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PICTORY_API_KEY", SECRET)
    monkeypatch.setenv("https_proxy", f"http://u:{PASSWORD}@proxy")
    result = succeed(config_group, "show", "--json")
    document = msgspec.json.decode(result.stdout)
    jsonschema.validate(document, msgspec.json.schema(ConfigReport))
    report = msgspec.json.decode(result.stdout, type=ConfigReport)
    assert (document["format"], document["version"]) == ("pictory-archiver/config", 1)
    assert [setting.path for setting in report.settings] == list(FIELDS)
    assert report.key.found
    assert report.key.shown == "…"
    assert report.warnings
    assert all(warning in result.stderr for warning in report.warnings)


@pytest.mark.skipif(sys.platform != "linux", reason="file names of any bytes")
def test_show_survives_a_path_that_is_not_utf8(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PICTORY_ARCHIVER_ARCHIVE", os.fsdecode(b"/caf\xe9"))
    assert "/caf\\udce9" in succeed(config_group, "show").stdout
    succeed(config_group, "show", "--json")


# --- init without a terminal ---


def test_init_without_a_terminal_asks_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tries: Any) -> None:
    double = tries(7)
    monkeypatch.setenv("PICTORY_API_KEY", f"Bearer {TEXT}")
    monkeypatch.setenv("PICTORY_API_BASE_URL", "http://127.0.0.1:1/api")
    result = succeed(init, "--archive", "films")
    assert result.stdout == ""
    assert "The key works: the first page of the list has 7 videos." in result.stderr
    ((settings, key),) = double.asked
    assert (settings.api.base_url, key) == ("http://127.0.0.1:1/api", TEXT)

    loaded = config.load({}, config_file=None, environ={})
    assert loaded.file == users_folder() / "config.yaml"
    assert loaded.settings.archive == str(tmp_path / "films")
    assert loaded.warnings == ()
    found = find_key(loaded.settings.api, {})
    assert found is not None
    assert (found.value, found.warnings) == (TEXT, ())
    assert {path.name for path in users_folder().iterdir()} == {"config.yaml", "config.yaml.key"}
    assert SECRET not in (users_folder() / "config.yaml").read_text()


@posix_only
def test_init_makes_private_files_whatever_the_umask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PICTORY_API_KEY", TEXT)
    former = os.umask(0)
    try:
        succeed(init, "--no-check")
        assert os.umask(0) == 0
    finally:
        os.umask(former)
    folder = users_folder()
    modes = [path.stat().st_mode & 0o777 for path in (folder, folder / "config.yaml", folder / "config.yaml.key")]
    assert modes == [0o700, 0o600, 0o600]


def test_init_without_a_key_and_a_terminal_says_what_to_do() -> None:
    error = fail(ConfigError, init, "--archive", "films")
    assert "no terminal to ask for it" in str(error)
    assert "PICTORY_API_KEY" in error.hint
    assert not users_folder().exists()


def test_init_never_waits_for_input(tmp_path: Path) -> None:
    code = "from pictory_archiver.cli_config import init; init()"
    root = Path(cli_config.__file__).parent.parent
    environ = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        check=False,
        timeout=20,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=environ,
    )
    assert done.returncode != 0
    assert b"no terminal to ask for it" in done.stderr


def test_init_names_the_default_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PICTORY_API_KEY", TEXT)
    succeed(init, "--no-check")
    assert config.load({}, config_file=None, environ={}).settings.archive == str(Path.home() / "Pictory Archive")


@pytest.mark.parametrize("outcome", [KeyRefused("no"), ListingError("down")])
def test_init_saves_nothing_that_did_not_work(monkeypatch: pytest.MonkeyPatch, tries: Any, outcome: Any) -> None:
    tries(outcome)
    monkeypatch.setenv("PICTORY_API_KEY", TEXT)
    fail(type(outcome), init)
    assert not users_folder().exists()


def test_init_writes_where_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PICTORY_API_KEY", TEXT)
    succeed(init, "--no-check", "--config", "deep/er/mine.yaml", "--archive", "a b: #'\"ü🎬")
    loaded = config.load({}, config_file=tmp_path / "deep/er/mine.yaml", environ={})
    assert loaded.settings.archive == str(tmp_path / "a b: #'\"ü🎬")
    assert loaded.settings.api.key_file == str(tmp_path / "deep/er/mine.yaml.key")
    monkeypatch.setenv("PICTORY_ARCHIVER_CONFIG", "other.yaml")
    succeed(init, "--no-check")
    assert (tmp_path / "other.yaml").exists()


@pytest.mark.parametrize("there", ["config.yaml", "config.yaml.key"])
def test_init_replaces_nothing_unasked(monkeypatch: pytest.MonkeyPatch, there: str) -> None:
    monkeypatch.setenv("PICTORY_API_KEY", TEXT)
    users_folder().mkdir(parents=True)
    (users_folder() / there).write_text("broken: [")
    error = fail(ConfigError, init, "--no-check")
    assert there in str(error)
    assert "--force" in error.hint
    assert [path.name for path in users_folder().iterdir()] == [there]
    assert (users_folder() / there).read_text() == "broken: ["
    succeed(init, "--no-check", "--force")
    assert config.load({}, config_file=None, environ={}).settings.archive


def test_init_refuses_bad_options_before_anything_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PICTORY_API_KEY", TEXT)
    (tmp_path / "file").touch()
    assert "is a file" in str(fail(ConfigError, init, "--archive", "file"))
    assert str(fail(ConfigError, init, "--archive", "")).startswith("archive: must be a path")
    assert str(fail(StorageError, init, "--no-check", "--config", "file/a.yaml")).startswith(str(tmp_path / "file"))
    assert not users_folder().exists()


# --- init on a terminal ---


@pytest.mark.usefixtures("terminal")
def test_init_asks_for_key_and_folder(tmp_path: Path, tries: Any) -> None:
    double = tries(100)
    result = succeed(init, answers=f"{TEXT}\n~/films\n")
    assert double.asked[0][1] == TEXT
    assert "Pictory API key" in result.output
    loaded = config.load({}, config_file=None, environ={})
    assert loaded.settings.archive == str(Path.home() / "films")


@pytest.mark.usefixtures("terminal")
def test_init_takes_the_default_folder(tries: Any) -> None:
    tries(0)
    succeed(init, answers=f"{TEXT}\n\n")
    assert config.load({}, config_file=None, environ={}).settings.archive == str(Path.home() / "Pictory Archive")


@pytest.mark.usefixtures("terminal")
def test_init_asks_again_for_a_refused_or_impossible_key(tries: Any) -> None:
    double = tries(KeyRefused("the API refused the key", hint="keys are made elsewhere"), 1)
    result = succeed(init, answers=f"{TEXT}1\n{TEXT} {TEXT}\n{TEXT}2\n\n")
    assert [key for _, key in double.asked] == [f"{TEXT}1", f"{TEXT}2"]
    assert "the API refused the key. keys are made elsewhere." in result.stderr
    assert "holds white space" in result.stderr
    assert (users_folder() / "config.yaml.key").read_text() == f"{TEXT}2\n"


@pytest.mark.usefixtures("terminal")
def test_init_gives_up_after_three_refusals(monkeypatch: pytest.MonkeyPatch, tries: Any) -> None:
    monkeypatch.setenv("PICTORY_API_KEY", TEXT)
    double = tries(*[KeyRefused("the API refused the key")] * 3)
    error = fail(KeyRefused, init, answers=f"{TEXT}\n{TEXT}\n")
    assert error.exit_status == 4
    assert len(double.asked) == 3
    assert not users_folder().exists()


@pytest.mark.usefixtures("terminal")
def test_init_offers_to_save_an_untried_key(tries: Any) -> None:
    tries(ListingError("no connection"), ListingError("no connection"))
    fail(ListingError, init, answers=f"{TEXT}\nn\n")
    assert not users_folder().exists()
    result = succeed(init, answers=f"{TEXT}\ny\n\n")
    assert "no connection" in result.stderr
    assert (users_folder() / "config.yaml.key").read_text() == f"{TEXT}\n"


@pytest.mark.usefixtures("terminal")
def test_init_asks_before_it_replaces(tries: Any) -> None:
    tries(1, 1)
    succeed(init, answers=f"{TEXT}1\n\n")
    assert "was left as it is" in str(fail(ConfigError, init, answers="n\n"))
    assert (users_folder() / "config.yaml.key").read_text() == f"{TEXT}1\n"
    succeed(init, answers=f"y\n{TEXT}2\n\n")
    assert (users_folder() / "config.yaml.key").read_text() == f"{TEXT}2\n"


@pytest.mark.usefixtures("terminal")
def test_init_that_is_left_writes_nothing() -> None:
    assert isinstance(run(init, answers="").exception, click.Abort)
    assert not users_folder().exists()


# --- start-up ---


def test_heavy_libraries_are_not_loaded_at_start_up() -> None:
    code = (
        "import sys; import pictory_archiver.cli_config; "
        "heavy = 'aiohttp yaml bitmath platformdirs asyncio subprocess'; "
        "print([name for name in heavy.split() if name in sys.modules])"
    )
    root = Path(cli_config.__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, timeout=20, capture_output=True, cwd=root, text=True
    )
    assert done.stdout.strip() == "[]"
