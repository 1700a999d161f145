"""The user service: where a user's mail goes, and in which language. Contract: `api/adapters.openapi.yaml`, getUser."""

from typing import Annotated, Final, Literal
from urllib.parse import quote

import msgspec
from servicekit.client import ClientError, HttpClient
from servicekit.health import Dependency

PATH: Final = "/api/v1/internal/users/{user_id}"


class User(msgspec.Struct, frozen=True):
    """A user as the user service knows him. Fields it adds later are ignored."""

    user_id: str
    email: Annotated[str, msgspec.Meta(max_length=254)]
    preferred_language: Annotated[str, msgspec.Meta(max_length=64)]
    time_zone: Annotated[str, msgspec.Meta(max_length=128)]
    status: Literal["active", "blocked"]


class _Detail(msgspec.Struct, frozen=True):
    code: str


class _Error(msgspec.Struct, frozen=True):
    error: _Detail


_USERS: Final = msgspec.json.Decoder(User)
_ERRORS: Final = msgspec.json.Decoder(_Error)


class UserNotFound(Exception):
    """The user service knows no such user."""


class UserServiceError(Exception):
    """The user service did not answer (`unavailable`), or not by its contract; the text says which and names no address."""

    def __init__(self, reason: str, *, unavailable: bool) -> None:
        super().__init__(reason)
        self.unavailable = unavailable


class Users:
    """The user service over HTTP. One try each: the route that asks has a budget of attempts."""

    def __init__(self, client: HttpClient, health: Dependency) -> None:
        """`health` is told whether the service answers."""
        self._client = client
        self._health = health

    async def get(self, user_id: str, *, request_id: str) -> User:
        """The user. Raises UserNotFound and UserServiceError."""
        try:
            user = await self._ask(user_id, request_id)
        except UserServiceError as error:
            self._health.down(str(error))
            raise
        except UserNotFound:
            self._health.up()
            raise
        self._health.up()
        return user

    async def _ask(self, user_id: str, request_id: str) -> User:
        try:
            reply = await self._client.request(
                "GET",
                PATH.format(user_id=quote(user_id, safe="")),
                headers={"x-request-id": request_id},
                idempotent=True,
            )
        except ClientError as error:
            raise UserServiceError(error.reason, unavailable=True) from error
        if reply.status == 404 and says_not_found(reply.body):
            raise UserNotFound
        if reply.status != 200:
            raise UserServiceError(f"it answered {reply.status}", unavailable=True)
        user = read_user(reply.body)
        if user.user_id != user_id:
            raise UserServiceError("it answered with another user", unavailable=False)
        return user


def read_user(body: bytes) -> User:
    """The user of an answer. Raises UserServiceError."""
    try:
        return _USERS.decode(body)
    except (ValueError, RecursionError):
        # The text of the error may quote the document, and with it an address.
        raise UserServiceError("its answer does not match the contract", unavailable=False) from None


def says_not_found(body: bytes) -> bool:
    """Whether the service itself says so: a 404 of something in between says nothing about the user."""
    try:
        return _ERRORS.decode(body).error.code == "user_not_found"
    except (ValueError, RecursionError):
        return False
