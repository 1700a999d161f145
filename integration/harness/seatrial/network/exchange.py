"""What goes between a stub and its callers, as its handlers and its tests see it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self


class Illegal(Exception):
    """Raised by a handler: the request breaks the contract of the system that the stub stands for. Answered with 400."""


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request as it came in. Header names are in lower case; the path is decoded, without the query."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    parameters: Mapping[str, str] = field(default_factory=dict)

    def json(self) -> Any:
        """The body, read strictly: `Illegal` for another media type, bad UTF-8, bad JSON, or a key that comes twice."""
        media_type = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type != "application/json":
            raise Illegal(f"the body's Content-Type is {media_type or 'missing'}, not application/json")
        try:
            return json.loads(
                self.body.decode("utf-8"), object_pairs_hook=_unique_keys, parse_constant=_no_constant
            )
        except (ValueError, RecursionError) as error:
            raise Illegal(f"the body is no JSON: {error}") from None


@dataclass(frozen=True, slots=True)
class Response:
    """What a handler answers."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def json(cls, content: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Self:
        """A JSON document."""
        body = json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()
        return cls(status, body, {"Content-Type": "application/json", **(headers or {})})


@dataclass(frozen=True, slots=True)
class Call:
    """A request that a stub got, and what became of it. `at` is Unix time; `status` is None when nothing was answered."""

    request: Request
    at: float
    status: int | None
    fault: str | None
    """The fault that answered, hid or cut the answer; a mere delay does not count."""
    violation: str | None


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key comes twice")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")
