"""The run's own environment: the platform on embedded stores, made for the probe and gone after it."""

import os
from base64 import b64encode
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from contracts.gateway.public import GatewayHttp
from contracts.gateway.signing import DeviceKey
from contracts.platform import platform as platforms
from contracts.platform.parts import SERVICES, Part
from contracts.platform.platform import Platform
from inbox import Inbox, code_of, sign_in
from seatrial import Environment, Service, until
from target import Target

PARTS: Final[tuple[Part, ...]] = ("gateway", "authsession", "lobby", "notification")
"""All of the platform that needs no container engine."""
_NO_LIMIT: Final = "1000000/1"
RAISED: Final[Mapping[str, str]] = {
    f"LIMIT_{name}": _NO_LIMIT
    for name in (
        "SEND_CODE_IP",
        "SEND_CODE_EMAIL",
        "CONFIRM_CODE_IP",
        "CONFIRM_CODE_CHALLENGE",
        "SIGNING_KEYS_IP",
        "COMMAND_IP",
        "COMMAND_SESSION",
        "COMMAND_USER",
        "COMMAND_MESSAGE_TYPE",
    )
}
"""The gateway's budgets, so high that none is met: all players come from few addresses, and the question is what it can do."""
EXPECTED_LOGS: Final[Mapping[Part, tuple[str, ...]]] = {
    "gateway": ("dependency_unavailable",),
    "authsession": ("dependency_unavailable", "mail_deliveries_abandoned"),
    "lobby": ("dependency_unavailable",),
    "notification": ("dependency_unavailable", "routes_left_to_others"),
}
"""What overload may make a service say: that a store or an upstream did not answer in time, that work is left over."""
_SIGN_IN_THREADS: Final = 4


@dataclass(frozen=True)
class Own:
    """A platform that nobody else uses."""

    platform: Platform
    target: Target


def boot(environment: Environment, host: str) -> Own:
    """Boots it; its gateway and its mailbox listen at `host`, the rest where only this machine gets."""
    inbox = environment.stub(_inbox_at(host)())
    gateway = SERVICES["gateway"]
    platform = platforms.boot(
        environment,
        parts=PARTS,
        services={"gateway": _listening_at(gateway, host)},
        settings={"gateway": RAISED, "authsession": {"MAIL_URL": inbox.url()}},
    )
    for part, patterns in EXPECTED_LOGS.items():
        for node in platform.nodes[part]:
            for pattern in patterns:
                node.process.allow_log(pattern, "WARNING")
    process = platform.gateway.process
    return Own(platform, Target(process.url("http"), str(process.address("grpc")), inbox.url()))


def _inbox_at(host: str) -> type[Inbox]:
    return type("Inbox", (Inbox,), {"name": Inbox.name, "host": host})


def _listening_at(service: Service, host: str) -> Service:
    public = [
        listener if listener.name == "admin" else replace(listener, host=host)
        for listener in service.listeners
    ]
    return service.replace(listeners=tuple(public))


def devices(own: Own, count: int, told: Callable[[int], None]) -> list[dict[str, str]]:
    """Signs in so many devices, each of a user of its own; `told` hears how many there are, now and then."""
    gateway = GatewayHttp(own.target.http)
    inbox = own.target.inbox or ""

    def one(number: int) -> dict[str, str]:
        address = f"player-{number}@example.test"
        seed = os.urandom(32)
        session = sign_in(
            gateway,
            address,
            DeviceKey(seed),
            lambda who: str(until(f"a code for {who}", partial(code_of, inbox, who), timeout=30.0)),
            lambda answer: answer.expect(200),
        )
        return {
            "device_session_id": session,
            "private_key": b64encode(seed).decode(),
            "user_id": own.platform.users.id_of(address),
        }

    made = []
    with ThreadPoolExecutor(_SIGN_IN_THREADS) as pool:
        for device in pool.map(one, range(count)):
            made.append(device)
            told(len(made))
    return made


def calls_counted(own: Own) -> dict[tuple[str, str], int]:
    """The calls that the gateway has counted itself, by operation and code: `gateway_calls_total` of its metrics."""
    found = {}
    for sample, value in own.platform.gateway.admin.metrics().items():
        if sample.startswith("gateway_calls_total{"):
            labels = dict(
                pair.split("=", 1)
                for pair in sample.partition("{")[2].rstrip("}").replace('"', "").split(",")
            )
            found[labels["operation"], labels["code"]] = int(value)
    return found
