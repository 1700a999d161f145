"""Owners who hold an event stream: an action is an application to their game, until its push is there."""

from collections.abc import Mapping
from typing import Any, Final, cast

import gevent
import grpc
from gevent.event import AsyncResult

from contracts.errors import ContractError
from contracts.gateway.edge import EventCall
from contracts.http import loads_strictly
from generator.recorder import Unexpected
from scenarios.player import Player, expect

SUBMITTED: Final = "lobby.application_submitted"
PUSH: Final = "push"
_PATIENCE_S: Final = 10.0


class Events(Player):
    """Two devices: an owner's, subscribed all the time, and an applicant's."""

    def prepare(self) -> None:
        """Signs both in, opens the owner's game and stream."""
        mine, user_id = self.device()
        self.owner = self.lobby(mine, user_id)
        self.applicant = self.lobby(*self.device())
        self.game = self.owner.opened(max_players=64)
        self.awaited: dict[str, AsyncResult[None]] = {}
        self.end: Exception | None = None
        envelope = mine.subscription()
        self.stream: EventCall = mine.edge.subscribe(envelope.encoded(mine.key))
        mine.edge.keys.verify_event(next(self.stream))
        self.keys = mine.edge.keys
        self.reader = gevent.spawn(self._read)

    def on_stop(self) -> None:
        """Leaves the stream first."""
        self.reader.kill()
        self.stream.cancel()
        super().on_stop()

    def action(self) -> None:
        """Applies, waits for the push, and turns the application down, so that the game stays open."""
        name = f"Race {self.chance.getrandbits(64):016x}"
        arrived = self.awaited[name] = AsyncResult()
        try:
            application = expect(self.applicant.apply(self.game, name), 201).json()["application_id"]
            self.call(PUSH, SUBMITTED, lambda: self._wait(arrived))
        finally:
            del self.awaited[name]
        expect(self.owner.reject(self.game, application), 200)

    def _wait(self, arrived: "AsyncResult[None]") -> None:
        if self.end is not None:
            raise self.end
        try:
            arrived.get(timeout=_PATIENCE_S)
        except gevent.Timeout:
            raise Unexpected("no push") from None

    def _read(self) -> None:
        try:
            while True:
                event = next(self.stream)
                self.keys.verify_event(event)
                if event.event_type == SUBMITTED:
                    self._arrived(loads_strictly(event.payload_bytes))
        except StopIteration:
            self.end = ContractError("the stream ended with OK: it has no normal end")
        except grpc.RpcError as error:
            self.end = Unexpected(f"stream ended with {cast(grpc.Call, error).code().name}")
        except ContractError as error:
            self.end = error
        for waiting in self.awaited.values():
            waiting.set_exception(self.end)

    def _arrived(self, push: Mapping[str, Any]) -> None:
        # Delivery is at least once: a second one finds nobody who waits
        waiting = self.awaited.get(push["payload"]["race_name"])
        if waiting is not None:
            waiting.set(None)
