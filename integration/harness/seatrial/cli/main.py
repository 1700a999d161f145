"""The commands, their arguments and their exit statuses."""

import signal
import sys
from types import FrameType
from typing import Annotated, NoReturn

import typer

from seatrial.cli import results
from seatrial.cli.output import console, styled
from seatrial.cli.repository import Repository, UsageError
from seatrial.errors import SeatrialError
from seatrial.results.reports import ReportError
from seatrial.tier import Lane, TierError

_INTERRUPTED = 130

app = typer.Typer(
    help="Proves that services work together: what can run here, what ran last, and why it failed.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command()
def doctor() -> None:
    """What this machine can run, tier by tier, and the remedy for what it cannot.

    Exits with 1 when a tier that a push starts cannot run here.
    """
    from seatrial.cli.doctor import examine

    if not examine(Repository.here().tiers(), console(), Lane.current()):
        raise typer.Exit(1)


@app.command()
def tiers() -> None:
    """The tiers, with each one's last result, duration and skips."""
    repository = Repository.here()
    results.show_tiers(repository.tiers(), repository.reports, console())


@app.command()
def up(
    suite: Annotated[str, typer.Argument(help="A name in [tool.seatrial.topologies] of pyproject.toml.")],
) -> None:
    """Boot a suite's topology, print its addresses, and stream its logs until Ctrl-C.

    Exits with 0 after Ctrl-C, and with 1 when something could not start or died.
    """
    from seatrial.cli.up import up as bring_up

    repository = Repository.here()
    boot = repository.topology(suite)
    signal.signal(signal.SIGTERM, _as_ctrl_c)
    out = console()
    bring_up(suite, boot, repository.reports / "up" / suite, out)
    out.print(f"{suite} is stopped")


@app.command()
def sweep() -> None:
    """Remove what runs of this machine that were killed have left in the container engine, and nothing else."""
    from seatrial.containers.sweep import sweep_dead
    from seatrial.containers.wire import Wire, find

    removed = sweep_dead(Wire(find()))
    for thing in removed:
        console().print("removed", styled(str(thing), ""))
    if not removed:
        console().print("nothing was left by dead runs")


@app.command()
def timeline(
    test: Annotated[str, typer.Argument(help="A test's node id, or a part of it that no other test has.")],
) -> None:
    """What happened in a test the last time that it ran, passed or failed, as a page for the browser.

    Exits with 2 when no timeline is kept of such a test, or when the words fit several.
    """
    from seatrial.cli.browse import open_page
    from seatrial.cli.timeline import render
    from seatrial.timeline.archive import NoTimeline

    try:
        open_page(render(Repository.here().reports, test), console())
    except NoTimeline as error:
        _complain(error)
        raise typer.Exit(2) from None


@app.command()
def why(
    tier: Annotated[str | None, typer.Argument(help="A tier; without it, the one that failed last.")] = None,
    no_open: Annotated[
        bool, typer.Option("--no-open", help="Print where the timeline's page is, and do not open it.")
    ] = False,
) -> None:
    """The story of the last failure: what failed, the logs' last lines, where the artifacts are, how to repeat it.

    The first failure's timeline opens in the browser, when there is a display and this is a terminal.
    Exits with 1 when there is one, and with 0 when nothing failed.
    """
    repository = Repository.here()
    if tier is not None and not (repository.reports / tier).is_dir():
        repository.tiers()[tier]
    if results.show_failure(repository.reports, tier, console(), open_pages=not no_open):
        raise typer.Exit(1)


def _as_ctrl_c(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001  (a signal handler)
    raise KeyboardInterrupt


def _complain(error: Exception) -> None:
    console(stderr=True).print(styled("error:", "bold red"), styled(str(error), ""))


def main() -> None:
    """Run the command line; errors of users are one message, without a traceback."""
    try:
        app()
    except (UsageError, TierError, ReportError, SeatrialError) as error:
        _complain(error)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
