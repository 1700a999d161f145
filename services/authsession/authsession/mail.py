"""The mail service: takes a code to a mailbox. Contract: `api/adapters.openapi.yaml`, deliverLoginCode."""

import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final, Protocol

import msgspec
from servicekit.client import ClientError, HttpClient

PATH: Final = "/api/v1/internal/login-code-deliveries"

# What may be different the next time. Any other refusal would be repeated to no end.
_RETRYABLE: Final = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True)
class LoginCode:
    """One mail: to whom (a normalised address), the code, its locale, and the key that makes repetitions one mail."""

    address: str = field(repr=False)
    code: str = field(repr=False)
    locale: str
    idempotency_key: str


class MailError(Exception):
    """The mail was not accepted; the text says why and names neither address nor code. `retryable`: it may be yet."""

    def __init__(self, reason: str, *, retryable: bool) -> None:
        super().__init__(reason)
        self.retryable = retryable


class Mail(Protocol):
    """Sends mail."""

    async def send(self, mail: LoginCode) -> None:
        """Returns once the mail is accepted. Repeating with the same idempotency key is safe. Raises MailError."""


class StubMail:
    """For local development: appends each mail to a file that only its owner can read, one JSON object a line."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def send(self, mail: LoginCode) -> None:
        """Writes the line. Raises MailError when the file cannot be written, or is a symbolic link."""
        line = {
            "at_ms": time.time_ns() // 1_000_000,
            "email": mail.address,
            "code": mail.code,
            "locale": mail.locale,
            "idempotency_key": mail.idempotency_key,
        }
        try:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(self._path, flags, 0o600)
            try:
                os.fchmod(descriptor, 0o600)
                os.write(descriptor, msgspec.json.encode(line) + b"\n")
            finally:
                os.close(descriptor)
        except OSError as error:
            raise MailError(f"the file of the mail stub: {error.strerror}", retryable=True) from error


class _Request(msgspec.Struct, frozen=True):
    email: str
    code: str
    locale: str


class _Answer(msgspec.Struct, frozen=True):
    delivery_id: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]


class RestMail:
    """The mail service over HTTP."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client

    async def send(self, mail: LoginCode) -> None:
        """Asks the service once. Raises MailError for no answer, another status than 202 and any other document."""
        try:
            reply = await self._client.request(
                "POST",
                PATH,
                headers={"content-type": "application/json", "idempotency-key": mail.idempotency_key},
                body=msgspec.json.encode(_Request(mail.address, mail.code, mail.locale)),
                idempotent=True,
            )
        except ClientError as error:
            raise MailError(error.reason, retryable=True) from error
        if reply.status != 202:
            retryable = reply.status >= 500 or reply.status < 300 or reply.status in _RETRYABLE
            raise MailError(f"it answered {reply.status}", retryable=retryable)
        check_answer(reply.body)


_ANSWERS: Final = msgspec.json.Decoder(_Answer)


def check_answer(body: bytes) -> None:
    """Raises MailError for what is not the answer to a mail that was accepted."""
    try:
        _ANSWERS.decode(body)
    except (ValueError, RecursionError):
        raise MailError("its answer does not match the contract", retryable=True) from None
