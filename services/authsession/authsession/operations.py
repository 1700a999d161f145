"""authsession's HTTP operations, as the router serves them and as `api/openapi.yaml` publishes them."""

from typing import Final

from servicekit.http import Operation

from authsession import wire

_UNAVAILABLE: Final[dict[int, tuple[str, ...]]] = {503: ("service_unavailable",)}

SEND_EMAIL_CODE: Final = Operation(
    id="sendEmailCode",
    method="POST",
    path="/api/v1/public/auth/send-email-code",
    summary="Sends a six-digit code to an e-mail address.",
    description=(
        "The answer has the same shape, and as far as can be takes the same time, for known, unknown, blocked and throttled "
        "addresses: the mail leaves in the background. A throttled address gets the id of the challenge it has, and "
        "no second mail; a blocked one a challenge whose code nobody gets."
    ),
    request=wire.SendEmailCodeRequest,
    request_headers={
        "Accept-Language": (
            "Chooses the mail's locale (RFC 9110, section 12.5.4); the first of AUTHSESSION_LOCALES when nothing fits."
        )
    },
    response=wire.SendEmailCodeResponse,
    errors=_UNAVAILABLE,
)
CONFIRM_EMAIL_CODE: Final = Operation(
    id="confirmEmailCode",
    method="POST",
    path="/api/v1/public/auth/confirm-email-code",
    summary="Exchanges a code and a device's public key for a session.",
    description=(
        "Checked in this order, and an earlier failure hides the later ones: the document; the public key; the time zone; "
        "the challenge is known, and not confirmed with another key; it has not expired; it has a try left; the code "
        "(a wrong one takes a try, nothing else does); the address is not blocked; the user service answers; it does "
        "not call the user blocked, and the user is not blocked here; the session limit. Repeated with the right code "
        "and the same key while the code lives, it returns the same session, even one revoked since."
    ),
    request=wire.ConfirmEmailCodeRequest,
    response=wire.ConfirmEmailCodeResponse,
    errors={
        400: ("invalid_client_public_key", "invalid_time_zone", "invalid_code"),
        403: ("blocked_by_policy",),
        404: ("challenge_not_found",),
        409: ("session_limit_exceeded",),
        410: ("challenge_expired",),
        429: ("too_many_attempts",),
        **_UNAVAILABLE,
    },
)
GET_SESSION: Final = Operation(
    id="getSession",
    method="GET",
    path="/api/v1/internal/sessions/{device_session_id}",
    summary="One device session.",
    description="Revoked sessions are kept for AUTHSESSION_REVOKED_RETENTION_MS (30 days by default), then they are 404.",
    response=wire.Session,
    errors={404: ("session_not_found",), **_UNAVAILABLE},
)
LIST_USER_SESSIONS: Final = Operation(
    id="listUserSessions",
    method="GET",
    path="/api/v1/internal/users/{user_id}/sessions",
    summary="The device sessions of a user, active and revoked, newest first, page by page.",
    description="A user who never signed in has none: an empty page, not 404.",
    query=wire.SessionPageQuery,
    response=wire.SessionPage,
    errors={400: ("invalid_request",), **_UNAVAILABLE},
)
REVOKE_SESSION: Final = Operation(
    id="revokeSession",
    method="POST",
    path="/api/v1/internal/sessions/{device_session_id}/revoke",
    summary="Revokes one device session.",
    description="Idempotent: the first reason, actor and time stay.",
    request=wire.RevocationRequest,
    response=wire.RevokeSessionResponse,
    errors={404: ("session_not_found",), **_UNAVAILABLE},
)
REVOKE_ALL_USER_SESSIONS: Final = Operation(
    id="revokeAllUserSessions",
    method="POST",
    path="/api/v1/internal/users/{user_id}/sessions/revoke-all",
    summary="Revokes every active device session of a user.",
    description="Idempotent: a user without active sessions is a success with revoked_count 0.",
    request=wire.RevocationRequest,
    response=wire.RevokeAllSessionsResponse,
    errors=_UNAVAILABLE,
)
CREATE_USER_BLOCK: Final = Operation(
    id="createUserBlock",
    method="POST",
    path="/api/v1/internal/user-blocks",
    summary="Blocks a user or an e-mail address.",
    description=(
        "A blocked user has his active sessions revoked in the same step, with the block's reason and actor, and gets no "
        "new one. A blocked address gets no mail and no session; sessions it led to before stay. Idempotent: the first "
        "reason, actor and time stay. Nothing lifts a block."
    ),
    request=wire.UserBlockRequest,
    response=wire.UserBlockResponse,
    errors=_UNAVAILABLE,
)
OPERATIONS: Final = (
    SEND_EMAIL_CODE,
    CONFIRM_EMAIL_CODE,
    GET_SESSION,
    LIST_USER_SESSIONS,
    REVOKE_SESSION,
    REVOKE_ALL_USER_SESSIONS,
    CREATE_USER_BLOCK,
)
