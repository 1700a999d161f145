"""Checks 2 to 7, in the order that the contract fixes: an earlier failure hides the later ones."""

from collections.abc import Callable
from dataclasses import dataclass

from servicekit.parsers import Limit

from gateway.admission import Admission
from gateway.checks import check_freshness, check_payload_hash, check_signature
from gateway.envelope import Envelope
from gateway.limits import Bucket
from gateway.sessions import Session, SessionStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Budgets:
    """The four limits of check 7, shared by commands and subscriptions."""

    ip: Limit
    session: Limit
    user: Limit
    message_type: Limit

    def buckets(self, address: str, envelope: Envelope, session: Session) -> tuple[Bucket, ...]:
        """What a call from `address` spends from."""
        return (
            Bucket("ip", address, self.ip),
            Bucket("session", session.device_session_id, self.session),
            Bucket("user", session.user_id, self.user),
            Bucket("message_type", envelope.message_type, self.message_type),
        )


class Gatekeeper:
    """Lets a signed request through once."""

    def __init__(
        self,
        *,
        sessions: SessionStore,
        admission: Admission,
        budgets: Budgets,
        freshness_window_ms: int,
        clock_ms: Callable[[], int],
    ) -> None:
        """`clock_ms` is the gateway's clock in Unix milliseconds."""
        self._sessions = sessions
        self._admission = admission
        self._budgets = budgets
        self._freshness_window_ms = freshness_window_ms
        self._clock_ms = clock_ms

    async def admit(self, envelope: Envelope, address: str) -> Session:
        """The session of an `envelope` (which has passed check 1) that came from `address`.

        Raises Rejection for the first check from 2 to 7 that fails.
        """
        session = await self._sessions.active(envelope.device_session_id)
        check_payload_hash(envelope)
        check_signature(envelope, session)
        check_freshness(envelope, self._clock_ms(), self._freshness_window_ms)
        await self._admission.admit(
            envelope.device_session_id, envelope.request_id, self._budgets.buckets(address, envelope, session)
        )
        return session
