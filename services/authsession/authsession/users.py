"""The user service: who owns an e-mail address. Contract: `api/adapters.openapi.yaml`, resolveUserByEmail."""

import hashlib
from typing import Annotated, Final, Literal, Protocol

import msgspec
from servicekit.client import ClientError, HttpClient
from servicekit.health import Dependency

from authsession.wire import OpaqueId

PATH: Final = "/api/v1/internal/users/resolve-by-email"


class User(msgspec.Struct, frozen=True):
    """A user as the user service knows him. Fields it adds later are ignored."""

    user_id: OpaqueId
    status: Literal["active", "blocked"]


class UserServiceError(Exception):
    """The user service did not answer, or not by its contract; the text says which and names no address."""


class Users(Protocol):
    """Finds users."""

    async def resolve(self, address: str, language: str, time_zone: str) -> User:
        """The user who owns a normalised address, created when there is none. Raises UserServiceError."""


class StubUsers:
    """For local development: every address is an active user, always the same one."""

    async def resolve(self, address: str, language: str, time_zone: str) -> User:  # noqa: ARG002
        """The user whose id is made from a hash of the address."""
        return User(user_id=f"user-{hashlib.sha256(address.encode()).hexdigest()[:16]}", status="active")


class _Request(msgspec.Struct, frozen=True):
    email: Annotated[str, msgspec.Meta(max_length=254)]
    preferred_language: str
    time_zone: str


class RestUsers:
    """The user service over HTTP. One try: the caller waits, and repeats the confirm itself."""

    def __init__(self, client: HttpClient, health: Dependency) -> None:
        self._client = client
        self._health = health

    async def resolve(self, address: str, language: str, time_zone: str) -> User:
        """Asks the service. Raises UserServiceError for no answer, another status than 200 and any other document."""
        try:
            user = await self._ask(_Request(address, language, time_zone))
        except UserServiceError as error:
            self._health.down(str(error))
            raise
        self._health.up()
        return user

    async def _ask(self, request: _Request) -> User:
        try:
            reply = await self._client.request(
                "POST",
                PATH,
                headers={"content-type": "application/json"},
                body=msgspec.json.encode(request),
                idempotent=True,
            )
        except ClientError as error:
            raise UserServiceError(error.reason) from error
        if reply.status != 200:
            raise UserServiceError(f"it answered {reply.status}")
        return read_user(reply.body)


_USERS: Final = msgspec.json.Decoder(User)


def read_user(body: bytes) -> User:
    """The user of an answer. Raises UserServiceError."""
    try:
        return _USERS.decode(body)
    except (ValueError, RecursionError):
        # The text of the error may quote the document, and with it an address.
        raise UserServiceError("its answer does not match the contract") from None
