import base64
import hashlib
from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_network
from itertools import combinations
from typing import Any

import grpc
import pytest
from servicekit import tracing
from servicekit.parsers import Limit
from servicekit.testing.valkey import Valkey
from servicekit.testing.waiting import until

from gateway.client_address import TrustedProxies
from gateway.envelope import Envelope
from gateway.gatekeeper import Budgets
from gateway.rejection import STATUS_OF_CODE
from gateway.signing import Signer, is_signed_by, response_signing_input
from gateway.testing.device import Device, encode
from gateway.testing.edge import WIDE, Edge, code_of, running_edge
from gateway.testing.http_server import http_answer
from gateway.wire.gateway.v1.edge_gateway_pb2 import ExecuteCommandResponse


async def refused(edge: Edge, raw: bytes) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await edge.execute(raw)
    assert caught.value.code() is STATUS_OF_CODE[code_of(caught.value)]
    return caught.value


async def refusal(edge: Edge, envelope: Envelope | bytes) -> str:
    return code_of(await refused(edge, envelope if isinstance(envelope, bytes) else encode(envelope)))


async def test_a_command_is_executed_and_answered_signed(valkey: Valkey, device: Device) -> None:
    async with running_edge(valkey) as edge:
        await edge.sign_in(device)
        edge.downstream.always(http_answer(409, b'{"error":"x"}'))
        envelope = device.envelope(payload=b"\x00\xffpayload", trace_id="0af7651916cd43dd8448eb211c80319c")
        answer = ExecuteCommandResponse.FromString(await edge.execute(encode(envelope)))
        assert (answer.protocol_version, answer.request_id) == ("v1", envelope.request_id)
        assert (answer.status_code, answer.payload_bytes) == (409, b'{"error":"x"}')
        assert answer.payload_hash == hashlib.sha256(answer.payload_bytes).digest()
        signed = response_signing_input(
            protocol_version="v1",
            request_id=envelope.request_id,
            timestamp_ms=answer.timestamp_ms,
            status_code=409,
            payload_hash=answer.payload_hash,
        )
        assert is_signed_by(base64.b64decode(edge.signer.published.public_key), answer.signature, signed)
        [(line, headers, body)] = edge.downstream.requests
        assert line == "POST /api/v1/internal/commands/lobby.games.join HTTP/1.1"
        assert body == b"\x00\xffpayload"
        assert {name: headers[name] for name in ("x-user-id", "x-device-session-id", "x-request-id")} == {
            "x-user-id": "user-1",
            "x-device-session-id": "session-1",
            "x-request-id": envelope.request_id,
        }
        assert tracing.trace_id(headers["traceparent"]) == "0af7651916cd43dd8448eb211c80319c"


# One fault for each check, in order: what breaks an envelope (after signing it where the fault allows that).
Fault = Callable[[Device, dict[str, Any]], None]


def malformed(_: Device, changes: dict[str, Any]) -> None:
    changes["raw"] = b"\xa0\x06\x01"


def other_version(_: Device, changes: dict[str, Any]) -> None:
    changes["protocol_version"] = "v2"


def unknown_session(_: Device, changes: dict[str, Any]) -> None:
    changes["device_session_id"] = "nobody"


def wrong_hash(_: Device, changes: dict[str, Any]) -> None:
    changes["payload_hash"] = bytes(32)


def wrong_signature(_: Device, changes: dict[str, Any]) -> None:
    changes["after"] = {"signature": bytes(64)}


def stale(_: Device, changes: dict[str, Any]) -> None:
    changes["timestamp_ms"] = 1_000


def replayed(_: Device, changes: dict[str, Any]) -> None:
    changes["request_id"] = "used-before"


def rate_limited(_: Device, changes: dict[str, Any]) -> None:
    changes["message_type"] = "other.limited"


def unknown_type(_: Device, changes: dict[str, Any]) -> None:
    changes.setdefault("message_type", "other.unlimited")


FAULTS: list[tuple[str, Fault]] = [
    ("malformed_envelope", malformed),
    ("unsupported_protocol_version", other_version),
    ("unknown_session", unknown_session),
    ("payload_hash_mismatch", wrong_hash),
    ("invalid_signature", wrong_signature),
    ("stale_request", stale),
    ("replayed_request", replayed),
    ("rate_limited", rate_limited),
    ("unknown_message_type", unknown_type),
]


def faulty(device: Device, *faults: Fault) -> bytes:
    changes: dict[str, Any] = {}
    for fault in faults:
        fault(device, changes)
    raw: bytes = changes.pop("raw", b"")
    after: dict[str, Any] = changes.pop("after", {})
    return encode(replace(device.envelope(**changes), **after)) + raw


class Faulty:
    """An edge on which each fault can be made: a used request id, and a message type whose budget is used up."""

    def __init__(self, edge: Edge, device: Device) -> None:
        self.edge = edge
        self.device = device

    async def prepare(self) -> None:
        await self.edge.sign_in(self.device)
        await self.edge.execute(encode(self.device.envelope(request_id="used-before")))
        key = "gateway:limit:message_type:other.limited"
        await self.edge.redis.execute("SET", key, 4_000_000_000_000_000)


@pytest.mark.parametrize(("code", "fault"), FAULTS, ids=[code for code, _ in FAULTS])
async def test_each_check(valkey: Valkey, device: Device, code: str, fault: Fault) -> None:
    async with running_edge(valkey) as edge:
        await Faulty(edge, device).prepare()
        assert await refusal(edge, faulty(device, fault)) == code
        assert len(edge.downstream.requests) == 1


@pytest.mark.parametrize(
    ("first", "second"),
    list(combinations(FAULTS, 2)),
    ids=[f"{first[0]}-hides-{second[0]}" for first, second in combinations(FAULTS, 2)],
)
async def test_an_earlier_failure_hides_a_later_one(
    valkey: Valkey, device: Device, first: tuple[str, Fault], second: tuple[str, Fault]
) -> None:
    async with running_edge(valkey) as edge:
        await Faulty(edge, device).prepare()
        assert await refusal(edge, faulty(device, first[1], second[1])) == first[0]
        assert len(edge.downstream.requests) == 1


async def test_a_revoked_session_hides_a_wrong_hash(valkey: Valkey, device: Device) -> None:
    async with running_edge(valkey) as edge:
        await edge.sign_in(device)
        await edge.revoke(device)
        assert await refusal(edge, faulty(device, wrong_hash, wrong_signature)) == "session_revoked"


async def test_a_dead_store_hides_all_but_the_envelope(own_valkey: Valkey, device: Device) -> None:
    async with running_edge(own_valkey) as edge:
        await edge.sign_in(device)
        own_valkey.kill()
        assert (
            await refusal(edge, faulty(device, wrong_hash, wrong_signature, stale))
            == "session_store_unavailable"
        )
        assert await refusal(edge, faulty(device, malformed)) == "malformed_envelope"
        assert edge.downstream.requests == []


async def test_a_refused_request_does_not_use_up_its_id(valkey: Valkey, device: Device) -> None:
    async with running_edge(valkey) as edge:
        await edge.sign_in(device)
        envelope = device.envelope()
        assert await refusal(edge, replace(envelope, signature=bytes(64))) == "invalid_signature"
        assert await edge.execute(encode(envelope))
        assert await refusal(edge, envelope) == "replayed_request"


async def test_a_replay_at_another_instance_is_refused(valkey: Valkey, device: Device) -> None:
    async with running_edge(valkey, instance_id="a") as one, running_edge(valkey, instance_id="b") as other:
        await one.sign_in(device)
        envelope = device.envelope()
        assert await one.execute(encode(envelope))
        assert await refusal(other, envelope) == "replayed_request"
        assert other.downstream.requests == []


@pytest.mark.parametrize("limited", ["ip", "session", "user", "message_type"])
async def test_each_budget(valkey: Valkey, device: Device, limited: str) -> None:
    limits = dict.fromkeys(("ip", "session", "user", "message_type"), WIDE)
    budgets = Budgets(**(limits | {limited: Limit(2, 60)}))
    async with running_edge(valkey, budgets=budgets) as edge:
        await edge.sign_in(device)
        for _ in range(2):
            await edge.execute(encode(device.envelope()))
        error = await refused(edge, encode(device.envelope()))
        assert code_of(error) == "rate_limited"
        assert 1 <= int(str(dict(error.trailing_metadata())["retry-after"])) <= 30
        others = {
            "session": Device("session-2", "user-1"),
            "user": Device("session-3", "user-2"),
            "message_type": device,
        }
        if limited in others:
            other = await edge.sign_in(others[limited])
            changes = {"message_type": "lobby.games.leave"} if limited == "message_type" else {}
            assert await edge.execute(encode(other.envelope(**changes)))


async def test_behind_a_trusted_proxy_the_clients_address_is_budgeted(valkey: Valkey, device: Device) -> None:
    budgets = Budgets(ip=Limit(1, 60), session=WIDE, user=WIDE, message_type=WIDE)
    proxies = TrustedProxies([ip_network("127.0.0.0/8")])
    async with running_edge(valkey, budgets=budgets, proxies=proxies) as edge:
        await edge.sign_in(device)
        for address in ("198.51.100.1", "198.51.100.2"):
            await edge.execute(encode(device.envelope()), (("x-forwarded-for", address),))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await edge.execute(encode(device.envelope()), (("x-forwarded-for", "9.9.9.9, 198.51.100.1"),))
        assert code_of(caught.value) == "rate_limited"


async def test_a_trace_in_the_metadata_is_continued(valkey: Valkey, device: Device) -> None:
    async with running_edge(valkey) as edge:
        await edge.sign_in(device)
        received = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
        await edge.execute(encode(device.envelope()), (("traceparent", received),))
        [(_, headers, _)] = edge.downstream.requests
        assert headers["traceparent"].startswith("00-0af7651916cd43dd8448eb211c80319c-")
        assert headers["traceparent"] != received


async def test_a_defect_is_an_internal_error_that_says_nothing(
    valkey: Valkey, device: Device, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with running_edge(valkey) as edge:
        await edge.sign_in(device)
        monkeypatch.setattr(Signer, "sign", None)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await edge.execute(encode(device.envelope(request_id="r")))
        assert caught.value.code() is grpc.StatusCode.INTERNAL
        trailers = dict(caught.value.trailing_metadata())
        assert (trailers["x-error-code"], trailers["x-request-id"]) == ("internal_error", "r")
        assert "NoneType" not in str(caught.value.details())
        assert "call_failed" in caplog.text


async def test_request_ids_are_in_the_trailers(valkey: Valkey, device: Device) -> None:
    async with running_edge(valkey) as edge:
        envelope = device.envelope()
        known = dict((await refused(edge, encode(envelope))).trailing_metadata())
        assert known["x-request-id"] == envelope.request_id
        made = dict((await refused(edge, b"")).trailing_metadata())
        assert len(str(made["x-request-id"])) == 32


@pytest.mark.parametrize(
    "raw",
    [
        http_answer(500, b"{}"),
        http_answer(503, b"{}"),
        b"",
        b"not http\r\n\r\n",
        http_answer(200, bytes(256 * 1024 + 1)),
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
    ],
    ids=["500", "503", "closed", "malformed", "oversized", "truncated"],
)
async def test_a_service_that_fails_is_unavailable(valkey: Valkey, device: Device, raw: bytes) -> None:
    async with running_edge(valkey, downstream_timeout=1.0 if raw.endswith(b"short") else 5.0) as edge:
        await edge.sign_in(device)
        edge.downstream.always(raw)
        expected = "downstream_timeout" if raw.endswith(b"short") else "downstream_unavailable"
        assert await refusal(edge, device.envelope()) == expected


async def test_a_service_that_is_gone_is_unavailable(valkey: Valkey, device: Device) -> None:
    async with running_edge(valkey) as edge:
        await edge.sign_in(device)
        await edge.downstream.stop()
        assert await refusal(edge, device.envelope()) == "downstream_unavailable"


async def test_a_silent_service_times_out(valkey: Valkey, device: Device) -> None:
    async with running_edge(valkey, downstream_timeout=0.1) as edge:
        await edge.sign_in(device)
        edge.downstream.never()
        assert await refusal(edge, device.envelope()) == "downstream_timeout"


@pytest.mark.parametrize("status", [200, 204, 301, 404, 499])
async def test_what_a_service_answers_below_500_is_passed_on(
    valkey: Valkey, device: Device, status: int
) -> None:
    async with running_edge(valkey) as edge:
        await edge.sign_in(device)
        edge.downstream.always(http_answer(status, b"" if status == 204 else b"body"))
        answer = ExecuteCommandResponse.FromString(await edge.execute(encode(device.envelope())))
        assert (answer.status_code, answer.payload_bytes) == (status, b"" if status == 204 else b"body")


async def test_the_largest_payload_and_answer_pass(valkey: Valkey, device: Device) -> None:
    async with running_edge(valkey) as edge:
        await edge.sign_in(device)
        edge.downstream.always(http_answer(200, bytes(256 * 1024)))
        answer = await edge.execute(encode(device.envelope(payload=bytes(64 * 1024))))
        assert len(ExecuteCommandResponse.FromString(answer).payload_bytes) == 256 * 1024
        assert await refusal(edge, device.envelope(payload=bytes(64 * 1024 + 1))) == "malformed_envelope"


async def test_calls_are_counted_by_outcome(valkey: Valkey, device: Device) -> None:
    async with running_edge(valkey) as edge:
        await edge.sign_in(device)
        envelope = device.envelope()
        await edge.execute(encode(envelope))
        await refusal(edge, envelope)
        refused = 'gateway_calls_total{operation="ExecuteCommand",code="replayed_request"} 1'
        # The client may have read the refusal before it is counted.
        await until("the refusal is counted", lambda: refused in edge.registry.render().decode())
        text = edge.registry.render().decode()
        assert 'gateway_calls_total{operation="ExecuteCommand",code="ok"} 1' in text
