"""A player: acts when an action is due, and tells Locust of every call and of the whole."""

import random
import time
from abc import abstractmethod
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from locust import User, constant, task
from locust.env import Environment

from contracts.errors import ContractError
from contracts.gateway.device import Device
from contracts.gateway.edge import Edge, Rejected, TransportError
from contracts.gateway.public import GatewayHttp
from contracts.gateway.signing import DeviceKey, GatewayKeys
from contracts.http import Answer, NoAnswer
from contracts.lobby import commands
from contracts.lobby.player import Player as LobbyPlayer
from generator.arrivals import Arrivals
from generator.recorder import Unexpected
from target import Target
from words import ACTION, EXECUTE

T = TypeVar("T")

FAILURES = (Rejected, TransportError, NoAnswer, ContractError, Unexpected)
"""What a call may end with; anything else is a fault of the scenario, and ends its player."""


@dataclass
class Stage:
    """What the players of one worker share."""

    target: Target
    arrivals: Arrivals
    devices: list[Mapping[str, str]]
    """Devices that no player has taken yet: `device_session_id`, `private_key` (the seed, base64), `user_id`."""
    chance: random.Random
    ready: Callable[[], None]
    """Called by each player who is prepared."""
    _keys: GatewayKeys | None = None

    @property
    def keys(self) -> GatewayKeys:
        """The gateway's published keys, fetched once."""
        if self._keys is None:
            self._keys = GatewayHttp(self.target.http).signing_keys()
        return self._keys


class Player(User):
    """Base of every scenario. Locust makes `--users` of them, spread over the workers."""

    abstract = True
    wait_time = constant(0)  # the arrivals say when
    stage: ClassVar[Stage]

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self.chance = random.Random(self.stage.chance.getrandbits(64))  # noqa: S311  (a choice in a game is no secret)
        self._edges: list[Edge] = []

    @abstractmethod
    def prepare(self) -> None:
        """Whatever must be there before the first action."""

    @abstractmethod
    def action(self) -> None:
        """One action; raises one of FAILURES."""

    def on_start(self) -> None:
        """Called by Locust."""
        self.prepare()
        self.stage.ready()

    def on_stop(self) -> None:
        """Called by Locust."""
        for edge in self._edges:
            edge.close()

    @task
    def act(self) -> None:
        """Takes the next action that is due."""
        due = self.stage.arrivals.next()
        with self._told(ACTION, type(self).__name__, due=due):
            self.action()

    def device(self) -> tuple[Device, str]:
        """A device of its own with a connection of its own, and its user's id."""
        given = self.stage.devices.pop()
        edge = Edge(self.stage.target.grpc, self.stage.keys)
        self._edges.append(edge)
        key = DeviceKey(b64decode(given["private_key"]))
        return Device(edge, given["device_session_id"], key), given["user_id"]

    def lobby(self, device: Device, user_id: str) -> LobbyPlayer:
        """The user of a device, each of whose operations is one measured gateway command."""

        def perform(
            operation: str, path: Mapping[str, str], query: Mapping[str, Any], document: Any
        ) -> Answer:
            name = commands.message_types()[operation]
            return self.call(
                EXECUTE,
                name,
                lambda: commands.execute(device, operation, {**path, **query, **(document or {})}),
            )

        return LobbyPlayer(user_id, perform)

    def call(self, kind: str, name: str, make: Callable[[], T]) -> T:
        """Makes a measured call; raises what it raises."""
        with self._told(kind, name):
            return make()

    @contextmanager
    def _told(self, kind: str, name: str, *, due: float | None = None) -> Iterator[None]:
        began = time.monotonic()
        context = {"began": began} if due is None else {"began": began, "due": due}

        def tell(failure: Exception | None) -> None:
            self.environment.events.request.fire(
                request_type=kind,
                name=name,
                response_time=(time.monotonic() - began) * 1000.0,
                response_length=0,
                exception=failure,
                context=context,
            )

        try:
            yield
        except FAILURES as error:
            tell(error)
            if due is None:
                raise
        else:
            tell(None)


def expect(answer: Answer, *statuses: int) -> Answer:
    """The answer when it has one of these statuses; raises Unexpected."""
    if answer.status not in statuses:
        raise Unexpected(f"{answer.status} {answer.error_code or ''}".strip())
    return answer
