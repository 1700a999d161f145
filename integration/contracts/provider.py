"""Base of the stubs that services' adapters talk to: each request is held to the consumers' contracts."""

import functools
from collections.abc import Mapping
from typing import Any

from contracts.coverage import Cell, exercised
from contracts.errors import ContractError, ContractFileError
from contracts.http import Answer
from contracts.http import Request as Sent
from contracts.openapi import Contract
from contracts.paths import SERVICES
from seatrial.network.stub import HttpStub, Illegal, Request, Response


@functools.cache
def _contract_of() -> Mapping[str, Contract]:
    """What the services publish of the calls that they make, by operation."""
    found: dict[str, Contract] = {}
    for path in sorted(SERVICES.glob("*/api/adapters.openapi.yaml")):
        published = Contract.load(f"{path.parents[1].name} adapters", path)
        if twice := found.keys() & published.operations.keys():
            raise ContractFileError(f"{path}: another service publishes {sorted(twice)} too; rename one")
        found |= dict.fromkeys(published.operations, published)
    return found


def contract(operation_id: str) -> Contract:
    """The consumer's contract that documents an operation of an adapter; raises ContractFileError when none does."""
    try:
        return _contract_of()[operation_id]
    except KeyError:
        raise ContractFileError(
            f"no adapters.openapi.yaml documents {operation_id}, only {sorted(_contract_of())}"
        ) from None


def _sent(request: Request) -> Sent:
    return Sent(
        method=request.method,
        path=request.path,
        query=(("query", request.query),) if request.query else (),
        headers=tuple(request.headers.items()),
        body=request.body or None,
    )


class ProviderStub(HttpStub):
    """An external system as the services' adapters know it."""

    def check(self, request: Request, operation_id: str) -> None:
        """Raises Illegal when the request is not what the contract documents."""
        try:
            contract(operation_id).operation(operation_id).check_request(_sent(request))
        except ContractError as error:
            raise Illegal(str(error)) from None

    def answered(self, request: Request, operation_id: str, response: Response) -> Response:
        """Notes the outcome, and returns `response`; raises ContractError when that is not what the contract documents."""
        known = contract(operation_id)
        answer = Answer(response.status, tuple(response.headers.items()), response.body, 0.0, _sent(request))
        exercised(Cell(known.name, operation_id, known.operation(operation_id).check_response(answer)))
        return response

    def document(self, request: Request, operation_id: str) -> dict[str, Any]:
        """The JSON object that was sent; raises Illegal when the request is not what the contract documents."""
        self.check(request, operation_id)
        document: dict[str, Any] = request.json()
        return document
