"""Target: the head of a request as the router reads it: path, query, id, content type."""

import asyncio
import logging
import re
from collections.abc import MutableMapping
from typing import Any

import msgspec
from servicekit.http import Operation, Request, Response, Router, json_response
from servicekit.metrics import Registry

from targets.inputs import chosen

LOOP = asyncio.new_event_loop()
REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
logging.getLogger("servicekit.http").setLevel(logging.CRITICAL + 1)


class Body(msgspec.Struct, forbid_unknown_fields=True):
    """A body."""

    name: str


class Query(msgspec.Struct, forbid_unknown_fields=True):
    """A query."""

    size: int = 1


async def _echo(request: Request) -> Response:
    assert request.parameters.keys() <= {"game_id", "user_id"}
    assert all("/" not in raw for raw in request.path.split("/"))
    query = request.query(Query) if request.operation.query else None
    body = await request.json(Body) if request.operation.request else None
    return json_response({"query": query, "body": body, "parameters": request.parameters})


OPERATIONS = (
    Operation(id="list", method="GET", path="/games", summary="", query=Query),
    Operation(id="make", method="POST", path="/games", summary="", request=Body),
    Operation(id="member", method="DELETE", path="/games/{game_id}/members/{user_id}", summary=""),
)
ROUTER = Router(
    [(operation, _echo) for operation in OPERATIONS], listener="http", metrics=Registry(), limit=64
)


def check(data: bytes) -> bool:
    """Whatever a head says, there is one answer, with a request id, that is no 500.

    The first line is `METHOD path?query`, then come `name: value` lines, an empty line and the body.
    """
    head, rest = chosen(data)
    method, _, target = head.partition(" ")
    raw_path, _, query = target.partition("?")
    lines, _, body = rest.partition(b"\n\n")
    headers = [
        (name.strip().lower(), value.strip())
        for name, colon, value in (line.partition(b":") for line in lines.split(b"\n"))
        if colon
    ]
    scope: MutableMapping[str, Any] = {
        "type": "http", "method": method, "path": raw_path, "raw_path": raw_path.encode("latin-1"),
        "query_string": query.encode("latin-1"), "headers": headers, "client": None,
    }  # fmt: skip
    return LOOP.run_until_complete(_ask(scope, body))


async def _ask(scope: MutableMapping[str, Any], body: bytes) -> bool:
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    await ROUTER(scope, receive, send)
    start, content = sent
    assert start["status"] in {200, 400, 404, 405, 413, 415}, start["status"]
    headers = dict(start["headers"])
    assert REQUEST_ID.fullmatch(headers[b"x-request-id"])
    assert int(headers[b"content-length"]) == len(content["body"])
    document = msgspec.json.decode(content["body"])
    if start["status"] != 200:
        assert document["error"]["code"]
    return bool(start["status"] == 200)
