"""lobby's own HTTP operations: a user's, as a service of the inner network calls them, and the game master's."""

from collections.abc import Mapping
from typing import Any

from contracts.client import ContractClient
from contracts.http import Answer
from contracts.lobby.player import Player
from contracts.openapi import Contract
from contracts.paths import LOBBY_API


def contract() -> Contract:
    """The published document."""
    return Contract.load("lobby http", LOBBY_API / "openapi.yaml")


class Lobby(ContractClient):
    """lobby at `url`."""

    def __init__(self, url: str) -> None:
        super().__init__(contract(), url)

    def player(self, user_id: str) -> Player:
        """A user who calls it directly."""

        def perform(
            operation: str, path: Mapping[str, str], query: Mapping[str, Any], document: Any
        ) -> Answer:
            words = {name: str(value) for name, value in query.items()}
            body = {} if document is None else {"json_body": document}
            return self.call(operation, path=path, query=words, headers={"X-User-Id": user_id}, **body)

        return Player(user_id, perform)

    def game(self, game_id: str) -> Answer:
        """A game as the game master sees it."""
        return self._master("getInternalGame", game_id)

    def status(self, game_id: str) -> str:
        """The state of a game that exists."""
        status: str = self.game(game_id).expect(200).json()["game"]["status"]
        return status

    def pause(self, game_id: str) -> Answer:
        """Pauses it."""
        return self._master("pauseInternalGame", game_id)

    def resume(self, game_id: str) -> Answer:
        """Lets it go on."""
        return self._master("resumeInternalGame", game_id)

    def finish(self, game_id: str) -> Answer:
        """Ends it."""
        return self._master("finishInternalGame", game_id)

    def cancel(self, game_id: str) -> Answer:
        """Calls it off."""
        return self._master("cancelInternalGame", game_id)

    def command(self, message_type: str, user_id: str | None, body: bytes, **options: Any) -> Answer:
        """Sends a command as the gateway does."""
        headers = {} if user_id is None else {"X-User-Id": user_id}
        return self.call(
            "executeCommand",
            path={"message_type": message_type},
            headers=headers,
            body=body,
            content_type="application/octet-stream",
            **options,
        )

    def _master(self, operation: str, game_id: str) -> Answer:
        return self.call(operation, path={"game_id": game_id})
