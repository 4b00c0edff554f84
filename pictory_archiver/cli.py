"""The command line: which commands there are, and the short ones. Options become settings, results become words.

Data goes to stdout, progress and messages to stderr. Our errors leave as they are; `__main__` prints them. Heavy
modules are imported by the commands that use them, so that `--help` and `status` answer at once.
"""

from __future__ import annotations

from pathlib import Path

import click

from . import __version__
from .cli_config import config_group, init
from .cli_export import export
from .cli_library import library, serve
from .cli_looking import list_videos, search, show, stats
from .cli_params import message
from .cli_schedule import schedule_group
from .cli_status import status
from .cli_sync import sync
from .cli_upkeep import accept, reindex
from .cli_verify import repair, verify

DEMO_VIDEOS = 300
VIDEOS = click.IntRange(0, 1_000_000)
PORT = click.IntRange(0, 65535)


class Journey(click.Group):
    """Commands in the order in which a person meets them."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(self.commands)


@click.group(
    cls=Journey,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Every command explains itself: pictory-archiver COMMAND --help",
)
@click.version_option(__version__, "--version", message="pictory-archiver %(version)s")
def cli() -> None:
    """Keep a complete, verified copy of the AI Studio videos of a Pictory account.

    Start with `init`, then `sync`. To try it without an account: `demo`.
    """


@click.command(short_help="See it work without an account: archive simulated videos.")
@click.argument(
    "directory", required=False, type=click.Path(path_type=Path, readable=False), default=Path("pictory-demo")
)
@click.option("--videos", type=VIDEOS, default=DEMO_VIDEOS, show_default=True, metavar="N", help="How many.")
@click.option("--no-progress", is_flag=True, help="No bars, also on a terminal.")
@click.pass_context
def demo(context: click.Context, directory: Path, videos: int, *, no_progress: bool) -> None:
    """See it work without an account.

    Starts a simulated Pictory on this computer, with small real videos, archives it into DIRECTORY (pictory-demo), and
    says how to open the library of it. Run it twice: the second time there is nothing to download.
    """
    from .demo import run_demo
    from .progress import watching
    from .report import summary
    from .running import run_until_signal

    message(f"Archiving {videos:,} simulated videos into {directory} …")
    with watching(quiet=False, verbosity=0, bars=not no_progress, write=message) as observer:
        report = run_until_signal(run_demo(directory, videos, observer))
    click.echo("\n".join(summary(report)))
    if report.library is not None:
        click.echo(f"\nThe library, to find and watch them, in any browser:\n{Path(report.library).as_uri()}")
    click.echo(
        "\nThese videos came from a simulation on this computer. In the folder, README.txt tells what is where.\n"
        "For your own videos: pictory-archiver init"
    )
    context.exit(report.exit_status)


@click.command(hidden=True)
@click.option("--videos", type=VIDEOS, default=DEMO_VIDEOS, show_default=True, metavar="N", help="How many.")
@click.option("--seed", type=int, default=1, show_default=True, metavar="N", help="Another seed, another account.")
@click.option("--api-port", type=PORT, default=0, metavar="PORT", help="Default: a free one.")
@click.option("--cdn-port", type=PORT, default=0, metavar="PORT", help="Default: a free one.")
@click.option("--signed", is_flag=True, help="URLs carry a signature that expires.")
@click.option(
    "--url-lifetime",
    type=click.FloatRange(min=0),
    default=3600.0,
    show_default=True,
    metavar="SECONDS",
    help="Until a signature expires.",
)
@click.option("--latency", type=click.FloatRange(min=0), default=0.0, metavar="SECONDS", help="Before each answer.")
@click.option(
    "--faults", type=click.Path(path_type=Path, dir_okay=False, exists=True), help="A script of faults, JSON."
)
def simulate(
    videos: int,
    seed: int,
    api_port: int,
    cdn_port: int,
    url_lifetime: float,
    latency: float,
    faults: Path | None,
    *,
    signed: bool,
) -> None:
    """Run a simulated Pictory on this computer, for developers, until it is stopped.

    Prints the environment variables that make `sync` use it. docs/simulator.md describes the script of faults.
    """
    from .demo import run_simulator
    from .errors import Stopped
    from .running import run_until_signal

    serving = run_simulator(
        videos=videos,
        seed=seed,
        ports=(api_port, cdn_port),
        url_lifetime=url_lifetime if signed else None,
        latency=latency,
        faults=faults.read_bytes() if faults else b"[]",
        tell=click.echo,
    )
    try:
        run_until_signal(serving)
    except Stopped as stop:
        raise click.exceptions.Exit(stop.exit_status) from None


for command in (
    init,
    sync,
    status,
    list_videos,
    search,
    show,
    stats,
    library,
    serve,
    demo,
    verify,
    repair,
    export,
    accept,
    reindex,
    schedule_group,
    config_group,
    simulate,
):
    cli.add_command(command)
