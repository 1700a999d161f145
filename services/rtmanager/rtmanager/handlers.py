"""HTTP requests in, operations on runtimes, HTTP answers out."""

import base64
import binascii
import re
from typing import Final

from msgspec import UNSET
from servicekit.errors import ApiError
from servicekit.http import Handler, Operation, Request, Response, json_response
from servicekit.postgres import Database

from rtmanager import decisions, journal, operations, records, wire
from rtmanager.daemon import DockerRefused, DockerUnavailable
from rtmanager.dispatcher import Dispatcher
from rtmanager.errors import OperationFailed
from rtmanager.journal import Kind, OpSource
from rtmanager.records import Record

_GAME_ID: Final = re.compile(wire.GAME_ID_PATTERN)


class Handlers:
    """The handler of each operation."""

    def __init__(self, *, database: Database, dispatcher: Dispatcher) -> None:
        self._database = database
        self._dispatcher = dispatcher

    def routes(self) -> list[tuple[Operation, Handler]]:
        """Each operation with its handler."""
        handlers: list[tuple[Operation, Handler]] = [
            (operations.LIST_RUNTIMES, self._list_runtimes),
            (operations.GET_RUNTIME, self._get_runtime),
            (operations.LIST_OPERATIONS, self._list_operations),
            (operations.START_RUNTIME, self._start),
            (operations.STOP_RUNTIME, self._stop),
            (operations.RESTART_RUNTIME, self._restart),
            (operations.PATCH_RUNTIME, self._patch),
            (operations.CLEANUP_RUNTIME, self._clean_up),
        ]
        return [(operation, _answering(handler)) for operation, handler in handlers]

    async def _list_runtimes(self, request: Request) -> Response:
        query = request.query(wire.RuntimeQuery)
        after = "" if query.cursor is UNSET else _decoded(query.cursor)
        status = None if query.status is UNSET else query.status
        found = await records.page(self._database, status, after, query.page_size + 1)
        shown = found[: query.page_size]
        following = _encoded(shown[-1].game_id) if len(found) > len(shown) else UNSET
        return json_response(
            wire.RuntimePage(runtimes=[_runtime(each) for each in shown], next_cursor=following)
        )

    async def _get_runtime(self, request: Request) -> Response:
        record = await records.get(self._database, _game_id(request))
        if record is None:
            raise _not_found()
        return json_response(_runtime(record))

    async def _list_operations(self, request: Request) -> Response:
        query = request.query(wire.OperationQuery)
        before = None
        if query.cursor is not UNSET:
            position = _decoded(query.cursor)
            if re.fullmatch(r"[0-9]{1,18}", position) is None:
                raise _wrong_cursor()
            before = int(position)
        found = await journal.page(self._database, _game_id(request), before, query.page_size + 1)
        shown = found[: query.page_size]
        following = _encoded(str(shown[-1].position)) if len(found) > len(shown) else UNSET
        return json_response(
            wire.OperationPage(operations=[_entry(each) for each in shown], next_cursor=following)
        )

    async def _start(self, request: Request) -> Response:
        op_source = _caller(request)
        document = await request.json(wire.StartRequest)
        game_id = request.parameters["game_id"]
        if _GAME_ID.fullmatch(game_id) is None:
            raise ApiError(
                400, "invalid_request", "game_id is not 1 to 58 of A-Z a-z 0-9 _ . - with no dot in front."
            )
        return await self._do(decisions.Request("start", game_id, image_ref=document.image_ref), op_source)

    async def _stop(self, request: Request) -> Response:
        op_source = _caller(request)
        document = await request.json(wire.StopRequest)
        return await self._do(decisions.Request("stop", _game_id(request), reason=document.reason), op_source)

    async def _patch(self, request: Request) -> Response:
        op_source = _caller(request)
        document = await request.json(wire.PatchRequest)
        return await self._do(
            decisions.Request("patch", _game_id(request), image_ref=document.image_ref), op_source
        )

    async def _restart(self, request: Request) -> Response:
        return await self._bare(request, "restart")

    async def _clean_up(self, request: Request) -> Response:
        return await self._bare(request, "cleanup")

    async def _bare(self, request: Request, kind: Kind) -> Response:
        return await self._do(decisions.Request(kind, _game_id(request)), _caller(request))

    async def _do(self, asked: decisions.Request, op_source: OpSource) -> Response:
        done = await self._dispatcher.do(asked, op_source)
        record = await records.get(self._database, asked.game_id)
        if record is None:
            raise _not_found()
        headers = {"X-Error-Code": done.error_code} if done.error_code else {}
        return json_response(_runtime(record), headers=headers)


def _answering(handler: Handler) -> Handler:
    """Answer the failures of operations with their codes; those of the stores are the router's."""

    async def handle(request: Request) -> Response:
        try:
            return await handler(request)
        except OperationFailed as failed:
            raise failed.answer() from None
        except DockerUnavailable:
            raise ApiError(503, "docker_unavailable", "Docker does not answer; repeat it later.") from None
        except DockerRefused as refused:
            raise ApiError(503, "docker_unavailable", f"Docker refused: {refused.reason}"[:500]) from None

    return handle


def _caller(request: Request) -> OpSource:
    given = request.headers.all("x-caller")
    if given in ([], ["admin"]):
        return "admin"
    if given == ["gm"]:
        return "gm"
    raise ApiError(400, "invalid_request", "X-Caller is neither gm nor admin.")


def _game_id(request: Request) -> str:
    game_id = request.parameters["game_id"]
    if _GAME_ID.fullmatch(game_id) is None:
        raise _not_found()
    return game_id


def _not_found() -> ApiError:
    return ApiError(404, "not_found", "There is no runtime of that game.")


def _wrong_cursor() -> ApiError:
    return ApiError(400, "invalid_request", "cursor is not the next_cursor of a page.")


def _encoded(position: str) -> str:
    return base64.urlsafe_b64encode(position.encode()).decode().rstrip("=")


def _decoded(cursor: str) -> str:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        position = base64.b64decode(padded, altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        raise _wrong_cursor() from None
    # Postgres takes no NUL in a text.
    if "\0" in position or _encoded(position) != cursor:
        raise _wrong_cursor()
    return position


def _runtime(record: Record) -> wire.Runtime:
    return wire.Runtime(
        game_id=record.game_id,
        status=record.status,
        image_ref=record.image_ref,
        container_id=record.container_id,
        engine_endpoint=record.engine_endpoint,
        probe=record.probe,
        created_at_ms=record.created_at_ms,
        started_at_ms=record.started_at_ms,
        updated_at_ms=record.updated_at_ms,
        version=record.version,
        stopped_at_ms=UNSET if record.stopped_at_ms is None else record.stopped_at_ms,
        removed_at_ms=UNSET if record.removed_at_ms is None else record.removed_at_ms,
    )


def _entry(operation: journal.Operation) -> wire.OperationEntry:
    return wire.OperationEntry(
        operation_id=operation.operation_id,
        kind=operation.kind,
        op_source=operation.op_source,
        status=operation.status,
        image_ref=operation.image_ref,
        reason=operation.reason,
        container_id=operation.container_id,
        error_code=operation.error_code,
        error_message=operation.error_message,
        requested_at_ms=operation.requested_at_ms,
        started_at_ms=UNSET if operation.started_at_ms is None else operation.started_at_ms,
        finished_at_ms=UNSET if operation.finished_at_ms is None else operation.finished_at_ms,
    )
