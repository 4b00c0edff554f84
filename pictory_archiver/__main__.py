"""Entry of the command line: runs a command, and turns what went wrong into one line and an exit status."""

from __future__ import annotations

import signal
import sys
from types import FrameType

from .errors import Stopped


def main() -> None:
    """Runs the command line. Never returns."""
    signal.signal(signal.SIGTERM, _stop)
    try:
        sys.exit(_status())
    except KeyboardInterrupt:  # while modules are being loaded; from then on both are met below
        sys.exit(130)
    except Stopped as stop:
        sys.exit(stop.exit_status)


def _stop(number: int, _frame: FrameType | None) -> None:
    """The handler of SIGTERM wherever no run has its own."""
    raise Stopped(number)


def _status() -> int:
    from .streams import secure

    secure()
    import click

    from .cli import cli
    from .errors import ArchiverError
    from .text import error_line

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
    return outcome if isinstance(outcome, int) else 0


if __name__ == "__main__":
    main()
