"""How long until the game platform's edge can be used?"""

from pathlib import Path
from typing import Any

import pytest

from contracts.authsession.service import AUTHSESSION
from contracts.gateway.service import GATEWAY
from seatrial import Environment, Service
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
    """One service, its installed console script, from the spawn to its READY."""
    gateway, authsession = _on(environment.valkey.url, environment.directory / "mails")
    service = {"gateway": gateway, "authsession": authsession}[name]
    samples: list[float] = []
    for _ in rounds(ROUNDS):
        process = environment.start(service)
        samples.append(process.boot_time * 1000)
        process.stop()
    record("spawn to READY", name, samples, Target(p50=350) if name == "gateway" else None)


def test_the_platform_on_an_empty_store(record: Any, rounds: Any, tmp_path: Path, clock: Any) -> None:
    """Valkey, gateway and authsession, all new, until all are ready; the services boot side by side."""
    samples: list[float] = []
    for _ in rounds(ROUNDS):
        with Environment.open(name="platform", artifacts=tmp_path / "artifacts") as environment:
            started = clock()
            store = environment.own_valkey()
            environment.start_all(*_on(store.url, environment.directory / "mails"))
            samples.append(clock() - started)
    record("gateway, authsession and Valkey up", "seatrial", samples, Target(p50=600))
