"""The platform's services as single processes to boot: what each is told, and how long its life's beginning and end take."""

import time
from dataclasses import dataclass
from pathlib import Path

from contracts.authsession.service import AUTHSESSION
from contracts.gateway.service import GATEWAY
from contracts.platform.parts import DATABASES, SERVICES, Part
from interleaved import Mode
from seatrial import Environment, Service


def edge(redis: str, outbox: Path) -> tuple[Service, Service]:
    """gateway and authsession on one Redis; no mail is sent and no user is asked for while they boot."""
    gateway = GATEWAY.replace(environment={**GATEWAY.environment, "GATEWAY_REDIS_URL": redis})
    adapters = {"AUTHSESSION_USER_ADAPTER": "stub", "AUTHSESSION_MAIL_ADAPTER": "stub"}
    files = {"AUTHSESSION_MAIL_STUB_FILE": str(outbox), "AUTHSESSION_REDIS_URL": redis}
    settings = {**AUTHSESSION.environment, **adapters, **files}
    return gateway, AUTHSESSION.replace(environment=settings)


def all_five(environment: Environment) -> dict[Part, Service]:
    """Every service on the environment's stores, those with a database on one of their own. No container is asked for."""
    store = environment.valkey
    settings: dict[Part, dict[str, str]] = {
        "lobby": {},
        "notification": {"USER_URL": "http://127.0.0.1:1", "ADMIN_EMAILS": "admin@example.test"},
        "rtmanager": {"NETWORK": "bench", "STATE_ROOT": str(environment.directory / "games")},
    }
    gateway, authsession = edge(store.url, environment.directory / "mails")
    services: dict[Part, Service] = {"gateway": gateway, "authsession": authsession}
    for part, template in DATABASES.items():
        service, own = SERVICES[part], settings[part]
        dsn = environment.postgres.database(template).dsn
        given = {**own, "POSTGRES_DSN": dsn, "REDIS_URL": store.url}
        variables = {f"{part.upper()}_{name}": value for name, value in given.items()}
        services[part] = service.replace(environment={**service.environment, **variables})
    return services


@dataclass(frozen=True, slots=True)
class Life:
    """Milliseconds from spawn to READY, and from SIGTERM until nothing of the process is left."""

    boot: float
    stop: float


def life(environment: Environment, service: Service, mode: Mode) -> Life:
    """One process from its spawn to its end. Raises AssertionError when it booted in another way."""
    process = environment.start(service, boot=mode)
    if process.boot != mode:
        raise AssertionError(f"{process.name} booted {process.boot}, not {mode} (unset SEATRIAL_BOOT)")
    process.allow_log("dependency_unavailable")  # there may be no container engine
    asked = time.monotonic()
    process.stop()
    return Life(process.boot_time * 1000, (time.monotonic() - asked) * 1000)
