"""The channel e-mail: commands for the mail service, rendered here."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from notification.address import InvalidAddress, checked, masked, recipient_id
from notification.publishing import Message, Publisher, published
from notification.routes import Claimed, Delivered, Failed, Result, Suppressed
from notification.templates import Rendered, TemplateError, Templates
from notification.users import User, UserNotFound, Users, UserServiceError

STREAM: Final = "mail:delivery_commands"

_PAYLOADS: Final = msgspec.json.Decoder(dict[str, str | int])


@dataclass(frozen=True, slots=True)
class Mailbox:
    """Where a mail goes and the language that its reader prefers (BCP 47)."""

    address: str
    language: str


def unix_ms() -> int:
    """The time, Unix milliseconds."""
    return time.time_ns() // 1_000_000


def command(route: Claimed, address: str, rendered: Rendered, now_ms: int) -> Message:
    """The entry of a route (api/streams.schema.json, `delivery_command`)."""
    fields = {
        "delivery_id": route.delivery_id,
        "idempotency_key": route.delivery_id,
        "source": "notification",
        "template": route.notification_type,
        "locale": rendered.locale,
        "recipient_email": address,
        "subject": rendered.subject,
        "text_body": rendered.body,
        "requested_at_ms": str(now_ms),
    }
    if route.trace_id:
        fields["trace_id"] = route.trace_id
    return Message(route.delivery_id, fields)


class Mail:
    """Delivers e-mail."""

    def __init__(
        self,
        *,
        users: Users,
        publisher: Publisher,
        templates: Templates,
        admins: Sequence[str],
        admin_locale: str,
        clock: Callable[[], int] = unix_ms,
    ) -> None:
        """`admins` are the administrators' addresses, `admin_locale` is their language."""
        self._users = users
        self._publisher = publisher
        self._templates = templates
        self._admins = {recipient_id(address): Mailbox(address, admin_locale) for address in admins}
        self._clock = clock

    async def deliver(self, routes: Sequence[Claimed]) -> list[Result]:
        """Attempt routes: find the address, write the mail, hand it over. All at the same time; one user is asked for once."""
        asked: dict[str, Claimed] = {}
        for route in routes:
            asked.setdefault(route.recipient, route)
        found = await asyncio.gather(*(self._mailbox(route) for route in asked.values()))
        mailboxes = dict(zip(asked, found, strict=True))
        results: dict[int, Result] = {}
        ready: list[tuple[int, tuple[Message, Delivered]]] = []
        for route in routes:
            mailbox = mailboxes[route.recipient]
            written = self._write(route, mailbox) if isinstance(mailbox, Mailbox) else mailbox
            if isinstance(written, tuple):
                ready.append((route.id, written))
            else:
                results[route.id] = written
        if ready:
            outcomes = await published(self._publisher, [written for _, written in ready])
            results.update(zip((route_id for route_id, _ in ready), outcomes, strict=True))
        return [results[route.id] for route in routes]

    async def _mailbox(self, route: Claimed) -> Mailbox | Suppressed | Failed:
        if route.audience_kind == "admin_email":
            admin = self._admins.get(route.recipient)
            if admin is None:
                reason = "the address is no longer among NOTIFICATION_ADMIN_EMAILS"
                return Failed("recipient_not_configured", reason, permanent=True)
            return admin
        try:
            return _mailbox_of(await self._users.get(route.recipient, request_id=route.request_id))
        except UserNotFound:
            return Failed("user_not_found", "the user service knows no such user", permanent=True)
        except UserServiceError as error:
            code = "user_service_unavailable" if error.unavailable else "user_service_malformed"
            return Failed(code, f"the user service: {error}")

    def _write(self, route: Claimed, mailbox: Mailbox) -> tuple[Message, Delivered] | Failed:
        try:
            payload = _PAYLOADS.decode(route.payload)
            rendered = self._templates.render(route.notification_type, mailbox.language, payload)
        except TemplateError as error:
            return Failed("template_failed", str(error), permanent=True)
        message = command(route, mailbox.address, rendered, self._clock())
        return message, Delivered(rendered.locale, masked(mailbox.address))


def _mailbox_of(user: User) -> Mailbox | Suppressed | Failed:
    if user.status == "blocked":
        return Suppressed("user_blocked")
    if not user.email:
        return Failed("no_address", "the user has no e-mail address", permanent=True)
    try:
        return Mailbox(checked(user.email), user.preferred_language)
    except InvalidAddress as error:
        return Failed("invalid_address", f"the user's address {error}", permanent=True)
