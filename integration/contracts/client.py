"""An HTTP client that holds every exchange to a published OpenAPI document."""

import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from contracts.coverage import Cell, exercised
from contracts.errors import ContractError
from contracts.http import Answer, Headers, Request, as_headers, exchange
from contracts.openapi import Contract, Operation

_ABSENT: Final = object()


class ContractClient:
    """Calls the operations of `contract` at `url`; also sends what no operation documents."""

    def __init__(self, contract: Contract, url: str) -> None:
        self.contract = contract
        self.url = url

    def call(
        self,
        operation_id: str,
        *,
        path: Mapping[str, str] | None = None,
        query: Mapping[str, str] | tuple[tuple[str, str], ...] = (),
        headers: Mapping[str, str] | Headers | None = None,
        json_body: Any = _ABSENT,
        body: bytes | None = None,
        content_type: str | None = "application/json",
        method: str | None = None,
        unchecked: bool = False,
        timeout: float = 10.0,
    ) -> Answer:
        """Sends one request and returns its answer, both held to the contract.

        `json_body` is encoded, `body` is sent as it is. `unchecked` is for a request that breaks the contract on
        purpose; its answer must be a documented one all the same. `method` sends another method than the
        operation's. The request gets an X-Request-Id and a traceparent of its own, where it has none. Raises
        ContractError and NoAnswer.
        """
        operation = self.contract.operation(operation_id)
        if json_body is not _ABSENT:
            body = json.dumps(json_body, ensure_ascii=False).encode()
        sent = as_headers(headers)
        if body is not None and content_type is not None:
            sent += (("Content-Type", content_type),)
        request = Request(
            method=method or operation.method.upper(),
            path=operation.path(**{name: quote(value, safe="") for name, value in (path or {}).items()}),
            query=tuple(query.items()) if isinstance(query, Mapping) else query,
            headers=sent,
            body=body,
        ).traced()
        if not unchecked:
            operation.check_request(request)
        return self.judge(operation, exchange(self.url, request, timeout=timeout))

    def judge(self, operation: Operation, answer: Answer) -> Answer:
        """Holds `answer` to what `operation` documents, notes the outcome, and returns it."""
        outcome = operation.check_response(answer)
        if answer.status == 405:
            allowed = {method.strip() for method in (answer.header("allow") or "").split(",")}
            expected = self.contract.allowed(answer.request.path)
            if allowed - {"HEAD", "OPTIONS"} != expected - {"HEAD", "OPTIONS"}:
                raise ContractError(f"{operation.id}: Allow names {sorted(allowed)}, not {sorted(expected)}")
        if answer.error_code == "rate_limited" and answer.header("retry-after") is None:
            raise ContractError(f"{operation.id}: rate_limited without Retry-After; {answer.story}")
        exercised(Cell(self.contract.name, operation.id, outcome))
        return answer

    def unknown_path(self, path: str, method: str = "GET") -> Answer:
        """Asks for what no operation documents; the answer must be a JSON error all the same."""
        answer = exchange(self.url, Request(method=method, path=path))
        if answer.media_type != "application/json" or answer.error_code is None:
            raise ContractError(f"not a JSON error: {answer.story}")
        return answer
