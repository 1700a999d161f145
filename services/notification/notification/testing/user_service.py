"""The external user service: a small strict HTTP server that answers as `api/adapters.openapi.yaml` says, or as it is told."""

from collections import deque
from dataclasses import dataclass
from urllib.parse import unquote

from servicekit.testing.peer import Answer, Asked, Peer

PREFIX = "/api/v1/internal/users/"


@dataclass(frozen=True)
class Call:
    """A question that it got."""

    user_id: str
    request_id: str


class UserService(Peer[Call]):
    """Knows users. `answers` come first, one each, for a user; "" is any user."""

    def __init__(self) -> None:
        super().__init__()
        self.violations: list[str] = []
        self._users: dict[str, dict[str, str]] = {}
        self._answers: dict[str, deque[Answer]] = {}

    async def stop(self) -> None:
        """Close everything. Raises AssertionError if somebody broke the contract."""
        await super().stop()
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

    def give(self, user_id: str, *answers: Answer) -> None:
        """Give these answers, one each, before the right ones."""
        self._answers.setdefault(user_id, deque()).extend(answers)

    async def answer(self, asked: Asked) -> Answer:
        """Refuse what breaks the contract, else give the answer that is due."""
        violated = self._violated(asked.method, asked.path, asked.headers)
        return violated or await self._due(asked.path, asked.headers)

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

    async def _due(self, path: str, headers: dict[str, str]) -> Answer:
        user_id = unquote(path.removeprefix(PREFIX))
        await self.record(Call(user_id, headers["x-request-id"]))
        for name in (user_id, ""):
            if self._answers.get(name):
                return self._answers[name].popleft()
        if user_id in self._users:
            return 200, self._users[user_id]
        return 404, {"error": {"code": "user_not_found", "message": "There is no such user."}}
