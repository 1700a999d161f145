"""The external mail service: keeps what it was asked to send, once for each Idempotency-Key."""

from collections.abc import Sequence
from dataclasses import dataclass

from contracts.provider import ProviderStub
from seatrial import until
from seatrial.network.stub import Illegal, Request, Response, route


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail that left."""

    address: str
    code: str
    locale: str


class MailService(ProviderStub):
    """Every address has a mailbox here."""

    name = "mail"

    def __init__(self) -> None:
        super().__init__()
        self._sent: list[Mail] = []
        self._by_key: dict[str, tuple[Mail, str]] = {}

    @route("POST", "/api/v1/internal/login-code-deliveries")
    def deliver(self, request: Request) -> Response:
        """Accepts a mail; a repetition is accepted again and sends nothing."""
        document = self.document(request, "deliverLoginCode")
        mail = Mail(document["email"], document["code"], document["locale"])
        key = request.headers["idempotency-key"]
        if key not in self._by_key:
            self._by_key[key] = (mail, f"delivery-{len(self._by_key) + 1}")
            self._sent.append(mail)
        known, delivery_id = self._by_key[key]
        if known != mail:
            raise Illegal("an Idempotency-Key came again with another mail")
        response = Response.json({"delivery_id": delivery_id}, status=202)
        return self.answered(request, "deliverLoginCode", response)

    def mails(self, address: str) -> Sequence[Mail]:
        """What arrived at `address`, oldest first."""
        with self.lock:
            return [mail for mail in self._sent if mail.address == address]

    @property
    def sent(self) -> Sequence[Mail]:
        """What arrived anywhere, oldest first."""
        with self.lock:
            return tuple(self._sent)

    def mail_for(self, address: str, number: int = 1) -> Mail:
        """Waits for the mail that is `number` in the mailbox of `address`, counted from 1."""

        def arrived() -> Mail | None:
            mails = self.mails(address)
            return mails[number - 1] if len(mails) >= number else None

        mail = until(f"mail {number} for {address}", arrived)
        if mail is None:  # `until` returns true values only; this tells the type checker
            raise AssertionError
        return mail

    def code_for(self, address: str, number: int = 1) -> str:
        """Waits for a mail and returns its code."""
        return self.mail_for(address, number).code
