"""The pytest plugin: `-p seatrial.plugin`. It needs no autoload and no other plugin."""

from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from seatrial.builds.progress import progress
from seatrial.environment import Environment
from seatrial.errors import SeatrialError
from seatrial.failures.keeper import Keeper
from seatrial.processes.warmboot import mode_of_run
from seatrial.results import summary
from seatrial.results.tally import EXTRA, TALLY, Tally
from seatrial.rules import plan as plans
from seatrial.rules import reruns, seed
from seatrial.rules.collection import Rules
from seatrial.rules.order import Order
from seatrial.rules.skips import REQUIRES
from seatrial.rules.watch import Watch
from seatrial.timeline import archive
from seatrial.timeline.timeline import running

_KEEPER = pytest.StashKey[Keeper]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the plugin's options and ini values."""
    plans.add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Decide the plan, and register what carries it out."""
    config.addinivalue_line(
        "markers", f"{REQUIRES}(*capabilities): what a machine must have for this test to mean something"
    )
    reruns.refuse(config)
    if getattr(config.option, "maxworkerrestart", "0") is None:
        config.option.maxworkerrestart = "0"
    capture = config.pluginmanager.getplugin("capturemanager")
    if capture is not None:
        progress.uncaptured = capture.global_and_fixture_disabled
    try:
        mode_of_run()
        archive.recording()
    except SeatrialError as error:
        raise pytest.UsageError(str(error)) from None
    plan = plans.make(config)
    tally = Tally(plan) if plan.worker is None else None
    keeper = config.stash[_KEEPER] = Keeper(plan, tally)
    config.pluginmanager.register(Rules(plan), "seatrial-rules")
    config.pluginmanager.register(keeper, "seatrial-keeper")
    if tally is not None:
        config.stash[TALLY] = tally
        # After the keeper: it judges the run when nothing more can be held against it
        config.pluginmanager.register(tally, "seatrial-tally")
        config.pluginmanager.register(Watch(plan.quarantines), "seatrial-quarantine")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a pytest-xdist worker what the run has decided."""
    node.workerinput[EXTRA] = node.config.stash[_KEEPER].plan.shared()


def pytest_report_header(config: pytest.Config) -> str:
    """Say what a person needs to repeat the run."""
    plan = config.stash[_KEEPER].plan
    lane = f" (lane {plan.lane})" if plan.tier else ""
    order = ", random order" if plan.order is Order.RANDOM else ""
    return f"seatrial: tier {plan.tier_name}{lane}, seed {plan.seed}{order}, boot {mode_of_run()}"


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Close with a table, on the terminal and on a CI job's page; one of a tier's runs leaves that to who runs the tier."""
    tally = config.stash.get(TALLY, None)
    if tally is None or config.option.collectonly:
        return
    result = tally.result
    if config.stash[_KEEPER].plan.run is not None:
        for problem in result.problems:
            terminalreporter.write_line(f"seatrial: {problem}", red=True)
        return
    places = [result.artifacts] if result.failures or result.state == "interrupted" else []
    terminalreporter.section(f"seatrial: {result.tier}, boot {mode_of_run()}")
    terminalreporter.write_line(summary.text(result, places, width=summary.columns()))
    summary.add_to_job_page(result, places)


@pytest.fixture
def environment(request: pytest.FixtureRequest) -> Iterator[Environment]:
    """What the test holds: processes, stores, stubs and proxies, all taken down and checked after it."""
    keeper = request.config.stash[_KEEPER]
    evidence = keeper.evidence(request.node)
    opened = evidence.open_environment(keeper.worker)
    with running(opened.timeline):
        yield opened
        evidence.close_environment()


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> Random:
    """Chance that the run's seed repeats."""
    return seed.generator(request.config.stash[_KEEPER].plan.seed, request.node.nodeid)
