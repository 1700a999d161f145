"""Request bodies and queries, read strictly."""

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl

import msgspec

from servicekit.errors import ApiError

T = TypeVar("T")

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

#: How much of a body that is too large is read and thrown away before the answer. Closing a socket that still has unread
#: data resets the connection, and the reset can overtake the answer: the caller would not see why it was refused.
DRAIN_BYTES: Final = 1024 * 1024
DRAIN_S: Final = 1.0


class Gone(Exception):
    """The caller closed the connection before its request was complete."""


def invalid(message: str) -> ApiError:
    """Give the error for a request that is not in its documented form."""
    return ApiError(400, "invalid_request", message)


def _unsupported(message: str) -> ApiError:
    return ApiError(415, "unsupported_media_type", message)


class BodyReader:
    """Reads one request's body from its ASGI channel."""

    def __init__(
        self, headers: Sequence[tuple[bytes, bytes]], receive: Receive, *, limit: int, timeout_s: float
    ) -> None:
        """``limit`` in bytes holds whatever the caller declares; ``timeout_s`` is for the whole body."""
        self._headers = headers
        self._receive = receive
        self._limit = limit
        self._timeout_s = timeout_s
        self._body: bytes | None = None
        #: The connection cannot be used for another request: this one's body has not been read to its end.
        self.must_close = False

    def _all(self, name: bytes) -> list[bytes]:
        return [value for key, value in self._headers if key == name]

    @property
    def present(self) -> bool:
        """Whether the head announces a body (RFC 9112, section 6.3)."""
        return bool(self._all(b"transfer-encoding")) or any(
            value.strip() != b"0" for value in self._all(b"content-length")
        )

    def refuse(self) -> None:
        """Raise ApiError 400 if there is a body where the operation takes none."""
        if self.present:
            self.must_close = True
            raise invalid("This operation takes no request body.")

    def require_type(self, media_type: str) -> None:
        """Raise ApiError 415 unless the head says that the body is of that type, without parameters, and unencoded."""
        types = [value.strip().lower() for value in self._all(b"content-type")]
        encodings = [value.strip().lower() for value in self._all(b"content-encoding")]
        if not self.present:
            return  # an empty body is reported as such when it is read
        if types != [media_type.encode()] or any(encoding != b"identity" for encoding in encodings):
            self.must_close = True
            raise _unsupported(
                f"Send the body with one Content-Type: {media_type}, without Content-Encoding."
            )

    def require_json(self) -> None:
        """Raise ApiError 415 unless the head says that the body is unencoded JSON in UTF-8."""
        if not self.present:
            return  # an empty body is reported as such when it is read
        types = self._all(b"content-type")
        encodings = [value.strip().lower() for value in self._all(b"content-encoding")]
        try:
            if len(types) != 1:
                raise _unsupported("Send the body with one Content-Type: application/json.")
            media_type, *parameters = (part.strip().lower() for part in types[0].split(b";"))
            if media_type != b"application/json":
                raise _unsupported("Send the body as Content-Type: application/json.")
            if any(parameter not in {b"", b"charset=utf-8", b'charset="utf-8"'} for parameter in parameters):
                raise _unsupported("Send JSON in UTF-8; application/json has no other parameters.")
            if any(encoding != b"identity" for encoding in encodings):
                raise _unsupported("Send the body without Content-Encoding.")
        except ApiError:
            self.must_close = True
            raise

    async def read(self) -> bytes:
        """Read to the end and keep the result.

        Raises ApiError 413 beyond the limit, ApiError 408 when it does not arrive in time, and Gone when the caller left.
        """
        if self._body is None:
            try:
                async with asyncio.timeout(self._timeout_s):
                    self._body = await self._read()
            except TimeoutError:
                self.must_close = True
                raise ApiError(408, "request_timeout", "The request's body did not arrive in time.") from None
        return self._body

    async def _read(self) -> bytes:
        declared = self._declared()
        if declared is not None and declared > self._limit:
            await self._refuse_size(0, declared)
        chunks: list[bytes] = []
        total = 0
        while True:
            chunk, more = await self._chunk()
            total += len(chunk)
            if total > self._limit:
                await self._refuse_size(total, declared, more=more)
            chunks.append(chunk)
            if not more:
                return b"".join(chunks)

    def _declared(self) -> int | None:
        lengths = self._all(b"content-length")
        # No body is longer than what 18 digits say, and int() refuses thousands of them.
        return int(lengths[0][:18]) if lengths and lengths[0].isdigit() else None

    async def _chunk(self) -> tuple[bytes, bool]:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise Gone
        return message.get("body", b""), message.get("more_body", False)

    async def _refuse_size(self, received: int, declared: int | None, *, more: bool = True) -> None:
        """Raise ApiError 413, after reading on for a while."""
        self.must_close = True
        expects = any(value.lower() == b"100-continue" for value in self._all(b"expect"))
        if not (expects and received == 0) and (declared is None or declared <= DRAIN_BYTES):
            try:
                async with asyncio.timeout(DRAIN_S):
                    while more and received <= DRAIN_BYTES:
                        chunk, more = await self._chunk()
                        received += len(chunk)
            except TimeoutError:
                pass
            else:
                self.must_close = more
        raise ApiError(413, "request_too_large", f"The request's body exceeds {self._limit} bytes.")


def decode_json(body: bytes, kind: type[T]) -> T:
    """Decode exactly one JSON document of that type (RFC 8259).

    Raises ApiError 400 for an empty body, a second document, a wrong or missing or unknown field (of structs that
    forbid them), a name given twice in an object, and text that is not UTF-8.
    """
    if not body:
        raise invalid("The request's body is empty; send one JSON document.")
    try:
        value = msgspec.json.decode(body, type=kind)
        # msgspec keeps the last of two members of the same name and has no option to refuse them. Two readers of one
        # document that disagree on which counts are a way around checks (RFC 8259, section 4).
        json.loads(body, object_pairs_hook=_refuse_duplicates)
    except ApiError:
        raise
    except (ValueError, RecursionError) as problem:
        reason = "it is nested too deeply" if isinstance(problem, RecursionError) else str(problem)
        raise invalid(f"The request's body is not as documented: {reason}.") from None
    return value


def _refuse_duplicates(pairs: list[tuple[str, object]]) -> None:
    names = [name for name, _ in pairs]
    if len(set(names)) != len(names):
        double = next(name for name in names if names.count(name) > 1)
        raise invalid(f"The request's body has the field {double!r} twice.")


def decode_query(query: bytes, kind: type[T]) -> T:
    """Decode a query string's fields; each may be given once. Raises ApiError 400."""
    try:
        pairs = parse_qsl(
            query.decode("ascii"), keep_blank_values=True, strict_parsing=bool(query), errors="strict"
        )
        fields = dict(pairs)
        if len(fields) != len(pairs):
            raise invalid("The query has a field twice.")
        return msgspec.convert(fields, kind, strict=False)
    except ApiError:
        raise
    except ValueError as problem:
        raise invalid(f"The query is not as documented: {problem}.") from None
