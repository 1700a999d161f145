"""The mailbox of everybody who signs in to the run's own environment, and how one signs in with it."""

from collections.abc import Callable
from typing import Any, Final

from contracts.gateway.public import GatewayHttp
from contracts.gateway.signing import DeviceKey
from contracts.http import Answer, exchange
from contracts.http import Request as Sent
from contracts.mail.service import Mail, MailService
from seatrial.network.stub import Request, Response, route

_PATH: Final = "/inbox/{address}"


class Inbox(MailService):
    """The mail service, with a door for those whose mail it is: `GET /inbox/<address>` answers the latest code, or 404."""

    name = "inbox"

    def __init__(self) -> None:
        super().__init__()
        self._latest: dict[str, str] = {}
        self._looked_at = 0

    @route("GET", _PATH)
    def read(self, request: Request) -> Response:
        """The latest code that an address was sent."""
        new: list[Mail] = self._sent[self._looked_at :]
        self._looked_at += len(new)
        self._latest.update((mail.address, mail.code) for mail in new)
        code = self._latest.get(request.parameters["address"])
        return Response(404) if code is None else Response.json({"code": code})


def code_of(inbox: str, address: str) -> str | None:
    """The latest code in a mailbox, or None while there is none; raises NoAnswer."""
    answer: Answer = exchange(inbox, Sent("GET", _PATH.format(address=address)))
    return None if answer.status == 404 else str(answer.expect(200).json()["code"])


def sign_in(
    gateway: GatewayHttp,
    address: str,
    key: DeviceKey,
    read: Callable[[str], str],
    check: Callable[[Answer], Any],
) -> str:
    """Signs an address in over the public contract; the id of the new session.

    `read` waits for the code of an address, `check` judges each answer and raises what it likes.
    """
    asked = gateway.send_email_code(address)
    check(asked)
    code = read(address)
    confirmed = gateway.confirm_email_code(asked.json()["challenge_id"], code, key.public)
    check(confirmed)
    session: str = confirmed.json()["device_session_id"]
    return session
