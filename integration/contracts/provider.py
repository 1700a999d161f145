"""Base of the stubs that services' adapters talk to: each request is held to the consumers' contracts."""

import functools
from collections.abc import Mapping
from typing import Any

from contracts.errors import ContractError, ContractFileError
from contracts.http import Request as Sent
from contracts.openapi import Contract
from contracts.paths import SERVICES
from seatrial.network.stub import HttpStub, Illegal, Request


@functools.cache
def _contract_of() -> Mapping[str, Contract]:
    """What the services publish of the calls that they make, by operation."""
    found: dict[str, Contract] = {}
    for path in sorted(SERVICES.glob("*/api/adapters.openapi.yaml")):
        contract = Contract.load(f"{path.parents[1].name} adapters", path)
        if twice := found.keys() & contract.operations.keys():
            raise ContractFileError(f"{path}: another service publishes {sorted(twice)} too; rename one")
        found |= dict.fromkeys(contract.operations, contract)
    return found


class ProviderStub(HttpStub):
    """An external system as the services' adapters know it."""

    def check(self, request: Request, operation_id: str) -> None:
        """Raises Illegal when the request is not what the contract documents."""
        sent = Sent(
            method=request.method,
            path=request.path,
            query=(("query", request.query),) if request.query else (),
            headers=tuple(request.headers.items()),
            body=request.body or None,
        )
        try:
            _contract_of()[operation_id].operation(operation_id).check_request(sent)
        except ContractError as error:
            raise Illegal(str(error)) from None

    def document(self, request: Request, operation_id: str) -> dict[str, Any]:
        """The JSON object that was sent; raises Illegal when the request is not what the contract documents."""
        self.check(request, operation_id)
        document: dict[str, Any] = request.json()
        return document
