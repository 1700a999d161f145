"""The admin operations that every service has: health, readiness, metrics."""

from collections.abc import Mapping
from typing import Any

from contracts.client import ContractClient
from contracts.errors import ContractError
from contracts.http import Answer
from contracts.openapi import Contract
from contracts.paths import SERVICEKIT_API


def contract() -> Contract:
    """The published document."""
    return Contract.load("admin http", SERVICEKIT_API / "admin.openapi.yaml")


class Admin(ContractClient):
    """The admin listener of one service process."""

    def __init__(self, url: str) -> None:
        super().__init__(contract(), url)

    def dependencies(self) -> Mapping[str, Any]:
        """/readyz: each dependency's status and, when it is down, the reason; the overall status must agree."""
        answer = self.ready()
        dependencies: dict[str, Any] = answer.json()["dependencies"]
        down = [name for name, state in dependencies.items() if state["status"] != "ok"]
        if (answer.status == 503) != bool(down):
            raise ContractError(f"/readyz contradicts itself: {answer.story}")
        return dependencies

    def health(self) -> Answer:
        """/healthz."""
        return self.call("getHealth")

    def ready(self) -> Answer:
        """/readyz."""
        return self.call("getReadiness")

    def metrics(self) -> dict[str, float]:
        """Every sample of /metrics, by name and labels as written."""
        text = self.call("getMetrics").expect(200).body.decode()
        lines = (line.rpartition(" ") for line in text.splitlines() if line and not line.startswith("#"))
        return {name: float(value) for name, _, value in lines}
