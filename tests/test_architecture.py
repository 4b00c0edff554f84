"""The floors of docs/architecture.md: a module imports only from lower floors, or from before it on its own."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import pictory_archiver

PACKAGE = Path(pictory_archiver.__file__).parent
DOCUMENT = PACKAGE.parent / "docs" / "architecture.md"
INPUT_AND_OUTPUT = {
    "aiofiles", "aiohttp", "filelock", "io", "logging", "os", "shutil", "socket", "sqlite3", "ssl", "subprocess", "sys",
    "tempfile", "threading", "tqdm", "truststore", "urllib.request",
}  # fmt: skip
FACE = "__init__"


def floors() -> list[list[str]]:
    """The modules of each floor, in the order of the document's table."""
    rows = re.findall(r"^\| (\d)(?: \w+)? \| (.*) \|$", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)
    assert [number for number, _ in rows] == ["0", "1", "2", "3", "4"]
    return [_names(cells) for _, cells in rows]


def _names(cells: str) -> list[str]:
    """The names that each entry begins with: "`a`, `b` words · `c` words"."""
    names = []
    for entry in cells.split("·"):
        names += re.findall(r"`(\w+)`", re.match(r"\s*(?:`\w+`(?:, )?)+", entry)[0])  # type: ignore[index]
    return names


def modules() -> dict[str, Path]:
    return {path.stem: path for path in PACKAGE.glob("*.py")}


def imports(path: Path) -> tuple[set[str], set[str]]:
    """The modules of ours that a module imports, wherever in it, and the foreign ones."""
    ours: set[str] = set()
    foreign: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            named = [alias.name for alias in node.names] if node.module is None else [node.module.split(".")[0]]
            ours.update(named)
        elif isinstance(node, ast.ImportFrom):
            foreign.add(node.module or "")
        elif isinstance(node, ast.Import):
            foreign.update(alias.name for alias in node.names)
    return ours - {"__version__"}, foreign


def test_the_document_names_every_module_once() -> None:
    named = [name for floor in floors() for name in floor]
    assert sorted(named) == sorted(modules().keys() - {FACE})


@pytest.mark.parametrize("name", sorted(modules().keys() - {FACE}))
def test_a_module_imports_only_from_below(name: str) -> None:
    order = [module for floor in floors() for module in floor]
    below = set(order[: order.index(name)])
    above = imports(modules()[name])[0] - below - {"simulator"}
    assert not above, f"{name} imports from above: {above}"


@pytest.mark.parametrize("name", floors()[0])
def test_the_ground_floor_does_no_input_or_output(name: str) -> None:
    foreign = imports(modules()[name])[1]
    assert not {module for module in foreign if module in INPUT_AND_OUTPUT or module.split(".")[0] in INPUT_AND_OUTPUT}


def test_only_the_demo_knows_the_simulator_and_the_simulator_knows_nothing_of_the_program() -> None:
    users = {name for name, path in modules().items() if "simulator" in imports(path)[0]}
    assert users == {"demo"}
    for path in (PACKAGE / "simulator").glob("*.py"):
        source = path.read_text(encoding="utf-8")
        assert "from .." not in source
        assert "pictory_archiver." not in source.replace("pictory_archiver.simulator", "")
