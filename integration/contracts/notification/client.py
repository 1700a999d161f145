"""notification's own HTTP operations."""

from typing import Any

from contracts.client import ContractClient
from contracts.http import Answer
from contracts.openapi import Contract
from contracts.paths import NOTIFICATION_API

ACTOR = "admin:test"


def contract() -> Contract:
    """The published document."""
    return Contract.load("notification http", NOTIFICATION_API / "openapi.yaml")


class Notification(ContractClient):
    """notification at `url`."""

    def __init__(self, url: str) -> None:
        super().__init__(contract(), url)

    def intent(self, idempotency_key: str) -> Answer:
        """What became of an intent."""
        return self.call("getIntent", path={"idempotency_key": idempotency_key})

    def dead_letters(self, **query: str) -> Answer:
        """One page of what was given up."""
        return self.call("listDeadLetters", query=query)

    def dead_letter(self, dead_letter_id: str) -> Answer:
        """One of them."""
        return self.call("getDeadLetter", path={"dead_letter_id": dead_letter_id})

    def replay(self, dead_letter_id: str, **options: Any) -> Answer:
        """Tries it again."""
        return self._resolve("replayDeadLetter", dead_letter_id, **options)

    def discard(self, dead_letter_id: str, **options: Any) -> Answer:
        """Gives it up for good."""
        return self._resolve("discardDeadLetter", dead_letter_id, **options)

    def _resolve(self, operation: str, dead_letter_id: str, **options: Any) -> Answer:
        return self.call(
            operation,
            path={"dead_letter_id": dead_letter_id},
            json_body={"reason_code": "mended", "actor": ACTOR},
            **options,
        )
