"""Entry of the command line: runs a command, and turns what went wrong into one line and an exit status."""

from __future__ import annotations

import io
import os
import sys

import click

from .cli import cli
from .errors import ArchiverError
from .text import printable


def main() -> None:
    """Runs the command line. Never returns."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    sys.exit(_status())


def _status() -> int:
    try:
        outcome = cli.main(standalone_mode=False)
        sys.stdout.flush()
    except ArchiverError as error:
        hint = f" ({error.hint})" if error.hint else ""
        click.echo(f"Error: {printable(str(error), 500)}{hint}", err=True)
        return error.exit_status
    except click.Abort:
        click.echo("Stopped.", err=True)
        return 130
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except BrokenPipeError:
        # The reader of a pipe has gone: nobody is left to tell. The interpreter must not flush into it again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return outcome if isinstance(outcome, int) else 0


if __name__ == "__main__":
    main()
