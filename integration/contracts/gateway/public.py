"""The gateway's public HTTP operations."""

from contracts.errors import ContractError
from contracts.gateway.signing import GatewayKeys
from contracts.http import Answer
from contracts.openapi import Contract, Operation
from contracts.paths import GATEWAY_API
from contracts.signin import SignInClient


def contract() -> Contract:
    """The published document."""
    return Contract.load("gateway http", GATEWAY_API / "openapi.yaml")


class GatewayHttp(SignInClient):
    """Public sign-in and signing keys at one gateway."""

    def __init__(self, url: str) -> None:
        super().__init__(contract(), url)

    def judge(self, operation: Operation, answer: Answer) -> Answer:
        """As for every contract, and this one promises an X-Request-Id on every answer."""
        if not answer.header("x-request-id"):
            raise ContractError(f"{operation.id}: no X-Request-Id; {answer.story}")
        return super().judge(operation, answer)

    def signing_keys(self) -> GatewayKeys:
        """The keys that verify what this gateway signs."""
        keys = self.call("listSigningKeys").expect(200).json()["keys"]
        return GatewayKeys({key["key_id"]: key["public_key"] for key in keys})
