"""How long until the game platform's edge can be used?"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from contracts.authsession.service import AUTHSESSION
from contracts.gateway.service import GATEWAY
from contracts.platform.parts import DATABASES, SERVICES, Part
from interleaved import MODES, Mode, interleaved
from seatrial import Environment, Service
from seatrial.home import Folder
from seatrial.worker import Worker
from series import Target

ROUNDS = 120


def _on(redis: str, outbox: Path) -> tuple[Service, Service]:
    """Both services on one Redis; no mail is sent and no user is asked for while they boot."""
    gateway = GATEWAY.replace(environment={**GATEWAY.environment, "GATEWAY_REDIS_URL": redis})
    adapters = {"AUTHSESSION_USER_ADAPTER": "stub", "AUTHSESSION_MAIL_ADAPTER": "stub"}
    files = {"AUTHSESSION_MAIL_STUB_FILE": str(outbox), "AUTHSESSION_REDIS_URL": redis}
    settings = {**AUTHSESSION.environment, **adapters, **files}
    return gateway, AUTHSESSION.replace(environment=settings)


@pytest.mark.parametrize("name", ["gateway", "authsession"])
def test_spawn_to_ready(name: str, environment: Environment, record: Any, rounds: Any) -> None:
    """One service from its spawn to its READY, and from SIGTERM until nothing of it is left, booted either way."""
    gateway, authsession = _on(environment.valkey.url, environment.directory / "mails")
    service = {"gateway": gateway, "authsession": authsession}[name]
    stops: dict[str, list[float]] = {mode: [] for mode in MODES}

    def life(mode: Mode) -> float:
        process = environment.start(service, boot=mode)
        assert process.boot == mode
        asked_at = time.monotonic_ns()
        process.stop()
        stops[mode].append((time.monotonic_ns() - asked_at) / 1e6)
        return process.boot_time * 1000

    life("warm")  # the one that starts the zygote
    stops["warm"].clear()
    boots = interleaved(rounds(ROUNDS), {mode: partial(life, mode) for mode in MODES})
    targets = {("gateway", "cold"): Target(p50=350), ("gateway", "warm"): Target(p50=30)}
    for mode in MODES:
        record("spawn to READY", f"{name}, {mode}", boots[mode], targets.get((name, mode)))
        record("SIGTERM to gone", f"{name}, {mode}", stops[mode])


def test_the_platform_on_an_empty_store(record: Any, rounds: Any, tmp_path: Path, clock: Any) -> None:
    """Valkey, gateway and authsession, all new, until all are ready; the services boot side by side."""

    def platform(mode: Mode) -> float:
        with Environment.open(name="platform", artifacts=tmp_path / "artifacts") as environment:
            started = clock()
            store = environment.own_valkey()
            services = _on(store.url, environment.directory / "mails")
            processes = environment.start_all(*[service.replace(boot=mode) for service in services])
            took: float = clock() - started
            assert {process.boot for process in processes} == {mode}
            return took

    platform("warm")
    samples = interleaved(rounds(ROUNDS), {mode: partial(platform, mode) for mode in MODES})
    for mode, target in (("cold", Target(p50=600)), ("warm", Target(p50=80))):
        record("gateway, authsession and Valkey up", mode, samples[mode], target)


def _five(environment: Environment) -> list[Service]:
    """All services on the worker's stores, those with a database on one of their own. No container is asked for."""
    store = environment.valkey
    settings: dict[Part, dict[str, str]] = {
        "lobby": {},
        "notification": {"USER_URL": "http://127.0.0.1:1", "ADMIN_EMAILS": "admin@example.test"},
        "rtmanager": {"NETWORK": "bench", "STATE_ROOT": str(environment.directory / "games")},
    }
    services = list(_on(store.url, environment.directory / "mails"))
    for part, template in DATABASES.items():
        service, own = SERVICES[part], settings[part]
        dsn = environment.postgres.database(template).dsn
        given = {**own, "POSTGRES_DSN": dsn, "REDIS_URL": store.url}
        variables = {f"{part.upper()}_{name}": value for name, value in given.items()}
        services.append(service.replace(environment={**service.environment, **variables}))
    return services


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
            services = [service.replace(boot=mode) for service in _five(environment)]
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
