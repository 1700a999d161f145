"""Boots any part of the platform on the environment's stores: `boot(environment, parts=("gateway", "lobby"))`."""

import threading
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from contracts.authsession.internal import Authsession
from contracts.engine.client import Engine
from contracts.gateway.device import Device
from contracts.gateway.public import GatewayHttp
from contracts.gateway.sessions import open_session
from contracts.gateway.signing import DeviceKey
from contracts.lobby import commands
from contracts.lobby.client import Lobby
from contracts.lobby.player import Player
from contracts.mail.service import MailService
from contracts.notification.client import Notification
from contracts.platform.parts import DATABASES, SERVICES, GatewayNode, Node, Part
from contracts.rtmanager.client import RuntimeManager
from contracts.streams.redis_streams import Streams
from contracts.user.service import UserService
from seatrial import Address, Environment, Process, Service
from seatrial.containers.handle import ContainerHandle
from seatrial.network.proxy import Proxy
from seatrial.stores.postgres_database import Database
from seatrial.stores.store import Store

T = TypeVar("T")

ADMIN: Final = "admin@example.test"
_CLIENTS: Final[Mapping[Part, Callable[[str], Any]]] = {
    "gateway": GatewayHttp,
    "authsession": Authsession,
    "lobby": Lobby,
    "notification": Notification,
    "rtmanager": RuntimeManager,
}
_DEFAULTS: Final[Mapping[Part, Mapping[str, str]]] = {
    # Tests that are not about limits do not meet them, and wait for no more than they must.
    "gateway": {
        "LIMIT_SEND_CODE_IP": "1000/1",
        "LIMIT_SEND_CODE_EMAIL": "1000/1",
        "LIMIT_CONFIRM_CODE_IP": "1000/1",
        "LIMIT_CONFIRM_CODE_CHALLENGE": "1000/1",
    },
    "authsession": {"USER_ADAPTER": "rest", "MAIL_ADAPTER": "rest", "MAIL_FIRST_PAUSE_MS": "20"},
    "lobby": {"TICK_MS": "50", "CLAIM_IDLE_MS": "500"},
    "notification": {
        "ADMIN_EMAILS": ADMIN,
        "CLAIM_IDLE_MS": "500",
        "POLL_MS": "50",
        "PUSH_BACKOFF_FIRST_MS": "20",
        "EMAIL_BACKOFF_FIRST_MS": "20",
    },
    "rtmanager": {
        "CLAIM_IDLE_MS": "500",
        "PULL_POLICY": "never",
        "RESUME_INTERVAL_MS": "200",
        "INSPECT_INTERVAL_MS": "500",
        "RECONCILE_INTERVAL_MS": "1000",
        "GRACE_MS": "2000",
    },
}


@dataclass
class Platform:
    """What was booted. Asking for a part that was not raises AssertionError."""

    environment: Environment
    store: Store
    streams: Streams
    users: UserService
    mail: MailService
    nodes: dict[Part, list[Any]] = field(default_factory=dict)
    proxies: dict[str, Proxy] = field(default_factory=dict)

    @property
    def gateway(self) -> GatewayNode:
        """The first gateway."""
        node: GatewayNode = self._first("gateway")
        return node

    @property
    def gateways(self) -> list[GatewayNode]:
        """Every gateway."""
        return self.nodes["gateway"]

    @property
    def authsession(self) -> Node[Authsession]:
        """The session service."""
        node: Node[Authsession] = self._first("authsession")
        return node

    @property
    def lobby(self) -> Node[Lobby]:
        """The first lobby."""
        node: Node[Lobby] = self._first("lobby")
        return node

    @property
    def notification(self) -> Node[Notification]:
        """The first notification service."""
        node: Node[Notification] = self._first("notification")
        return node

    @property
    def rtmanager(self) -> Node[RuntimeManager]:
        """The first runtime manager."""
        node: Node[RuntimeManager] = self._first("rtmanager")
        return node

    def _first(self, part: Part) -> Any:
        if part not in self.nodes:
            raise AssertionError(f"this platform was booted without {part}")
        return self.nodes[part][0]

    @property
    def processes(self) -> list[Process]:
        """Every process of our own services."""
        return [node.process for nodes in self.nodes.values() for node in nodes]

    def expect_outage(self) -> None:
        """The test takes a dependency away: the services may say so in their logs."""
        for process in self.processes:
            process.allow_log("dependency_unavailable")

    def containers(self, game_id: str) -> tuple[ContainerHandle, ...]:
        """The containers of a game, running or not."""
        return self.environment.engine.containers({"seatrial.rtmanager.game_id": game_id})

    def engine(self, game_id: str) -> Engine:
        """The engine of a game that runs, at its container's address."""
        (container,) = self.containers(game_id)
        return Engine(f"http://{container.ip}:8080")

    # Users

    def device(self, address: str = "ada@example.test") -> Device:
        """A device of the owner of an address: signed in where authsession was booted, else with a session as it would be."""
        if "authsession" not in self.nodes:
            return open_session(self.streams, self.gateway.edge, self.users.id_of(address))
        key, number = DeviceKey(), len(self.mail.mails(address)) + 1
        challenge_id = self.gateway.http.send_email_code(address).expect(200).json()["challenge_id"]
        code = self.mail.code_for(address, number)
        answer = self.gateway.http.confirm_email_code(challenge_id, code, key.public).expect(200)
        return Device(self.gateway.edge, answer.json()["device_session_id"], key)

    def player(self, address: str = "ada@example.test") -> Player:
        """The owner of an address, who calls lobby: through the gateway where one was booted, else directly."""
        user_id = self.users.id_of(address)
        if "gateway" in self.nodes:
            return commands.player(self.device(address), user_id)
        return self.lobby.http.player(user_id)

    @staticmethod
    def together(*calls: Callable[[], T]) -> list[T]:
        """Makes all calls at the same time, each in a thread of its own; raises what one of them raises."""
        barrier = threading.Barrier(len(calls))

        def released(call: Callable[[], T]) -> T:
            barrier.wait()
            return call()

        with ThreadPoolExecutor(len(calls)) as pool:
            return list(pool.map(released, calls))


class _Boot:
    """The wiring of one boot: who is told which address of whom, through which proxy."""

    def __init__(self, platform: Platform, proxied: Collection[str]) -> None:
        self.platform = platform
        self._proxied = set(proxied)

    def link(self, name: str, target: Address) -> Address:
        """The address to tell: the target, or a proxy's in front of it."""
        if name not in self._proxied:
            return target
        if name not in self.platform.proxies:
            self.platform.proxies[name] = self.platform.environment.proxy(target, name=name)
        return self.platform.proxies[name].address

    def check(self) -> None:
        """Raises AssertionError for a proxy that was asked for and is no link of this platform."""
        if unknown := self._proxied - self.platform.proxies.keys():
            raise AssertionError(f"no such link here: {sorted(unknown)}")

    def variables(self, part: Part, database: Database | None) -> dict[str, str]:
        """What a service is told of the others, without its prefix."""
        platform = self.platform
        redis = self.link(f"{part} to redis", platform.store.address)
        given = {"REDIS_URL": f"redis://{redis}/{platform.store.database}"}
        if database is not None:
            given["POSTGRES_DSN"] = self._dsn(part, database)
        if part == "authsession":
            given |= {"USER_URL": platform.users.url(), "MAIL_URL": platform.mail.url()}
        if part == "rtmanager":
            given |= self._runtime()
        if part == "notification":
            given["USER_URL"] = f"http://{self.link('notification to user', _address(platform.users.url()))}"
        if part == "gateway":
            upstreams: dict[Part, str] = {"authsession": "AUTHSESSION_URL", "lobby": "ROUTES"}
            for upstream, variable in upstreams.items():
                if upstream in platform.nodes:
                    target = platform.nodes[upstream][0].process.address("http")
                    url = f"http://{self.link(f'gateway to {upstream}', target)}"
                    given[variable] = f"lobby.={url}" if upstream == "lobby" else url
        return given

    def _runtime(self) -> dict[str, str]:
        """A network, a state root and labels of this test's own: what rtmanager makes goes with the test."""
        environment = self.platform.environment
        environment.engine.adopt()
        network = environment.network().name
        state_root = environment.artifacts / "games"  # kept when the test fails
        state_root.mkdir()
        return {
            "NETWORK": network,
            "DEPLOYMENT": network,
            "STATE_ROOT": str(state_root),
            "CONTAINER_LABELS": environment.engine.labels_text,
            # The same one after a kill: it goes on with what it had begun, and waits for no lease of its own.
            "INSTANCE_ID": "only",
            **self._docker(),
        }

    def _docker(self) -> dict[str, str]:
        """The engine's own socket as it is, unless it lies behind a proxy."""
        if "rtmanager to docker" not in self._proxied:
            return {}
        socket = Path(self.platform.environment.engine.engine.place.path)
        proxy = self.platform.environment.proxy(socket, name="rtmanager to docker")
        self.platform.proxies["rtmanager to docker"] = proxy
        return {"DOCKER_HOST": f"tcp://{proxy.address}"}

    def _dsn(self, part: Part, database: Database) -> str:
        parts = urlsplit(database.dsn)
        target = self.link(f"{part} to postgres", _address(database.dsn))
        return parts._replace(netloc=f"{parts.username}:{parts.password}@{target}").geturl()


def _address(url: str) -> Address:
    parts = urlsplit(url)
    if parts.hostname is None or parts.port is None:
        raise AssertionError(f"{url} has no host and port")
    return Address(parts.hostname, parts.port)


_ORDER: Final[tuple[Part, ...]] = ("authsession", "lobby", "notification", "rtmanager", "gateway")
"""The gateway comes last: it is told the others' addresses."""


def boot(
    environment: Environment,
    *,
    parts: Collection[Part],
    instances: Mapping[Part, int] | None = None,
    settings: Mapping[Part, Mapping[str, str]] | None = None,
    store: Store | None = None,
    mail: MailService | None = None,
    services: Mapping[Part, Service] | None = None,
    proxied: Collection[str] = (),
) -> Platform:
    """Boots the parts at the same time, each service with a database of its own, and waits until all are ready.

    `store` is another Redis than the environment's own, `mail` another mail service, and `services` describe parts in another
    way than `SERVICES` does. `settings` are a service's variables without their prefix.
    `instances` says how many of a part there are, one by default. Each link in `proxied`, such as "gateway to lobby",
    "lobby to redis" or "lobby to postgres", goes through a proxy of that name in `Platform.proxies`.
    """
    store = store or environment.valkey
    streams = Streams.of_test(environment, store)
    platform = Platform(
        environment=environment,
        store=store,
        streams=streams,
        users=environment.stub(UserService()),
        mail=environment.stub(mail or MailService()),
    )
    wiring = _Boot(platform, proxied)
    known = {**SERVICES, **(services or {})}
    for part in (part for part in _ORDER if part in parts):
        database = environment.postgres.database(DATABASES[part]) if part in DATABASES else None
        given = {**_DEFAULTS[part], **wiring.variables(part, database), **(settings or {}).get(part, {})}
        variables = {f"{part.upper()}_{name}": value for name, value in given.items()}
        kind = GatewayNode if part == "gateway" else Node
        platform.nodes[part] = [
            kind(environment.spawn(known[part], environment=variables), _CLIENTS[part], database)
            for _ in range((instances or {}).get(part, 1))
        ]
    wiring.check()
    for process in platform.processes:
        process.wait_ready()
    for gateway in platform.nodes.get("gateway", ()):
        environment.on_teardown(gateway.close)
    return platform


def without_containers(environment: Environment) -> Platform:
    """The platform for a person, `make up SUITE=platform`: all of it that needs no container engine."""
    return boot(environment, parts=("gateway", "authsession", "lobby", "notification"))
