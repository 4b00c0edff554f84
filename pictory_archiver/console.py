"""What a run says: to a person or a machine on stderr, and to a log file. Nothing that fails here ends the run."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import click
from msgspec import Struct

from . import __version__
from .cli_params import message
from .errors import ArchiverError, StorageError
from .events import Event, Observer, Warned
from .logs import RENDERS, Format, LogFile, RunBegan, RunEnded
from .progress import Lines, meter, plain, watching
from .text import error_line


class Console:
    """Closed at its end: `with Console(…) as console`."""

    def __init__(
        self,
        *,
        quiet: bool,
        verbosity: int,
        bars: bool,
        log_file: Path | None = None,
        log_format: Format = "text",
        command: str = "sync",
        check: bool = False,
    ) -> None:
        """`check`: the run is a check of the archive. With the format `json`, stderr has it, too.

        Raises `ConfigError` for a log file that cannot be opened.
        """
        self._command = command
        self._check = check
        self._quiet = quiet
        self._verbosity = verbosity
        self._bars = bars and log_format == "text"
        self._render = None if log_format == "text" else RENDERS[log_format]
        self._log_render = RENDERS[log_format]
        self._log = LogFile(log_file) if log_file is not None else None

    def __enter__(self) -> Console:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self._log is not None:
            self._log.close()
            self._complain(self._on_stderr)

    @contextmanager
    def watching(self) -> Iterator[Observer]:
        """The observer of a run: the view on stderr, and the log with a line for each file at least."""
        with watching(
            quiet=self._quiet,
            verbosity=self._verbosity,
            bars=self._bars,
            write=message,
            render=self._render,
            check=self._check,
        ) as view:
            yield view if self._log is None else self._logging(view, self._log)

    def warn(self, text: str) -> None:
        """Says something that a person should know."""
        fact = Warned(text)
        self._on_stderr(fact)
        self._to_log(fact, f"Warning: {text}")

    def began(self, archive: str, account: str) -> None:
        """Opens the log of a run."""
        fact = RunBegan(self._command, archive, account, __version__)
        words = f"{self._command} of {archive} begins, account {account}, pictory-archiver {__version__}"
        self._to_log(fact, words)
        if self._render is not None and not self._quiet:
            message(self._render(fact, words))

    def failed(self, error: ArchiverError) -> None:
        """Says what ended a run."""
        self._ended(RunEnded(error.exit_status, error_line(error)), is_error=True)

    def ended(self, exit_status: int, verdict: str) -> None:
        """Closes the log of a run that has a summary."""
        self._ended(RunEnded(exit_status, verdict), is_error=False)

    def print(self, text: str) -> None:
        """Puts data on stdout. That it cannot be written is no reason for a run to fail."""
        try:
            click.echo(text)
        except StorageError as error:
            self.warn(str(error))

    def _ended(self, fact: RunEnded, *, is_error: bool) -> None:
        if self._render is not None:
            if fact.exit_status or not self._quiet:
                message(self._render(fact, fact.verdict))
        elif is_error:
            message(fact.verdict)
        self._to_log(fact, f"{fact.verdict} (exit status {fact.exit_status})")

    def _on_stderr(self, event: Event) -> None:
        if isinstance(event, Warned):
            message((self._render or plain)(event, f"Warning: {event.message}"))

    def _to_log(self, fact: Struct, words: str) -> None:
        if self._log is not None:
            self._log.write(self._log_render(fact, words))
            self._log.hurry()
            self._complain(self._on_stderr)

    def _logging(self, view: Observer, log: LogFile) -> Observer:
        figures = meter(check=self._check)
        lines = Lines(max(1, self._verbosity), log.write, time.monotonic, self._log_render, meter=figures)

        def observe(event: Event) -> None:
            view(event)
            lines(event)
            if isinstance(event, Warned):
                log.hurry()
            self._complain(view)

        return observe

    def _complain(self, tell: Observer) -> None:
        complaint = self._log.complaint() if self._log is not None else None
        if complaint is not None:
            tell(Warned(complaint))
