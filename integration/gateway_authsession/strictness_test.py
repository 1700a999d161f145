"""Malformed, oversized, truncated, duplicated and unknown input on every documented operation of both services.

The table comes from the OpenAPI documents: an operation added there is tested here.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import pytest

from contracts.client import ContractClient
from contracts.gateway.signing import DeviceKey
from contracts.http import Answer, Request, exchange, send_raw
from contracts.openapi import Operation
from gateway_authsession.topology import PATIENCE_MS, Platform

EXAMPLES: Final[Mapping[str, Mapping[str, Any]]] = {
    "sendEmailCode": {"email": "ada@example.test"},
    "confirmEmailCode": {
        "challenge_id": "c",
        "code": "123456",
        "client_public_key": DeviceKey(bytes(32)).public,
        "time_zone": "Europe/Berlin",
    },
    "revokeSession": {"reason_code": "lost_device", "actor": "admin:1"},
    "revokeAllUserSessions": {"reason_code": "lost_device", "actor": "admin:1"},
    "createUserBlock": {"user_id": "u", "reason_code": "abuse", "actor": "admin:1"},
}
"""A right body for each operation that takes one."""
PATH: Final = {"device_session_id": "no-such-session", "user_id": "nobody"}


@dataclass(frozen=True)
class Target:
    """A documented operation at a running service."""

    client: ContractClient
    operation: Operation

    @property
    def path(self) -> dict[str, str]:
        return {name: PATH[name] for name in self.operation.pattern.groupindex}

    @property
    def right_body(self) -> bytes | None:
        if self.operation.body is None:
            return None
        return json.dumps(EXAMPLES[self.operation.id]).encode()

    def call(self, body: bytes | None, **options: Any) -> Answer:
        return self.client.call(self.operation.id, path=self.path, body=body, unchecked=True, **options)


def clients(platform: Platform) -> list[ContractClient]:
    return [
        platform.gateway.http,
        platform.authsession,
        platform.gateway.admin,
        platform.authsession_admin,
    ]


def targets(platform: Platform) -> list[Target]:
    return [
        Target(client, each) for client in clients(platform) for each in client.contract.operations.values()
    ]


def wrong_bodies(example: Mapping[str, Any]) -> Iterator[tuple[str, bytes]]:
    """Bodies that break the contract of an operation whose right body is `example`."""
    right = json.dumps(example).encode()
    name = next(iter(example))
    yield "empty", b""
    yield "blank", b"  "
    yield "no JSON", b"{"
    yield "cut", right[:-1]
    yield "a second document", right + b"{}"
    yield "trailing text", right + b" x"
    yield "bad UTF-8", right[:-1] + b',"x":"\xff"}'
    yield "a byte order mark", b"\xef\xbb\xbf" + right
    yield "UTF-16", right.decode().encode("utf-16")
    yield "NaN", right.replace(json.dumps(example[name]).encode(), b"NaN")
    yield "a lone surrogate", right.replace(json.dumps(example[name]).encode(), b'"\\ud800"')
    yield "single quotes", right.replace(b'"', b"'")
    yield "deep nesting", b"[" * 5000 + b"]" * 5000
    for document in ("[]", "null", "1", '"text"', "true"):
        yield f"{document} instead of an object", document.encode()
    yield "an unknown field", json.dumps({**example, "unknown": 1}).encode()
    yield "a field in another case", json.dumps({**example, name.upper(): "x"}).encode()
    yield "a field twice", b'{"%s":"other-value",%s' % (name.encode(), right[1:])
    for field in example:
        yield f"{field} missing", json.dumps({k: v for k, v in example.items() if k != field}).encode()
        wrong: tuple[Any, ...] = (None, 1, True, [], {}, ["x"], "", "x" * 3000)
        for value in wrong:
            yield f"{field} = {str(value)[:10]}", json.dumps({**example, field: value}).encode()


@pytest.mark.smoke
def test_a_wrong_body_is_an_invalid_request_everywhere(platform: Platform) -> None:
    accepted = []
    for target in targets(platform):
        for name, body in wrong_bodies(EXAMPLES[target.operation.id]) if target.right_body else ():
            answer = target.call(body)
            if (answer.status, answer.error_code) != (400, "invalid_request"):
                accepted.append(f"{name}: {answer.story}")
    assert not accepted
    assert platform.mail.sent == ()
    assert platform.streams.session_events() == []


def test_a_body_is_json_of_at_most_16_kib(platform: Platform) -> None:
    for target in targets(platform):
        right = target.right_body
        if right is None:
            continue
        for wrong in (
            "text/plain",
            "application/x-www-form-urlencoded",
            "application/jsonx",
            "garbage",
            None,
        ):
            target.call(right, content_type=wrong).expect_error(415, "unsupported_media_type")
        assert target.call(right, content_type="Application/JSON; charset=utf-8").status not in (
            400,
            413,
            415,
        )
        assert target.call(right.ljust(16_384)).status not in (400, 413, 415)
        target.call(right.ljust(16_385)).expect_error(413, "request_too_large")
        target.call(b"x" * 1_000_000).expect_error(413, "request_too_large")
        # Without a length it is counted as it comes.
        chunked = {"Transfer-Encoding": "chunked"}
        whole = b"%x\r\n%s\r\n0\r\n\r\n" % (len(right), right)
        assert target.call(whole, headers=chunked).status not in (400, 413, 415)
        too_much = b"%x\r\n%s\r\n" % (1000, b" " * 1000) * 17 + b"0\r\n\r\n"
        target.call(too_much, headers=chunked).expect_error(413, "request_too_large")


def test_a_wrong_method_is_told_the_right_ones(platform: Platform) -> None:
    for target in targets(platform):
        allowed = target.client.contract.allowed(target.operation.path(**target.path))
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "TRACE"):
            if method not in allowed:
                target.call(None, method=method).expect_error(405, "method_not_allowed")
    for client in clients(platform):
        known = [operation.path(**PATH) for operation in client.contract.operations.values()]
        for path in ("/", "/nothing", "//healthz", "/api", "/api/v1/internal/sessions/a/b", f"{known[0]}/x"):
            client.unknown_path(path).expect_error(404, "not_found")
        for path in known:
            client.unknown_path(f"{path}/").expect_error(404, "not_found")
            client.unknown_path(path.upper()).expect_error(404, "not_found")
    for path in ("/healthz", "/metrics", "/api/v1/internal/sessions/a", "/api/v1/internal/users/u/sessions"):
        platform.gateway.http.unknown_path(path).expect_error(404, "not_found")


def test_a_query_or_a_body_that_is_not_documented_is_refused(platform: Platform) -> None:
    for target in targets(platform):
        for query in ((("unknown", "1"),), (("page_size", "1"), ("page_size", "2"))):
            target.call(target.right_body, query=query).expect_error(400, "invalid_request")
        if target.right_body is None:
            target.call(b"{}").expect_error(400, "invalid_request")
    sessions = Target(platform.authsession, platform.authsession.contract.operation("listUserSessions"))
    for size in ("0", "101", "-1", "1.5", "many", "", " 1", "1 ", "\u0661"):
        sessions.call(None, query={"page_size": size}).expect_error(400, "invalid_request")


def test_an_id_that_cannot_be_one_finds_nothing(signin: Platform) -> None:
    outcomes = {
        "getSession": (404, "session_not_found"),
        "revokeSession": (404, "session_not_found"),
        "listUserSessions": (400, "invalid_request"),
        "revokeAllUserSessions": (400, "invalid_request"),
    }
    for operation, (status, code) in outcomes.items():
        body = json.dumps(EXAMPLES[operation]).encode() if operation in EXAMPLES else None
        for wrong in ("x" * 129, "a b", "a\nb", "\u00e9", "a\x00", "\x7f"):
            path = dict.fromkeys(PATH, wrong)
            signin.authsession.call(operation, path=path, body=body, unchecked=True).expect_error(
                status, code
            )


def test_a_request_cut_short_has_no_effect(platform: Platform) -> None:
    body = json.dumps(EXAMPLES["sendEmailCode"]).encode()
    head = (
        b"POST /api/v1/public/auth/send-email-code HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    )
    whole = head + b"Content-Length: %d\r\n\r\n" % len(body) + body
    for url in (platform.gateway.http.url, platform.authsession.url):
        for size in (0, 1, 10, len(head) - 1, len(head), len(whole) - len(body), len(whole) - 1):
            answer = send_raw(url, whole[:size])
            assert answer is None or answer.status in (400, 408), answer
    assert platform.mail.sent == ()
    platform.challenge("ada@example.test")


def test_what_is_no_http_is_refused_and_the_next_request_served(platform: Platform) -> None:
    smuggled = b"POST /api/v1/public/auth/send-email-code HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
    for client in clients(platform):
        for data in (
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"GET\r\n\r\n",
            b"GET / HTTP/9.9\r\n\r\n",
            b"GET / HTTP/1.1\r\n" + b"X: " + b"y" * 200_000 + b"\r\n\r\n",
            smuggled + b"Content-Length: 6\r\n\r\nhello!",
            smuggled + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ):
            answer = send_raw(client.url, data)
            assert answer is None or 400 <= answer.status < 500, (data[:60], answer)
    assert platform.mail.sent == ()
    assert platform.gateway.admin.health().status == platform.authsession_admin.health().status == 200


def test_a_client_that_hangs_keeps_nobody_waiting(boot: Callable[..., Platform]) -> None:
    platform = boot(
        gateway_settings={"BODY_TIMEOUT_MS": PATIENCE_MS},
        authsession_settings={"BODY_TIMEOUT_MS": PATIENCE_MS},
    )
    for client in (platform.gateway.http, platform.authsession):
        request = Request(
            method="POST",
            path="/api/v1/public/auth/send-email-code",
            headers=(("Content-Type", "application/json"), ("Content-Length", "100")),
            body=b'{"email":',
        )
        assert exchange(client.url, request).status == 408
    platform.challenge("ada@example.test")
