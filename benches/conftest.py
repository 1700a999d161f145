"""Collects the series of every bench, and writes, draws and prints them at the end."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import plot
import series as measured
from series import Series, Target

Record = Callable[..., Series]

_ALL: pytest.StashKey[list[Series]] = pytest.StashKey()
_PROGRESS = 25
_LIMIT_S = 900


def pytest_configure(config: pytest.Config) -> None:
    """Start with no series; refuse to share the cores with other workers."""
    if config.getoption("numprocesses", None):
        raise pytest.UsageError("benches share no cores: run them without -n")
    config.stash[_ALL] = []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A measurement takes as long as its rounds; the limit is only there to end one that hangs."""
    for item in items:
        item.add_marker(pytest.mark.timeout(_LIMIT_S))


@pytest.fixture
def record(pytestconfig: pytest.Config) -> Record:
    """Keep a series for the results: ``record(question, subject, milliseconds, target=Target(...))``."""

    def keep(question: str, subject: str, samples: list[float], target: Target | None = None) -> Series:
        one = Series(question, subject, tuple(samples), target or Target())
        pytestconfig.stash[_ALL].append(one)
        return one

    return keep


@pytest.fixture
def clock() -> Callable[[], float]:
    """Milliseconds of the monotonic clock."""
    return lambda: time.monotonic_ns() / 1e6


@pytest.fixture
def rounds(pytestconfig: pytest.Config) -> Callable[[int], Iterator[int]]:
    """Count the rounds of a long measurement, saying on the terminal how far it is.

    ``SEATRIAL_BENCH_ROUNDS`` caps the number of rounds, for a quick look; series then may be too short for a p99.
    """
    terminal = pytestconfig.pluginmanager.get_plugin("terminalreporter")
    cap = int(os.environ.get("SEATRIAL_BENCH_ROUNDS", "0"))

    def count(wanted: int) -> Iterator[int]:
        total = min(wanted, cap) if cap else wanted
        for index in range(total):
            if terminal is not None and index and index % _PROGRESS == 0:
                terminal.write(f" {index}/{total}", flush=True)
            yield index

    return count


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Write reports/bench/results.json and distributions.png, and print the table."""
    series = config.stash[_ALL]
    if not series:
        return
    directory = Path(config.rootpath) / "reports" / "bench"
    measured.write_results(directory / "results.json", series)
    plot.draw(series, directory / "distributions.png")
    terminalreporter.section("percentiles")
    for line in measured.table(series):
        terminalreporter.write_line(line)
    for one in series:
        enough = len(one.samples) >= measured.SMALLEST_FOR_P99
        target = one.target if enough else Target(p50=one.target.p50)
        for miss in target.misses(one):
            terminalreporter.write_line(f"OVER TARGET {miss}", yellow=True)
    terminalreporter.write_line(f"raw samples: {directory / 'results.json'}")
    terminalreporter.write_line(f"distributions: {directory / 'distributions.png'}")
