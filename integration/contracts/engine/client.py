"""The operations of one running game, as its master and its players call them."""

from typing import Any

from contracts.client import ContractClient
from contracts.http import Answer
from contracts.openapi import Contract
from contracts.paths import ENGINE_API


def contract() -> Contract:
    """The published document."""
    return Contract.load("engine http", ENGINE_API / "openapi.yaml")


class Engine(ContractClient):
    """The engine at `url`."""

    def __init__(self, url: str) -> None:
        super().__init__(contract(), url)

    def health(self) -> Answer:
        """Whether it is alive."""
        return self.call("getHealth")

    def init(self, *races: str) -> Answer:
        """Begins the game."""
        return self.call("initGame", json_body={"races": list(races)})

    def status(self) -> Answer:
        """Where the game stands."""
        return self.call("getStatus")

    def turn(self, **query: str) -> Answer:
        """Plays one turn."""
        return self.call("playTurn", query=query)

    def order(self, race: str, document: Any) -> Answer:
        """Gives a race's orders for the next turn."""
        return self.call("putOrders", path={"race": race}, json_body=document)

    def report(self, race: str) -> Answer:
        """What a race knows."""
        return self.call("getReport", path={"race": race})
