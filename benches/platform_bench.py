"""How long until the game platform's edge can be used?"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import boots
from interleaved import MODES, Mode, interleaved
from seatrial import Environment
from seatrial.home import Folder
from seatrial.worker import Worker
from series import Target

ROUNDS = 120


@pytest.mark.parametrize("name", ["gateway", "authsession"])
def test_spawn_to_ready(name: str, environment: Environment, record: Any, rounds: Any) -> None:
    """One service from its spawn to its READY, and from SIGTERM until nothing of it is left, booted either way."""
    gateway, authsession = boots.edge(environment.valkey.url, environment.directory / "mails")
    service = {"gateway": gateway, "authsession": authsession}[name]
    stops: dict[str, list[float]] = {mode: [] for mode in MODES}

    def life(mode: Mode) -> float:
        lived = boots.life(environment, service, mode)
        stops[mode].append(lived.stop)
        return lived.boot

    life("warm")  # the one that starts the zygote
    stops["warm"].clear()
    begins = interleaved(rounds(ROUNDS), {mode: partial(life, mode) for mode in MODES})
    targets = {("gateway", "cold"): Target(p50=350), ("gateway", "warm"): Target(p50=30)}
    for mode in MODES:
        record("spawn to READY", f"{name}, {mode}", begins[mode], targets.get((name, mode)))
        record("SIGTERM to gone", f"{name}, {mode}", stops[mode])


def test_the_platform_on_an_empty_store(record: Any, rounds: Any, tmp_path: Path, clock: Any) -> None:
    """Valkey, gateway and authsession, all new, until all are ready; the services boot side by side."""

    def platform(mode: Mode) -> float:
        with Environment.open(name="platform", artifacts=tmp_path / "artifacts") as environment:
            started = clock()
            store = environment.own_valkey()
            services = boots.edge(store.url, environment.directory / "mails")
            processes = environment.start_all(*[service.replace(boot=mode) for service in services])
            took: float = clock() - started
            assert {process.boot for process in processes} == {mode}
            return took

    platform("warm")
    samples = interleaved(rounds(ROUNDS), {mode: partial(platform, mode) for mode in MODES})
    for mode, target in (("cold", Target(p50=600)), ("warm", Target(p50=80))):
        record("gateway, authsession and Valkey up", mode, samples[mode], target)


@contextmanager
def _life(worker: Worker, home: Path) -> Iterator[Environment]:
    """An environment on the stores of a worker that other environments have used and will use: as from test to test."""
    environment = Environment("platform", Folder(home), worker)
    try:
        yield environment
    finally:
        teardown = environment.close()
    teardown.raise_all("platform")


def test_the_whole_platform(record: Any, rounds: Any, tmp_path: Path, clock: Any) -> None:
    """Five services with three fresh databases on stores that run already, until all are ready."""
    worker = Worker()

    def platform(mode: Mode) -> float:
        with _life(worker, tmp_path / "artifacts") as environment:
            started = clock()
            services = [service.replace(boot=mode) for service in boots.all_five(environment).values()]
            processes = environment.start_all(*services)
            took: float = clock() - started
            assert {process.boot for process in processes} == {mode}
            for process in processes:
                process.allow_log("dependency_unavailable")  # there may be no container engine
            return took

    try:
        for mode in MODES:
            platform(mode)  # builds, stores, templates, zygotes
        samples = interleaved(rounds(ROUNDS), {mode: partial(platform, mode) for mode in MODES})
    finally:
        worker.close()
    for mode, target in (("cold", Target(p50=1500)), ("warm", Target(p50=200))):
        record("five services up on running stores", mode, samples[mode], target)
