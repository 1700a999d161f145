"""The public HTTP handlers: limits first, then authsession's answer, passed on."""

import hashlib
import unicodedata
from dataclasses import dataclass

import msgspec
from servicekit import logs
from servicekit.errors import ApiError
from servicekit.http import Request, Response, json_response
from servicekit.parsers import Limit
from servicekit.redis import Redis, RedisError, RedisReplyError

from gateway.client_address import TrustedProxies
from gateway.limits import Bucket, spend
from gateway.public_api import (
    ConfirmEmailCodeRequest,
    SendEmailCodeRequest,
    SigningKey,
    SigningKeysResponse,
)
from gateway.relay import Relay, not_configured
from gateway.signing import Signer

log = logs.get("gateway.public_http")


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicLimits:
    """The limits of the public operations."""

    send_code_ip: Limit
    send_code_email: Limit
    confirm_code_ip: Limit
    confirm_code_challenge: Limit
    signing_keys_ip: Limit


class PublicHttp:
    """Sign-in and the signing keys."""

    def __init__(
        self,
        *,
        redis: Redis,
        relay: Relay | None,
        signer: Signer,
        limits: PublicLimits,
        proxies: TrustedProxies,
    ) -> None:
        self._redis = redis
        self._relay = relay
        self._limits = limits
        self._proxies = proxies
        published = signer.published
        self._keys = SigningKeysResponse([SigningKey(published.key_id, "ed25519", published.public_key)])

    async def send_email_code(self, request: Request) -> Response:
        """POST /api/v1/public/auth/send-email-code."""
        await self._spend(self._by_address(request, "send_code_ip", self._limits.send_code_ip))
        body = await request.json(SendEmailCodeRequest)
        await self._spend(
            Bucket("send_code_email", fingerprint(fold_email(body.email)), self._limits.send_code_email)
        )
        return await self._forward(request, body)

    async def confirm_email_code(self, request: Request) -> Response:
        """POST /api/v1/public/auth/confirm-email-code."""
        await self._spend(self._by_address(request, "confirm_code_ip", self._limits.confirm_code_ip))
        body = await request.json(ConfirmEmailCodeRequest)
        await self._spend(
            Bucket(
                "confirm_code_challenge", fingerprint(body.challenge_id), self._limits.confirm_code_challenge
            )
        )
        return await self._forward(request, body)

    async def list_signing_keys(self, request: Request) -> Response:
        """GET /api/v1/public/signing-keys."""
        await self._spend(self._by_address(request, "signing_keys_ip", self._limits.signing_keys_ip))
        return json_response(self._keys)

    async def _forward(self, request: Request, body: msgspec.Struct) -> Response:
        if self._relay is None:
            raise not_configured()
        return await self._relay.forward(request, body)

    def _by_address(self, request: Request, name: str, limit: Limit) -> Bucket:
        return Bucket(name, self._proxies.client(request.peer, request.headers.all("x-forwarded-for")), limit)

    async def _spend(self, bucket: Bucket) -> None:
        try:
            exhausted = await spend(self._redis, [bucket])
        except RedisError as error:
            if isinstance(error, RedisReplyError):
                log.error("limit_store_refused", reason=error.code)  # noqa: TRY400 - a reply has no traceback of ours
            raise ApiError(
                503, "service_unavailable", "the service cannot answer at the moment; try again later"
            ) from None
        if exhausted is not None:
            raise ApiError(
                429,
                "rate_limited",
                f"too many requests; try again in {exhausted.retry_after_s} s",
                headers={"retry-after": str(exhausted.retry_after_s)},
            )


def fold_email(email: str) -> str:
    """One form for all spellings of an address, so that none escapes its bucket; coarser than authsession's own."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", email).casefold()).strip()


def fingerprint(text: str) -> str:
    """A name for a bucket that does not show what it is for."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]
