# demo, test, check, bench: each sets up what it needs in .venv first.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test lint format check bench schemas tools

demo: .venv/program
	$(BIN)/pictory-archiver demo demo-archive

test: .venv/development tools
	$(BIN)/python -m pytest -n 4 $(TESTS)

lint: .venv/development
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

check: lint test

format: .venv/development
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: .venv/development
	$(BIN)/python -m benchmarks

schemas: .venv/development
	$(BIN)/python -m tests.schemas

# nginx, ffmpeg, strace, busybox and chromium for the tests that use the real ones; those tests say by name when they are skipped.
tools:
	@tests/tools.sh

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/program: pyproject.toml constraints.txt | .venv/bin/python
	$(PIP) --editable .
	@touch $@

.venv/development: pyproject.toml constraints.txt | .venv/bin/python
	$(PIP) --editable '.[dev]'
	@touch $@ .venv/program
