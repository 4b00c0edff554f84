"""The published schemas are those of the types, and what the commands print is valid by them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from pictory_archiver.simulator import Fault, Match, Status, World

from . import schemas
from .conftest import Account
from .damage import cut, file_of
from .support import check_archive


@pytest.mark.parametrize("name", schemas.SCHEMAS)
def test_the_published_schema_is_that_of_the_types(name: str) -> None:
    path = schemas.path_of(name)
    assert path.read_bytes() == schemas.render(name), "run `python -m tests.schemas`"
    jsonschema.Draft202012Validator.check_schema(json.loads(path.read_bytes()))


def validate(name: str, text: str) -> dict[str, Any]:
    """What a command printed, once it is seen to be one valid object, and nothing but known fields on top."""
    schema = json.loads(schemas.path_of(name).read_bytes())
    printed: dict[str, Any] = json.loads(text)
    jsonschema.Draft202012Validator(schema).validate(printed)
    known = [set(each["properties"]) for each in schema["$defs"].values() if "properties" in each]
    assert set(printed) in known
    return printed


def test_what_the_commands_print_is_valid(account: Account, archive: Path) -> None:
    world = World(count=30)
    missing = Fault(Match(kind="preview", video=3), Status(404), times=None)
    _, program = account(world, [missing])
    world.change(5, url=None)
    world.insert_item(2, 17)

    *videos, last = program.run("sync", archive, "--dry-run", "--json").stdout.splitlines()
    assert {validate("preview", line)["type"] for line in videos} == {"video"}
    assert validate("preview", last)["videos"] == len(videos) == 30

    report = validate("report", program.run("sync", archive, "--json").stdout)
    assert (report["exit_status"], report["problem_count"], report["odd_items"]) == (3, 1, 1)
    ledger = validate("status", program.run("status", archive, "--json").stdout)
    assert (ledger["exit_status"], ledger["problem_count"], len(ledger["runs"])) == (3, 1, 1)
    check_archive(archive)  # every sidecar by its schema

    file_of(archive, world, 1, "mp4").unlink()
    cut(file_of(archive, world, 2, "json"))
    found = validate("verification", program.run("verify", archive, "--json").stdout)
    assert (found["exit_status"], found["damage_count"]) == (7, 2)
    done = validate("repair", program.run("repair", archive, "--json").stdout)
    assert (done["exit_status"], done["mended_count"]) == (0, 2)
    copy = archive.with_name("copy")
    shutil.copytree(archive, copy, ignore=shutil.ignore_patterns(".*"))
    cut(file_of(copy, world, 2, "json"))
    shutil.copy(file_of(copy, world, 1, "json"), copy / "twin.json")
    made = validate("reindex", program.run("reindex", copy, "--json").stdout)
    assert (made["damaged_count"], made["extra_count"], made["marker"]["was"]) == (1, 1, "lost")
    program.settings = {**program.settings, "accounts": {"one": {"archive": str(archive), "key_file": "none"}}}
    of_all = validate("verification-of-accounts", program.run("verify", "--all-accounts", "--json").stdout)
    assert (of_all["exit_status"], len(of_all["accounts"])) == (0, 1)
    del program.settings["accounts"]

    again = validate("report", program.run("sync", archive, "--since", "2026-01-01", "--json").stdout)
    assert again["selection"]
    program.key = "pictai_another"
    refused = validate("report", program.run("sync", archive, "--json").stdout)
    assert (refused["exit_status"], refused["listed"]) == (4, 0)

    program.env |= {"HTTPS_PROXY": "http://me:word@127.0.0.1:9", "NO_PROXY": "127.0.0.1"}
    shown = validate("config", program.run("config", "show", "--json").stdout)
    assert [proxy["value"] for proxy in shown["proxies"]] == ["http://…@127.0.0.1:9", "127.0.0.1"]


def test_the_archive_carries_the_schema_of_its_sidecars(account: Account, archive: Path) -> None:
    _, program = account(World(count=0))
    assert program.run("sync", archive).status == 0
    copy = archive / ".pictory-archiver/sidecar.schema.json"
    assert copy.read_bytes() == schemas.path_of("sidecar").read_bytes()
