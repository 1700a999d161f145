"""rtmanager's own HTTP operations."""

from collections.abc import Iterator
from typing import Any

from contracts.client import ContractClient
from contracts.http import Answer
from contracts.openapi import Contract
from contracts.paths import RTMANAGER_API


def contract() -> Contract:
    """The published document."""
    return Contract.load("rtmanager http", RTMANAGER_API / "openapi.yaml")


class RuntimeManager(ContractClient):
    """rtmanager at `url`."""

    def __init__(self, url: str) -> None:
        super().__init__(contract(), url)

    def runtime(self, game_id: str) -> Answer:
        """The record of one game."""
        return self.call("getRuntime", path={"game_id": game_id})

    def runtimes(self, **query: str) -> Answer:
        """One page of the records."""
        return self.call("listRuntimes", query=query)

    def operations(self, game_id: str, **query: str) -> Answer:
        """One page of the operation log of a game."""
        return self.call("listOperations", path={"game_id": game_id}, query=query)

    def all_operations(self, game_id: str, page_size: int = 50) -> Iterator[dict[str, Any]]:
        """The whole operation log of a game, page by page, in the order of the pages."""
        query = {"page_size": str(page_size)}
        while True:
            page = self.operations(game_id, **query).expect(200).json()
            yield from page["operations"]
            if "next_cursor" not in page:
                return
            query["cursor"] = page["next_cursor"]

    def start(self, game_id: str, image_ref: str, **options: Any) -> Answer:
        """Starts the engine of a game."""
        return self._act("startRuntime", game_id, {"image_ref": image_ref}, **options)

    def stop(self, game_id: str, reason: str = "finished", **options: Any) -> Answer:
        """Stops it."""
        return self._act("stopRuntime", game_id, {"reason": reason}, **options)

    def restart(self, game_id: str, **options: Any) -> Answer:
        """Stops it and starts it again."""
        return self.call("restartRuntime", path={"game_id": game_id}, **options)

    def patch(self, game_id: str, image_ref: str, **options: Any) -> Answer:
        """Replaces its image by another patch of the same version."""
        return self._act("patchRuntime", game_id, {"image_ref": image_ref}, **options)

    def cleanup(self, game_id: str, **options: Any) -> Answer:
        """Removes the container of a stopped game."""
        return self.call("cleanupRuntime", path={"game_id": game_id}, **options)

    def _act(self, operation: str, game_id: str, document: dict[str, str], **options: Any) -> Answer:
        return self.call(operation, path={"game_id": game_id}, json_body=document, **options)
