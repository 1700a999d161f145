"""The public HTTP operations as data: what they take, what they answer, with which codes."""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta
from servicekit.http import Operation

Id = Annotated[str, Meta(min_length=1, max_length=128)]


class SendEmailCodeRequest(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The address the code goes to."""

    email: Annotated[str, Meta(min_length=1, max_length=254)]


class SendEmailCodeResponse(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The challenge to confirm with the code."""

    challenge_id: Id


class ConfirmEmailCodeRequest(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A challenge, its code, and the device that signs in."""

    challenge_id: Id
    code: Annotated[str, Meta(min_length=1, max_length=32, description="Six digits")]
    client_public_key: Annotated[
        str, Meta(min_length=1, max_length=256, description="Ed25519 public key, base64 of 32 bytes")
    ]
    time_zone: Annotated[
        str, Meta(min_length=1, max_length=128, description="IANA time zone, such as Europe/Berlin")
    ]


class ConfirmEmailCodeResponse(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The session of this device."""

    device_session_id: Id


class SigningKey(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A key that verifies the gateway's answers and events."""

    key_id: Annotated[str, Meta(description="First 16 hexadecimal digits of the SHA-256 of the public key")]
    algorithm: Literal["ed25519"]
    public_key: Annotated[str, Meta(description="base64 of 32 bytes")]


class SigningKeysResponse(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Every key in use."""

    keys: list[SigningKey]


ACCEPT_LANGUAGE: Final = {
    "Accept-Language": "Chooses the language of the mail (RFC 9110); passed on unchanged"
}

SEND_EMAIL_CODE: Final = Operation(
    id="sendEmailCode",
    method="POST",
    path="/api/v1/public/auth/send-email-code",
    summary="Sends a six-digit code to an e-mail address",
    description="The answer is the same for known, unknown, blocked and throttled addresses.",
    request=SendEmailCodeRequest,
    response=SendEmailCodeResponse,
    errors={429: ("rate_limited",), 503: ("service_unavailable",), 504: ("upstream_timeout",)},
    request_headers=ACCEPT_LANGUAGE,
)

CONFIRM_EMAIL_CODE: Final = Operation(
    id="confirmEmailCode",
    method="POST",
    path="/api/v1/public/auth/confirm-email-code",
    summary="Exchanges a code and a device's public key for a session",
    description="The same successful confirm, repeated with the same key, returns the same session.",
    request=ConfirmEmailCodeRequest,
    response=ConfirmEmailCodeResponse,
    errors={
        400: ("invalid_client_public_key", "invalid_code", "invalid_time_zone"),
        403: ("blocked_by_policy",),
        404: ("challenge_not_found",),
        409: ("session_limit_exceeded",),
        410: ("challenge_expired",),
        429: ("rate_limited", "too_many_attempts"),
        503: ("service_unavailable",),
        504: ("upstream_timeout",),
    },
    request_headers=ACCEPT_LANGUAGE,
)

LIST_SIGNING_KEYS: Final = Operation(
    id="listSigningKeys",
    method="GET",
    path="/api/v1/public/signing-keys",
    summary="The public keys that verify the gateway's answers and events",
    response=SigningKeysResponse,
    errors={429: ("rate_limited",), 503: ("service_unavailable",)},
)

OPERATIONS: Final = (SEND_EMAIL_CODE, CONFIRM_EMAIL_CODE, LIST_SIGNING_KEYS)
