"""The documents are true: every command, option, setting, fault and file that they should name is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import get_args

import click
import msgspec
import pytest

from pictory_archiver.cli import cli
from pictory_archiver.models import Kind, Status
from pictory_archiver.report import NOT_COVERED
from pictory_archiver.setting_rules import FIELDS
from pictory_archiver.sidecar import Sidecar
from pictory_archiver.simulator.faults import AnyAction, Match, load_faults

ROOT = Path(__file__).parent.parent
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def commands() -> dict[str, click.Command]:
    found = {}
    for name, command in cli.commands.items():
        found[name] = command
        if isinstance(command, click.Group):
            found |= {f"{name} {inner}": each for inner, each in command.commands.items()}
    return found


@pytest.mark.parametrize("name", [name for name, command in commands().items() if not isinstance(command, click.Group)])
def test_every_command_is_documented_and_explains_itself(name: str) -> None:
    assert f"`{name}`" in read("docs/usage.md")
    help_text = commands()[name].help or ""
    assert len(help_text.split()) > 5


def test_every_option_of_sync_is_documented_and_explained() -> None:
    usage = read("docs/usage.md")
    for option in cli.commands["sync"].params:
        if isinstance(option, click.Option) and not option.hidden:
            assert option.help, option.name
            assert any(name in usage for name in option.opts), option.opts


def test_every_setting_is_in_the_example() -> None:
    example = read("config.example.yaml")
    for path in FIELDS:
        assert re.search(rf"^\s*{path.rpartition('.')[2]}:", example, re.MULTILINE), path


def test_the_format_names_every_field_kind_and_status() -> None:
    specification = read("docs/archive-format.md")
    words = [field.name for field in msgspec.structs.fields(Sidecar)] + [str(word) for word in (*Kind, *Status)]
    for word in words:
        assert f"`{word}`" in specification, word


def test_every_action_of_the_simulator_is_documented() -> None:
    document = read("docs/simulator.md")
    for action in get_args(AnyAction):
        info = msgspec.inspect.type_info(action)
        assert isinstance(info, msgspec.inspect.StructType)
        row = next(line for line in document.splitlines() if line.startswith(f"| `{info.tag}` |"))
        for field in msgspec.structs.fields(action):
            assert f"`{field.name}`" in row
    for field in msgspec.structs.fields(Match):
        assert f"`{field.name}`" in document


def test_the_script_in_the_simulators_document_is_one() -> None:
    (script,) = re.findall(r"```json\n(.*?)```", read("docs/simulator.md"), re.DOTALL)
    assert len(load_faults(script)) == 2


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_to_files_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text(encoding="utf-8")):
        assert (document.parent / target).exists(), target


def test_the_readme_begins_with_the_users_commands_and_says_what_was_never_run() -> None:
    readme = read("README.md")
    places = [readme.index(words) for words in ("pipx install", "pictory-archiver init", "make demo", "make test")]
    assert places == sorted(places)
    assert "never run here" in readme
    assert "Generated images and editor projects" in readme
    assert "Generated images and editor projects" in NOT_COVERED


NAMED_TEST = re.compile(r"`(test_\w+\.py)::(\w+)`")
ACCEPTANCE_CASES = 56
ACTORS = (
    "answer of the API",
    "The CDN",
    "A prompt",
    "The host of a reference image",
    "Another user of the machine",
    "A web page against `serve`",
    "A stolen settings file",
)


@pytest.mark.parametrize("document", ["docs/reliability.md", "docs/security.md"])
def test_every_test_that_is_named_is_there(document: str) -> None:
    named = set(NAMED_TEST.findall(read(document)))
    assert len(named) > 20
    for file in {file for file, _ in named}:
        tree = ast.parse((ROOT / "tests" / file).read_text(encoding="utf-8"))
        there = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
        assert {name for each, name in named if each == file} <= there


def test_every_case_of_the_acceptance_list_has_a_row() -> None:
    text = read("docs/reliability.md")
    rows = re.findall(r"^\| ([\d, ]+) \|.*`test_", text, re.MULTILINE)
    assert {int(number) for row in rows for number in row.split(",")} == set(range(1, ACCEPTANCE_CASES + 1))


def test_the_threat_model_is_about_everybody() -> None:
    headings = [line for line in read("docs/security.md").splitlines() if line.startswith("## ")]
    for actor in ACTORS:
        assert any(actor in heading for heading in headings), actor
