"""Entry of the command line: runs a command, and turns what went wrong into one line and an exit status."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path


def main() -> None:
    """Runs the command line. Never returns."""
    _fill_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    try:
        sys.exit(_status())
    except KeyboardInterrupt:  # while modules are being loaded; from then on it is met below
        sys.exit(130)


def _fill_closed_streams() -> None:
    """Puts the null device where a stream is closed: else the first file that is opened would take its place."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - for good


def _status() -> int:
    import click

    from .cli import cli
    from .cli_params import error_line
    from .errors import ArchiverError

    try:
        outcome = cli.main(standalone_mode=False)
        sys.stdout.flush()
    except ArchiverError as error:
        click.echo(error_line(error), err=True)
        return error.exit_status
    except click.Abort:
        click.echo("Stopped.", err=True)
        return 130
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except BrokenPipeError:
        # Nobody is left to tell. The interpreter must not flush into the pipe again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return outcome if isinstance(outcome, int) else 0


if __name__ == "__main__":
    main()
