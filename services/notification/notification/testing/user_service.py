"""The external user service: a small strict HTTP server that answers as `api/adapters.openapi.yaml` says, or as it is told."""

import asyncio
import json
from collections import deque
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote

PREFIX = "/api/v1/internal/users/"

Answer = tuple[int, object] | bytes | Literal["hang", "drop"]
"""A status and a document, raw bytes, no answer at all, or the end of the connection."""


@dataclass(frozen=True)
class Call:
    """A question that it got."""

    user_id: str
    request_id: str


class UserService:
    """Knows users. `answers` come first, one each, for a user; "" is any user."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.violations: list[str] = []
        self._users: dict[str, dict[str, str]] = {}
        self._answers: dict[str, deque[Answer]] = {}
        self._arrived = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> str:
        """Listen; gives the base URL."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return "http://{}:{}".format(*self._server.sockets[0].getsockname())

    async def stop(self) -> None:
        """Close everything. Raises AssertionError if somebody broke the contract."""
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self.violations:
            raise AssertionError(f"the user service was not asked by its contract: {self.violations}")

    def add(self, user_id: str, **changes: str) -> None:
        """There is such a user."""
        self._users[user_id] = {
            "user_id": user_id,
            "email": f"{user_id}@example.test",
            "preferred_language": "en",
            "time_zone": "Europe/Berlin",
            "status": "active",
            **changes,
        }

    def answer(self, user_id: str, *answers: Answer) -> None:
        """Give these answers, one each, before the right ones."""
        self._answers.setdefault(user_id, deque()).extend(answers)

    def recover(self) -> None:
        """Give right answers from now on."""
        self._answers.clear()

    async def called(self, times: int) -> None:
        """Wait until it was asked so often."""
        async with asyncio.timeout(10), self._arrived:
            await self._arrived.wait_for(lambda: len(self.calls) >= times)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a connection is served by a task")
        self._tasks.add(task)
        try:
            while await self._exchange(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in head[1:] if line)
        }
        method, path, _ = head[0].split(" ")
        answer = self._violated(method, path, headers) or await self._answer(path, headers)
        match answer:
            case "hang":
                await asyncio.Event().wait()
            case "drop":
                return False
            case bytes():
                writer.write(answer)
            case (int() as status, document):
                content = json.dumps(document).encode()
                writer.write(
                    b"HTTP/1.1 %d X\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
                    % (status, len(content), content)
                )
        await writer.drain()
        return True

    def _violated(self, method: str, path: str, headers: dict[str, str]) -> Answer | None:
        rest = path.removeprefix(PREFIX)
        if (
            method == "GET"
            and rest != path
            and rest
            and not {"/", "?"} & set(rest)
            and "content-length" not in headers
            and headers.get("x-request-id")
        ):
            return None
        self.violations.append(f"{method} {path}")
        return 400, {"error": {"code": "invalid_request", "message": "not by the contract"}}

    async def _answer(self, path: str, headers: dict[str, str]) -> Answer:
        user_id = unquote(path.removeprefix(PREFIX))
        async with self._arrived:
            self.calls.append(Call(user_id, headers["x-request-id"]))
            self._arrived.notify_all()
        for name in (user_id, ""):
            if self._answers.get(name):
                return self._answers[name].popleft()
        if user_id in self._users:
            return 200, self._users[user_id]
        return 404, {"error": {"code": "user_not_found", "message": "There is no such user."}}
