"""Public sign-in, passed to authsession and its answer passed back unchanged, if it is one that the contract knows."""

import re
from typing import Final

import msgspec
from servicekit.client import ClientError, ClientTimeout, HttpClient, Reply
from servicekit.errors import ApiError, ErrorBody
from servicekit.health import Dependency
from servicekit.http import Operation, Request, Response

from gateway.tracing import child_traceparent

RETRY_AFTER_PATTERN: Final = re.compile(r"[1-9][0-9]{0,8}")
ACCEPT_LANGUAGE_PATTERN: Final = re.compile(r"[\x20-\x7e]{1,1024}")
GATEWAY_ONLY_CODES: Final = frozenset({"rate_limited", "upstream_timeout"})
"""Codes of the operations that the gateway gives itself; authsession has no such."""


class Relay:
    """The way to authsession."""

    def __init__(self, client: HttpClient, dependency: Dependency) -> None:
        """`client` has authsession's base URL and deadline; `dependency` is told what the traffic shows."""
        self._client = client
        self._dependency = dependency

    async def forward(self, request: Request, body: msgspec.Struct) -> Response:
        """authsession's answer to `body`: status, `Retry-After` and bytes unchanged.

        Raises ApiError: 504 `upstream_timeout` when it does not answer in time, 503 `service_unavailable` when it
        cannot be reached or answers what the contract does not know.
        """
        operation = request.operation
        try:
            reply = await self._client.request(
                operation.method, operation.path, headers=_headers(request), body=msgspec.json.encode(body)
            )
        except ClientTimeout as error:
            self._dependency.down(error.reason)
            raise ApiError(
                504, "upstream_timeout", "Sign-in did not answer in time; try again later."
            ) from None
        except ClientError as error:
            self._dependency.down(error.reason)
            raise _unavailable() from None
        problem = find_problem(operation, reply)
        if problem is not None:
            self._dependency.down(f"{operation.id} was answered with status {reply.status}: {problem}")
            raise _unavailable()
        self._dependency.up()
        retry_after = reply.headers.get("retry-after")
        return Response(reply.status, reply.body, {} if retry_after is None else {"retry-after": retry_after})


def find_problem(operation: Operation, reply: Reply) -> str | None:
    """What of `reply` is not in the contract of `operation`, None where nothing is. Never quotes the body."""
    media_type = (reply.headers.get("content-type") or "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        return "the content type is not application/json"
    retry_after = reply.headers.get("retry-after")
    if retry_after is not None and RETRY_AFTER_PATTERN.fullmatch(retry_after) is None:
        return "Retry-After is not whole seconds"
    expected = operation.response if reply.status == operation.status else None
    if expected is None:
        expected = ErrorBody
    try:
        document = msgspec.json.decode(reply.body, type=expected)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return f"the body is not {expected.__name__}"
    if isinstance(document, ErrorBody) and document.error.code not in error_codes(operation, reply.status):
        return "the code is not one of this operation and status"
    return None


def error_codes(operation: Operation, status: int) -> frozenset[str]:
    """The codes that authsession may give with `status`."""
    codes = set(operation.errors.get(status, ())) - GATEWAY_ONLY_CODES
    if status == 400:
        codes.add("invalid_request")
    return frozenset(codes)


def not_configured() -> ApiError:
    """The answer of a gateway that was not told where authsession is."""
    return ApiError(503, "service_unavailable", "Sign-in is not configured here.")


def _headers(request: Request) -> dict[str, str]:
    headers = {
        "content-type": "application/json",
        "x-request-id": request.request_id,
        "traceparent": child_traceparent(request.headers.get("traceparent")),
    }
    # A list may be sent in several fields (RFC 9110, 5.3).
    languages = ", ".join(request.headers.all("accept-language"))
    if ACCEPT_LANGUAGE_PATTERN.fullmatch(languages):
        headers["accept-language"] = languages
    return headers


def _unavailable() -> ApiError:
    return ApiError(503, "service_unavailable", "Sign-in is not available at the moment; try again later.")
