"""People who sign in: an action asks for a code, waits for the mail, and confirms it."""

from typing import Any, Final

import gevent

from contracts.gateway.public import GatewayHttp
from contracts.gateway.signing import DeviceKey
from contracts.http import Answer
from generator.recorder import Unexpected
from inbox import code_of, sign_in
from scenarios.player import Player, expect

HTTP: Final = "HTTP"
MAIL: Final = "mail"
_PATIENCE_S: Final = 10.0
_LOOK_S: Final = 0.02


class _Measured(GatewayHttp):
    """Public HTTP, each operation of which is one measured call."""

    def __init__(self, url: str, player: Player) -> None:
        super().__init__(url)
        self._player = player

    def call(self, operation_id: str, **options: Any) -> Answer:
        """As the contract's client does."""
        return self._player.call(
            HTTP, operation_id, lambda: super(_Measured, self).call(operation_id, **options)
        )


class SignIn(Player):
    """Every action is somebody new: the platform throttles mails to one address."""

    def prepare(self) -> None:
        """Knows where the gateway and the mailbox are."""
        target = self.stage.target
        if target.inbox is None:
            raise ValueError("this scenario reads mail, and the target has no inbox")
        self.gateway, self.inbox = _Measured(target.http, self), target.inbox

    def action(self) -> None:
        """One whole sign-in."""
        address = f"player-{self.chance.getrandbits(96):024x}@example.test"
        sign_in(
            self.gateway,
            address,
            DeviceKey(),
            lambda who: self.call(MAIL, "the code's way", lambda: self._code(who)),
            lambda answer: expect(answer, 200),
        )

    def _code(self, address: str) -> str:
        with gevent.Timeout(_PATIENCE_S, Unexpected("no mail")):
            while (code := code_of(self.inbox, address)) is None:
                gevent.sleep(_LOOK_S)
            return code
