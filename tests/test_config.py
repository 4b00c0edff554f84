"""Settings: four sources, one order, and an error in one line for whatever is wrong."""

from __future__ import annotations

import os
import string
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trustme
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pictory_archiver.config import VARIABLES, Loaded, allow_origins, load
from pictory_archiver.errors import ConfigError
from pictory_archiver.setting_rules import FIELDS, RULES, format_size, parse_size
from pictory_archiver.settings import CREDITS_PER_SECOND, GIB, KIB, MIB, Settings

EXAMPLE = Path(__file__).parent.parent / "config.example.yaml"
SECRET = "pictai_5ecre7Key"


@pytest.fixture(autouse=True)
def no_settings_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("HOME", "XDG_CONFIG_HOME", "USERPROFILE", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path / "home"))


def read(folder: Path, text: str | bytes, environ: dict[str, str] | None = None, **overrides: object) -> Loaded:
    file = folder / "settings.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    paths = {name.replace("__", "."): value for name, value in overrides.items()}
    return load(paths, config_file=file, environ=environ or {})


def refusal(folder: Path, text: str | bytes, environ: dict[str, str] | None = None, **overrides: object) -> str:
    with pytest.raises(ConfigError) as caught:
        read(folder, text, environ, **overrides)
    message = str(caught.value)
    assert "\n" not in message
    assert SECRET not in message + caught.value.hint + repr(caught.value)
    assert caught.value.exit_status == 2
    return message


def value_of(loaded: Loaded, path: str) -> Any:
    value: Any = loaded.settings
    for name in path.split("."):
        value = getattr(value, name)
    return value


# --- the example file ---


def test_the_example_equals_the_defaults() -> None:
    assert load({}, config_file=EXAMPLE, environ={}).settings == Settings()


def test_the_example_names_every_setting() -> None:
    tree = yaml.safe_load(EXAMPLE.read_text("utf-8"))
    named = {
        f"{name}.{each}" if isinstance(value, dict) else name
        for name, value in tree.items()
        for each in (value if isinstance(value, dict) else [None])
    }
    assert named == set(FIELDS)


def test_the_defaults_obey_their_own_bounds_and_rules() -> None:
    msgspec.convert(msgspec.to_builtins(Settings()), Settings)
    for path, rule in RULES.items():
        default = value_of(Loaded(Settings(), {}, None), path)
        assert rule(default) == default


# --- order and sources ---


def test_nothing_given_means_defaults() -> None:
    loaded = load({}, config_file=None, environ={})
    assert loaded.settings == Settings()
    assert loaded.file is None
    assert loaded.sources == dict.fromkeys(FIELDS, "default")


def test_each_source_wins_over_the_next(tmp_path: Path) -> None:
    text = "download: {workers: 2}\nretry:\n  tries: 2\naccount: file"
    environ = {"PICTORY_ARCHIVER_DOWNLOAD_WORKERS": "3", "PICTORY_ARCHIVER_RETRY_TRIES": "3"}
    loaded = read(tmp_path, text, environ, download__workers=4)
    assert (loaded.settings.download.workers, loaded.settings.retry.tries, loaded.settings.account) == (4, 3, "file")
    assert loaded.sources["download.workers"] == "command line"
    assert loaded.sources["retry.tries"] == "PICTORY_ARCHIVER_RETRY_TRIES"
    assert loaded.sources["account"] == f"{tmp_path / 'settings.yaml'}, line 4"
    assert loaded.sources["api.base_url"] == "default"
    assert loaded.file == tmp_path / "settings.yaml"


def test_what_was_not_given_overrides_nothing(tmp_path: Path) -> None:
    loaded = read(tmp_path, "account: file", {"PICTORY_ARCHIVER_ACCOUNT": ""}, account=None)
    assert loaded.settings.account == "file"


def test_an_unknown_override_is_an_error(tmp_path: Path) -> None:
    message = refusal(tmp_path, "", download__worker=3)
    assert message == "download.worker: unknown setting (from command line); did you mean download.workers?"


def test_the_file_is_looked_for_in_order(tmp_path: Path) -> None:
    import platformdirs

    users = platformdirs.user_config_path("pictory-archiver", appauthor=False) / "config.yaml"
    assert users.is_relative_to(tmp_path)
    users.parent.mkdir(parents=True)
    users.write_text("account: user")
    (tmp_path / "a.yaml").write_text("account: variable")
    (tmp_path / "b.yaml").write_text("account: option")
    environ = {"PICTORY_ARCHIVER_CONFIG": str(tmp_path / "a.yaml")}
    assert load({}, config_file=tmp_path / "b.yaml", environ=environ).settings.account == "option"
    assert load({}, config_file=None, environ=environ).settings.account == "variable"
    assert load({}, config_file=None, environ={"PICTORY_ARCHIVER_CONFIG": ""}).settings.account == "user"


def test_a_named_file_has_to_be_there(tmp_path: Path) -> None:
    missing = tmp_path / "missing.yaml"
    with pytest.raises(ConfigError, match=r"missing\.yaml is not there"):
        load({}, config_file=missing, environ={})
    with pytest.raises(ConfigError, match=r"missing\.yaml is not there"):
        load({}, config_file=None, environ={"PICTORY_ARCHIVER_CONFIG": str(missing)})


def test_every_setting_has_a_variable_of_its_own() -> None:
    generic = {name: path for name, path in VARIABLES.items() if name.startswith("PICTORY_ARCHIVER_")}
    assert sorted(generic.values()) == sorted(FIELDS)
    assert VARIABLES["PICTORY_API_BASE_URL"] == "api.base_url"
    assert VARIABLES["PICTORY_API_KEY_FILE"] == "api.key_file"


ENVIRONMENT = {
    "PICTORY_ARCHIVER_DOWNLOAD_ASSETS": ("video, inputs", "download.assets", ("video", "inputs")),
    "PICTORY_ARCHIVER_DOWNLOAD_MAX_IMAGE_BYTES": (" 64MB ", "download.max_image_bytes", 64_000_000),
    "PICTORY_ARCHIVER_DOWNLOAD_MIN_SPEED": ("0", "download.min_speed", 0),
    "PICTORY_ARCHIVER_DOWNLOAD_WORKERS": (" 9 ", "download.workers", 9),
    "PICTORY_ARCHIVER_API_PAUSE_SECONDS": ("0.5", "api.pause_seconds", 0.5),
    "PICTORY_ARCHIVER_API_KEY_COMMAND": ("pass show 'my key'", "api.key_command", "pass show 'my key'"),
    "PICTORY_ARCHIVER_ACCOUNT": ("null", "account", "null"),
    "PICTORY_API_BASE_URL": ("https://example.org/api/", "api.base_url", "https://example.org/api"),
    "PICTORY_ARCHIVER_STATS_CREDITS_PER_SECOND": (
        "VEO3.1 = 25, a=b=0.5",
        "stats.credits_per_second",
        {"VEO3.1": 25.0, "veo3.1_fast": 10.0, "pixverse5.5": 1.6, "a=b": 0.5},
    ),
}


@pytest.mark.parametrize("name", ENVIRONMENT)
def test_the_environment_is_text_and_read_by_type(name: str) -> None:
    text, path, expected = ENVIRONMENT[name]
    loaded = load({}, config_file=None, environ={name: text})
    assert value_of(loaded, path) == expected
    assert loaded.sources[path] == name


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("veo4", r": must be names .*, each with a number from 0 to 100000, as name=value,name=value, not \"veo4\""),
        ("a=1,", r": must be names .* not \"a=1,\""),
        ("a=1,a=2", ": a is given twice"),
        ("a=1,b=many", r"\.b: must be a number from 0 to 100000, not \"many\""),
        ("a=nan", r"\.a: must be a number from 0 to 100000, not \"nan\""),
    ],
)
def test_a_mapping_in_the_environment_is_held_to_its_form(text: str, problem: str) -> None:
    name = "PICTORY_ARCHIVER_STATS_CREDITS_PER_SECOND"
    with pytest.raises(ConfigError, match=rf"^stats\.credits_per_second{problem} \(from {name}\)$"):
        load({}, config_file=None, environ={name: text})


@pytest.mark.parametrize(
    ("text", "rates"),
    [
        ("{}", CREDITS_PER_SECOND),
        ("{new: 3}", CREDITS_PER_SECOND | {"new": 3}),
        ("{veo3.1: 0}", CREDITS_PER_SECOND | {"veo3.1": 0}),
        ("{Veo3.1_FAST: 12.5}", {"veo3.1": 20, "pixverse5.5": 1.6, "Veo3.1_FAST": 12.5}),
        ("{5: 1, yes: 2}", CREDITS_PER_SECOND | {"5": 1, "yes": 2}),
    ],
)
def test_given_rates_are_added_to_the_documented_ones(tmp_path: Path, text: str, rates: dict[str, float]) -> None:
    loaded = read(tmp_path, f"stats: {{credits_per_second: {text}}}")
    assert loaded.settings.stats.credits_per_second == rates


def test_pictorys_own_variable_wins_over_the_generic_one(tmp_path: Path) -> None:
    environ = {"PICTORY_ARCHIVER_API_KEY_FILE": "/a", "PICTORY_API_KEY_FILE": "/b"}
    assert Path(load({}, config_file=None, environ=environ).settings.api.key_file or "").name == "b"


def test_an_unknown_variable_is_an_error_and_foreign_ones_are_none() -> None:
    with pytest.raises(ConfigError, match=r"WORKER; did you mean PICTORY_ARCHIVER_DOWNLOAD_WORKERS\?"):
        load({}, config_file=None, environ={"PICTORY_ARCHIVER_DOWNLOAD_WORKER": "3"})
    foreign = {
        "_PICTORY_ARCHIVER_COMPLETE": "bash_source",
        "PICTORY_API_KEY": SECRET,
        "PICTORY_OTHER": "1",
        "PICTORY_ARCHIVER_ALLOW_ORIGINS": "http://127.0.0.1:1",
    }
    assert load({}, config_file=None, environ=foreign).settings == Settings()


# --- paths ---


def test_relative_paths_start_where_they_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    text = "archive: films\napi: {key_file: key}"
    loaded = read(tmp_path, text, {"PICTORY_API_KEY_FILE": "key"})
    assert loaded.settings.archive == str(tmp_path / "films")
    assert loaded.settings.api.key_file == str(here / "key")
    assert read(tmp_path, text, archive="films").settings.archive == str(here / "films")


def test_home_is_filled_in(tmp_path: Path) -> None:
    assert read(tmp_path, "archive: ~/films").settings.archive == str(Path.home() / "films")
    assert "write the path in full" in refusal(tmp_path, "archive: ~no-such-user-here/films")


# --- a key file or a key command ---


def test_one_source_for_the_key(tmp_path: Path) -> None:
    assert "only one of them is allowed" in refusal(tmp_path, "api: {key_file: a, key_command: b}")
    nulled = read(tmp_path, "api: {key_file: null, key_command: b}").settings.api
    assert (nulled.key_file, nulled.key_command) == (None, "b")


def test_a_choice_further_up_hides_the_other_kind(tmp_path: Path) -> None:
    loaded = read(tmp_path, "api: {key_command: b}", {"PICTORY_API_KEY_FILE": "/a"})
    assert loaded.settings.api.key_command is None
    assert loaded.sources["api.key_file"] == "PICTORY_API_KEY_FILE"
    assert loaded.sources["api.key_command"] == "default"


# --- what is wrong, where, and what is allowed ---

REFUSED = {
    "workers: 3": "workers: unknown setting (from FILE, line 1); did you mean download.workers?",
    "downloads: {}": "downloads: unknown setting (from FILE, line 1); did you mean download?",
    "api:\n  basurl: x": "api.basurl: unknown setting (from FILE, line 2); did you mean api.base_url?",
    "network: {zzz: 1}": "network.zzz: unknown setting (from FILE, line 1); "
    "allowed: network.ca_file, network.connect_timeout_seconds",
    "download.workers: 3": "download.workers: write `workers:` below `download:` (from FILE, line 1)",
    f"api: {{key: {SECRET}}}": "api.key: unknown setting (from FILE, line 1); did you mean api.key_file?",
    f"{SECRET}: 1": "pictai_…: unknown setting (from FILE, line 1); "
    "allowed: account, accounts, api, archive, catalogue, download, layout, library, network, notify, retry, stats",
    "\ndownload: {workers: 99}": "download.workers: must be a whole number from 1 to 64, not 99 (from FILE, line 2)",
    f"download: {{workers: 0x{'f' * 5000}}}": "download.workers: must be a whole number from 1 to 64, "
    "not a number of so many digits (from FILE, line 1)",
    "download: {workers: '8'}": 'download.workers: must be a whole number from 1 to 64, not "8" (from FILE, line 1)',
    "download: {workers: 8.5}": "download.workers: must be a whole number from 1 to 64, not 8.5 (from FILE, line 1)",
    "download: {workers: }": "download.workers: must be a whole number from 1 to 64, not empty (from FILE, line 1)",
    "download: {stall_seconds: .nan}": "download.stall_seconds: must be a number above 0, up to 86400, not nan "
    "(from FILE, line 1)",
    "download: {stall_seconds: 0}": "download.stall_seconds: must be a number above 0, up to 86400, not 0 "
    "(from FILE, line 1)",
    "retry: {max_wait_seconds: .inf}": "retry.max_wait_seconds: must be a number from 0 to 86400, not inf "
    "(from FILE, line 1)",
    "download: {max_image_bytes: 0}": "download.max_image_bytes: must be a size from 1 to 1PiB in bytes, such as "
    "500000, 64MB or 10MiB, not 0 (from FILE, line 1)",
    "download: {max_image_bytes: 64XB}": "download.max_image_bytes: must be a size such as 500000, 64MB or 10MiB, "
    "not 64XB (from FILE, line 1)",
    "account: no": "account: must be text of 1 to 40 characters, not false (in quotes it would be text) "
    "(from FILE, line 1)",
    "account: 2026-01-01": "account: must be text of 1 to 40 characters, not 2026-01-01 (from FILE, line 1)",
    "account: ''": 'account: must be text of 1 to 40 characters, not "" (from FILE, line 1)',
    "account: !!int x": "account: not a value that YAML knows; put it in quotes (from FILE, line 1)",
    "account: !!python/object/apply:os.getcwd []": "account: must be text of 1 to 40 characters, not a list "
    "(from FILE, line 1)",
    'account: "a\\eb"': "account: must not hold line breaks or other control characters (from FILE, line 1)",
    "archive: ''": 'archive: must be a path, as text, not "" (from FILE, line 1)',
    "archive: {a: b}": "archive: must be a path, as text, not a group (from FILE, line 1)",
    "archive: &a [*a]": "archive: must be a path, as text, not a list (from FILE, line 1)",
    "api: {key_command: ''}": "api.key_command: must name a program (from FILE, line 1)",
    "api: {key_command: []}": "api.key_command: must name a program (from FILE, line 1)",
    "api: {key_command: 'a \"b'}": "api.key_command: must be a command line whose quotes are closed "
    "(from FILE, line 1)",
    "api: {user_agent: ' x'}": "api.user_agent: must be printable ASCII text, without white space around it "
    "(from FILE, line 1)",
    "api: {user_agent: é}": "api.user_agent: must be printable ASCII text, without white space around it "
    "(from FILE, line 1)",
    'api: {user_agent: "a\\r\\nHost: b"}': "api.user_agent: must not hold line breaks or other control characters "
    "(from FILE, line 1)",
    "layout: {time_zone: Berlin}": "layout.time_zone: must be a time zone's name such as UTC, Europe/Berlin or "
    "America/New_York, not Berlin (from FILE, line 1)",
    "download: {assets: [video, film]}": "download.assets: must be one or more of video, thumbnail, preview, "
    "last_frame, inputs, each once, not [video, film] (from FILE, line 1)",
    "retry: {min_wait_seconds: 90}": "retry.min_wait_seconds: 90 (from FILE, line 1) must not be more than "
    "retry.max_wait_seconds, 60 (from default)",
    "stats: {credits_per_second: 5}": "stats.credits_per_second: must be names (text of 1 to 100 characters), "
    "each with a number from 0 to 100000, not 5 (from FILE, line 1)",
    "stats: {credits_per_second: {'': 5}}": "stats.credits_per_second: must be names (text of 1 to 100 characters), "
    "each with a number from 0 to 100000, not a group (from FILE, line 1)",
    "stats:\n  credits_per_second:\n    veo4: .nan": "stats.credits_per_second.veo4: must be a number from 0 to "
    "100000, not nan (from FILE, line 2)",
    "stats: {credits_per_second: {veo4: '20'}}": "stats.credits_per_second.veo4: must be a number from 0 to 100000, "
    'not "20" (from FILE, line 1)',
    "stats: {credits_per_second: {veo4: {a: 1}}}": "stats.credits_per_second.veo4: must be a number from 0 to 100000, "
    "not a group (from FILE, line 1)",
    "stats: {credits_per_second: {a: 1, A: 1}}": "stats.credits_per_second: a and A are one model: capitals do not "
    "matter (from FILE, line 1)",
    "stats:\n  credits_per_second:\n    a: 1\n    a: 1": "stats.credits_per_second.a: given twice (from FILE, line 4)",
    f"stats: {{credits_per_second: {{{SECRET}: x}}}}": "stats.credits_per_second.pictai_…: must be a number from 0 to "
    '100000, not "x" (from FILE, line 1)',
    'stats: {credits_per_second: {"a\\eb": 1}}': "stats.credits_per_second: must not hold line breaks or other control "
    "characters (from FILE, line 1)",
    "account: a\naccount: b": "account: given twice (from FILE, line 2)",
    "api:\n  base_url: a\n  base_url: b": "api.base_url: given twice (from FILE, line 3)",
    "api: 5": "api: must consist of `name: value` lines (from FILE, line 1)",
    "- a": "the settings file must consist of `name: value` lines (from FILE, line 1)",
    "just text": "the settings file must consist of `name: value` lines (from FILE, line 1)",
    "? [a]\n: b": "?: a setting's name must be a word (from FILE, line 1)",
    "<<: {account: a}": "<<: unknown setting (from FILE, line 1); "
    "allowed: account, accounts, api, archive, catalogue, download, layout, library, network, notify, retry, stats",
    "api:\n\tbase_url: x": "FILE, line 2: not YAML: found character '\\t' that cannot start any token",
    "account: *a": "FILE, line 1: not YAML: found undefined alias 'a'",
    "account: a\n---\naccount: b": "FILE, line 2: not YAML: but found another document",
    "account: a\nx: \x00": "FILE, line 2: a character that YAML does not allow",
    "[" * 5000: "FILE: nested too deeply",
}


@pytest.mark.parametrize("text", REFUSED, ids=range(len(REFUSED)))
def test_a_refusal_says_where_what_and_what_is_allowed(tmp_path: Path, text: str) -> None:
    assert refusal(tmp_path, text) == REFUSED[text].replace("FILE", str(tmp_path / "settings.yaml"))


@pytest.mark.parametrize("words", ["", "[]", "[video, video]", "Video", "[[video]]"])
def test_assets_are_a_list_of_known_words(tmp_path: Path, words: str) -> None:
    assert refusal(tmp_path, f"download: {{assets: {words}}}").startswith("download.assets: must be ")


@pytest.mark.parametrize("zone", ["../x", "/etc/hostname", "Europe", "''", "europe/ berlin", "a\u0301"])
def test_a_time_zone_is_a_known_one(tmp_path: Path, zone: str) -> None:
    assert refusal(tmp_path, f"layout: {{time_zone: {zone}}}").startswith("layout.time_zone: must be a time zone's")


def test_the_template_is_judged_by_the_layout(tmp_path: Path) -> None:
    message = refusal(tmp_path, "layout: {template: '{id'}")
    assert message.startswith("layout.template: '{id'")
    assert read(tmp_path, "layout: {template: '{id}'}").settings.layout.template == "{id}"


def test_the_certificates_have_to_be_there(tmp_path: Path) -> None:
    assert refusal(tmp_path, "network: {ca_file: ca.pem}").startswith("network.ca_file: must be a file of cert")
    assert refusal(tmp_path, "network: {ca_file: .}").startswith("network.ca_file: must be a file of cert")
    (tmp_path / "ca.pem").write_text("x")
    assert refusal(tmp_path, "network: {ca_file: ca.pem}").startswith("network.ca_file: must be a file of cert")
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    assert read(tmp_path, "network: {ca_file: ca.pem}").settings.network.ca_file == str(tmp_path / "ca.pem")


@pytest.mark.parametrize(
    "url",
    ["https://a.example", "https://A.example:8/b", "http://127.0.0.1:8080/x", "http://[::1]:1", "http://localhost"],
)
def test_base_urls_that_are_admitted(tmp_path: Path, url: str) -> None:
    assert read(tmp_path, f"api: {{base_url: '{url}/'}}").settings.api.base_url == url


@pytest.mark.parametrize(
    "url",
    [
        *(
            "http://a.example",
            "http://10.0.0.1",
            "http://0.0.0.0",
            "http://127.1",
            "http://localhost.example",
            "ftp://a",
        ),
        *("https://", "https://u:hunter2@a.example", "https://@a.example", "https://a.example?", "https://a.example#"),
        *("https://a.example/ b", "https://a.example:99999", "https://a.example\\@b", "a.example", "//a", "file:///a"),
        *("https://bücher.example", "http://[::1%25lo]", "http://[::ffff:127.0.0.1]", ""),
    ],
)
def test_base_urls_that_are_refused(tmp_path: Path, url: str) -> None:
    message = refusal(tmp_path, f"api: {{base_url: '{url}'}}")
    assert message.startswith("api.base_url: must ")
    assert "hunter2" not in message


def test_a_key_in_the_wrong_place_is_not_shown(tmp_path: Path) -> None:
    refusal(tmp_path, f"archive: [{SECRET}]")
    refusal(tmp_path, f"download: {{workers: {SECRET}}}")
    refusal(tmp_path, f"layout: {{time_zone: {SECRET}}}")
    refusal(tmp_path, f"download: {{assets: [{SECRET}]}}")
    refusal(tmp_path, f"network: {{ca_file: {SECRET}}}")
    refusal(tmp_path, f"{SECRET}: [")
    refusal(tmp_path, f"a: *{SECRET}")
    refusal(tmp_path, "", {f"PICTORY_ARCHIVER_{SECRET}": "1"})
    refusal(tmp_path, "", {"PICTORY_ARCHIVER_DOWNLOAD_WORKERS": SECRET})


# --- the file itself ---


@pytest.mark.parametrize("text", ["", "\n", "# only a comment\n", "---\n", "null", "api:\n", b"\xef\xbb\xbf"])
def test_an_empty_file_means_defaults(tmp_path: Path, text: str | bytes) -> None:
    loaded = read(tmp_path, text)
    assert loaded.settings == Settings()
    assert loaded.file == tmp_path / "settings.yaml"


def test_a_byte_order_mark_and_windows_line_ends_are_fine(tmp_path: Path) -> None:
    assert read(tmp_path, b"\xef\xbb\xbfaccount: me\r\nretry:\r\n  tries: 3\r\n").settings.account == "me"


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    assert refusal(tmp_path, b"account: a\nx: \xff").endswith("line 2: the settings file has to be UTF-8 text")
    assert refusal(tmp_path, b"\xff\xfea\0").endswith("line 1: the settings file has to be UTF-8 text")
    assert refusal(tmp_path, b"#" * (128 * KIB + 1)).endswith("is larger than 128 KiB")
    with pytest.raises(ConfigError, match="cannot be read"):
        load({}, config_file=tmp_path, environ={})


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission(tmp_path: Path) -> None:
    read(tmp_path, "")
    (tmp_path / "settings.yaml").chmod(0)
    with pytest.raises(ConfigError, match="cannot be read: Permission denied"):
        load({}, config_file=tmp_path / "settings.yaml", environ={})


@pytest.mark.skipif(sys.platform == "win32", reason="the mode says nothing there")
def test_a_file_that_everyone_can_write_gives_a_warning(tmp_path: Path) -> None:
    assert read(tmp_path, "").warnings == ()
    (tmp_path / "settings.yaml").chmod(0o666)
    (warning,) = read(tmp_path, "").warnings
    assert "can be written by everyone" in warning


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=200))
def test_random_bytes_give_settings_or_a_config_error(tmp_path: Path, data: bytes) -> None:
    try:
        read(tmp_path, data)
    except ConfigError as error:
        assert "\n" not in str(error)  # noqa: PT017


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.dates()
    | st.binary(max_size=5)
    | st.sampled_from(["~", "~/x", "\0", "\ud800", "=", "64MB", "1e400MB", "9" * 5000])
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.sampled_from(sorted(FIELDS)), value=VALUES)
def test_any_value_gives_settings_or_a_config_error(tmp_path: Path, path: str, value: object) -> None:
    group, _, name = path.rpartition(".")
    tree = {group: {name: value}} if group else {name: value}
    try:
        loaded = read(tmp_path, yaml.safe_dump(tree).encode("utf-8", "surrogatepass"))
    except ConfigError as error:
        assert "\n" not in str(error)  # noqa: PT017
    else:
        msgspec.convert(msgspec.to_builtins(loaded.settings), Settings)


TAGGED = st.builds(
    "account: !!{} {}".format,
    st.sampled_from(["int", "float", "bool", "null", "timestamp", "binary", "set", "omap", "pairs", "map", "str"]),
    st.text(string.ascii_letters + string.digits + "_.:-+[]{}'\"", max_size=8),
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=TAGGED)
def test_wrong_tags_give_settings_or_a_config_error(tmp_path: Path, text: str) -> None:
    try:
        read(tmp_path, text)
    except ConfigError as error:
        assert "\n" not in str(error)  # noqa: PT017


@settings(max_examples=300, deadline=None)
@given(name=st.sampled_from(sorted(VARIABLES)), text=st.text(max_size=30))
def test_any_variable_gives_settings_or_a_config_error(name: str, text: str) -> None:
    try:
        load({}, config_file=Path(os.devnull), environ={name: text})
    except ConfigError as error:
        assert "\n" not in str(error)  # noqa: PT017


# --- sizes and origins ---


@pytest.mark.parametrize(
    ("text", "size"),
    [
        *(
            ("0", 0),
            ("12", 12),
            ("12B", 12),
            ("1kB", 1000),
            ("1KB", 1000),
            ("1k", KIB),
            ("1KiB", KIB),
            ("64MB", 64 * 10**6),
        ),
        *(("64mb", 64 * 10**6), ("10MiB", 10 * MIB), ("10M", 10 * MIB), ("1.5 GiB", GIB * 3 // 2), (" 2Gi ", 2 * GIB)),
        *(("1PiB", GIB * 1024 * 1024),),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text", ["", "B", "-1", "1e3", "1 2", "1X", "1iB", "0x10", "٣", "1.B", "9" * 16, "inf", "1Mbit"]
)
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match="must be a size"):
        parse_size(text)


@given(st.integers(0, GIB * 2048))
def test_a_formatted_size_can_be_read_again(size: int) -> None:
    assert parse_size(format_size(size)) == size


def test_origins_come_from_options_and_environment() -> None:
    environ = {"PICTORY_ARCHIVER_ALLOW_ORIGINS": " http://127.0.0.1:1  http://LOCALHOST:80 "}
    assert allow_origins(environ, ["https://[::1]:8443"]) == {
        "http://127.0.0.1:1",
        "http://localhost",
        "https://[::1]:8443",
    }
    assert allow_origins({}, []) == frozenset()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "http://",
        "http://a/",
        "http://a?b",
        "http://a#b",
        "ftp://a",
        "http://u:hunter2@a",
        "http://*",
        "http://a:0",
    ],
)
def test_what_is_no_origin(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^--allow-origin: must be http") as caught:
        allow_origins({}, [text])
    assert "hunter2" not in str(caught.value)
