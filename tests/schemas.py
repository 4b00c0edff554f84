"""The published JSON Schemas (2020-12), made from the types. `python -m tests.schemas` writes them into docs/."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from pictory_archiver.config_report import ConfigReport
from pictory_archiver.entry import Entry
from pictory_archiver.ledger import Ledger
from pictory_archiver.ledgers import StatusOfAccounts
from pictory_archiver.library import Built
from pictory_archiver.preview import Intended, Preview
from pictory_archiver.reindex import Reindexed
from pictory_archiver.repair_report import Repair
from pictory_archiver.report import Report
from pictory_archiver.sidecar import schema as sidecar_schema
from pictory_archiver.stats import Stats
from pictory_archiver.verification import Verification, VerificationOfAccounts

DOCS = Path(__file__).parents[1] / "docs"


def _of(name: str, title: str, types: Any) -> Callable[[], dict[str, Any]]:
    return lambda: {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"{name}.schema.json",
        "title": f"pictory-archiver {title}, version 1",
        **msgspec.json.schema(types),
    }


SCHEMAS: dict[str, Callable[[], dict[str, Any]]] = {
    "sidecar": sidecar_schema,
    "report": _of("report", "report of a run (sync --json)", Report),
    "status": _of("status", "ledger (status --json)", Ledger),
    "status-of-accounts": _of("status-of-accounts", "ledgers (status --all-accounts --json)", StatusOfAccounts),
    "verification": _of("verification", "report of a check (verify --json)", Verification),
    "verification-of-accounts": _of(
        "verification-of-accounts", "reports of checks (verify --all-accounts --json)", VerificationOfAccounts
    ),
    "repair": _of("repair", "report of a repair (repair --json)", Repair),
    "reindex": _of("reindex", "report of a rebuilt catalogue (reindex --json)", Reindexed),
    "config": _of("config", "effective settings (config show --json)", ConfigReport),
    "library-built": _of("library-built", "report of a library that was built (library --json)", Built),
    "video": _of("video", "video (list --json, search --json, show --json, export --to jsonl)", Entry),
    "stats": _of("stats", "how much there is (stats --json)", Stats),
    "preview": _of("preview", "line of a dry run (sync --dry-run --json)", Intended | Preview),
}


def render(name: str) -> bytes:
    """A schema as its file holds it."""
    return msgspec.json.format(msgspec.json.encode(SCHEMAS[name]()), indent=2) + b"\n"


def path_of(name: str) -> Path:
    """Where a schema is published."""
    return DOCS / f"{name}.schema.json"


if __name__ == "__main__":
    for each in SCHEMAS:
        path_of(each).write_bytes(render(each))
