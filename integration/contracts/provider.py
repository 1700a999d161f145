"""Base of the stubs that authsession's adapters talk to: each request is held to authsession's consumer contract."""

from typing import Any

from contracts.errors import ContractError
from contracts.http import Request as Sent
from contracts.openapi import Contract
from contracts.paths import AUTHSESSION_API
from seatrial.network.stub import HttpStub, Illegal, Request


def contract() -> Contract:
    """What authsession publishes of the calls that it makes."""
    return Contract.load("authsession adapters", AUTHSESSION_API / "adapters.openapi.yaml")


class ProviderStub(HttpStub):
    """An external system as authsession's adapters know it."""

    def document(self, request: Request, operation_id: str) -> dict[str, Any]:
        """The JSON object that was sent; raises Illegal when the request is not what the contract documents."""
        sent = Sent(
            method=request.method,
            path=request.path,
            query=(("query", request.query),) if request.query else (),
            headers=tuple(request.headers.items()),
            body=request.body,
        )
        try:
            contract().operation(operation_id).check_request(sent)
        except ContractError as error:
            raise Illegal(str(error)) from None
        document: dict[str, Any] = request.json()
        return document
