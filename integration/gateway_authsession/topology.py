"""What this boundary consists of, how it is booted, and the domain verbs of its tests."""

import threading
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, Literal, TypeVar

from contracts.admin import Admin
from contracts.authsession import service as authsession_service
from contracts.authsession.internal import Authsession
from contracts.gateway import service as gateway_service
from contracts.gateway.commands import CommandService
from contracts.gateway.device import Device
from contracts.gateway.edge import Edge
from contracts.gateway.public import GatewayHttp
from contracts.gateway.signing import DeviceKey
from contracts.mail.service import MailService
from contracts.signin import SignInClient
from contracts.streams.redis_streams import Streams
from contracts.user.service import UserService
from seatrial import Address, Environment, Process
from seatrial.network.proxy import Proxy
from seatrial.stores.store import Store

PATIENCE_MS: Final = "1000"
"""How long an impatient service waits for another: long enough for a busy machine, which must never be taken for the fault."""

T = TypeVar("T")
Link = Literal["gateway to authsession", "gateway to redis", "authsession to redis"]

GATEWAY: Final = gateway_service.GATEWAY.replace(
    environment={
        **gateway_service.GATEWAY.environment,
        # Tests that are not about limits do not meet them.
        "GATEWAY_LIMIT_SEND_CODE_IP": "1000/1",
        "GATEWAY_LIMIT_SEND_CODE_EMAIL": "1000/1",
        "GATEWAY_LIMIT_CONFIRM_CODE_IP": "1000/1",
        "GATEWAY_LIMIT_CONFIRM_CODE_CHALLENGE": "1000/1",
    }
)
AUTHSESSION: Final = authsession_service.AUTHSESSION.replace(
    environment={
        **authsession_service.AUTHSESSION.environment,
        "AUTHSESSION_USER_ADAPTER": "rest",
        "AUTHSESSION_MAIL_ADAPTER": "rest",
        "AUTHSESSION_MAIL_FIRST_PAUSE_MS": "20",
    }
)


class Node:
    """One running gateway and the clients of its three listeners."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.http = GatewayHttp(process.url("http"))
        self.admin = Admin(process.url("admin"))

    @cached_property
    def edge(self) -> Edge:
        """A gRPC connection to it; made when it is first asked for."""
        return Edge(str(self.process.address("grpc")), self.http.signing_keys())

    def close(self) -> None:
        """Ends the connection, if there is one; the next use makes another."""
        edge = self.__dict__.pop("edge", None)
        if edge is not None:
            edge.close()

    def restart(self) -> None:
        """Stops the gateway and starts it again: its HTTP addresses stay, gRPC gets another one."""
        self.close()
        self.process.restart()


@dataclass(frozen=True)
class SignedIn:
    """What a sign-in gives: a session, its key, and who it belongs to."""

    session_id: str
    key: DeviceKey
    user_id: str
    challenge_id: str
    code: str


@dataclass
class Platform:
    """The running boundary."""

    environment: Environment
    streams: Streams
    mail: MailService
    users: UserService
    commands: CommandService
    gateways: list[Node] = field(default_factory=list)
    authsession_process: Process | None = None
    proxies: dict[Link, Proxy] = field(default_factory=dict)

    @property
    def gateway(self) -> Node:
        """The first gateway."""
        return self.gateways[0]

    @cached_property
    def authsession(self) -> Authsession:
        """The session service's own operations."""
        return Authsession(self.sessions_process.url("http"))

    @cached_property
    def authsession_admin(self) -> Admin:
        """The session service's admin operations."""
        return Admin(self.sessions_process.url("admin"))

    @property
    def sessions_process(self) -> Process:
        """The session service's process."""
        if self.authsession_process is None:
            raise AssertionError("this platform was booted without authsession")
        return self.authsession_process

    @property
    def public(self) -> SignInClient:
        """Where clients sign in: the gateway, or authsession itself where no gateway was booted."""
        return self.gateway.http if self.gateways else self.authsession

    @property
    def entrances(self) -> list[SignInClient]:
        """Everywhere sign-in answers: the gateway relays what authsession says, unchanged."""
        return [self.gateway.http, self.authsession]

    @property
    def services(self) -> list[Process]:
        """Every process of our own services."""
        nodes = [node.process for node in self.gateways]
        return nodes if self.authsession_process is None else [*nodes, self.authsession_process]

    def expect_outage(self) -> None:
        """The test takes a dependency away: the services may say so in their logs."""
        for process in self.services:
            process.allow_log("dependency_unavailable")

    # Verbs

    def send_code(self, address: str, language: str | None = None) -> str:
        """Asks for a code; returns the challenge's id."""
        challenge: str = self.public.send_email_code(address, language).expect(200).json()["challenge_id"]
        return challenge

    def challenge(self, address: str, language: str | None = None) -> tuple[str, str]:
        """Asks for a code for an address that has none, and reads the mail: challenge id and code."""
        number = len(self.mail.mails(address)) + 1
        return self.send_code(address, language), self.mail.code_for(address, number)

    def open_session(self, address: str = "ada@example.test", key: DeviceKey | None = None) -> SignedIn:
        """A complete sign-in. Once a minute an address, as the mails are."""
        key = key or DeviceKey()
        challenge_id, code = self.challenge(address)
        answer = self.public.confirm_email_code(challenge_id, code, key.public).expect(200)
        return SignedIn(
            answer.json()["device_session_id"], key, self.users.id_of(address), challenge_id, code
        )

    def sign_in(self, address: str = "ada@example.test") -> Device:
        """A device that has signed in, at the first gateway."""
        signed_in = self.open_session(address)
        return Device(self.gateway.edge, signed_in.session_id, signed_in.key)

    def user_of(self, device: Device) -> str:
        """The user id of a device's session."""
        user_id: str = self.authsession.session(device.session_id).expect(200).json()["user_id"]
        return user_id

    @staticmethod
    def together(*calls: Callable[[], T]) -> list[T]:
        """Makes all calls at the same time, each in a thread of its own; raises what one of them raises."""
        barrier = threading.Barrier(len(calls))

        def released(call: Callable[[], T]) -> T:
            barrier.wait()
            return call()

        with ThreadPoolExecutor(len(calls)) as pool:
            return list(pool.map(released, calls))


def _environment(prefix: str, given: Mapping[str, str], settings: Mapping[str, str]) -> dict[str, str]:
    """The variables of a service; `settings` come last and without the prefix."""
    return {prefix + name: value for name, value in {**given, **settings}.items()}


def boot(
    environment: Environment,
    *,
    gateways: int = 1,
    authsession: bool = True,
    store: Store | None = None,
    proxied: Collection[Link] = (),
    gateway_settings: Mapping[str, str] | None = None,
    authsession_settings: Mapping[str, str] | None = None,
    mode: Literal["cold"] | None = None,
) -> Platform:
    """Boots the boundary, its services at the same time, and waits until they are ready.

    `store` is another Redis than the environment's own. Each link in `proxied` goes through a proxy of that name in
    `Platform.proxies`. Settings are the services' variables without their prefix. With the mode "cold" the installed scripts
    are executed, as a test of boot, signals or restart needs it; else the run decides.
    """
    store = store or environment.valkey
    streams = Streams.of_test(environment, store)
    platform = Platform(
        environment=environment,
        streams=streams,
        mail=environment.stub(MailService()),
        users=environment.stub(UserService()),
        commands=environment.stub(CommandService()),
    )

    def link(name: Link, target: Address) -> Address:
        if name not in proxied:
            return target
        platform.proxies[name] = environment.proxy(target, name=name)
        return platform.proxies[name].address

    given = {"ROUTES": f"user.={platform.commands.url()},lobby.={platform.commands.url()}"}
    if authsession:
        adapters = {"USER_URL": platform.users.url(), "MAIL_URL": platform.mail.url()}
        redis = {"REDIS_URL": f"redis://{link('authsession to redis', store.address)}/{store.database}"}
        variables = _environment("AUTHSESSION_", redis | adapters, authsession_settings or {})
        platform.authsession_process = environment.spawn(AUTHSESSION, environment=variables, boot=mode)
        upstream = link("gateway to authsession", platform.authsession_process.address("http"))
        given["AUTHSESSION_URL"] = f"http://{upstream}"
    if gateways:
        given["REDIS_URL"] = f"redis://{link('gateway to redis', store.address)}/{store.database}"
    variables = _environment("GATEWAY_", given, gateway_settings or {})
    processes = [environment.spawn(GATEWAY, environment=variables, boot=mode) for _ in range(gateways)]
    if platform.authsession_process is not None:
        platform.authsession_process.wait_ready()
    for process in processes:
        process.wait_ready()
        node = Node(process)
        environment.on_teardown(node.close)
        platform.gateways.append(node)
    return platform
