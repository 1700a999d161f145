"""Checks 3, 4 and 5: what an envelope must satisfy once its session is known. Each looks at one thing only."""

import hashlib
import hmac

from gateway.envelope import Envelope
from gateway.rejection import Rejection
from gateway.sessions import Session
from gateway.signing import is_signed_by, request_signing_input


def check_payload_hash(envelope: Envelope) -> None:
    """Check 3. Raises Rejection `payload_hash_mismatch`."""
    if not hmac.compare_digest(hashlib.sha256(envelope.payload).digest(), envelope.payload_hash):
        raise Rejection("payload_hash_mismatch", "payload_hash is not the SHA-256 of payload_bytes")


def check_signature(envelope: Envelope, session: Session) -> None:
    """Check 4. Raises Rejection `invalid_signature`."""
    if not is_signed_by(session.public_key, envelope.signature, request_signing_input(envelope)):
        raise Rejection("invalid_signature", "the signature is not the session key's over this envelope")


def check_freshness(envelope: Envelope, now_ms: int, window_ms: int) -> None:
    """Check 5: the client's clock is at most `window_ms` away, both ends allowed. Raises Rejection `stale_request`."""
    if abs(envelope.timestamp_ms - now_ms) > window_ms:
        raise Rejection(
            "stale_request",
            f"timestamp_ms is more than {window_ms} ms away from the gateway's clock; set the clock",
        )
