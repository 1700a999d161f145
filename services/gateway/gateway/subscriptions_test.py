import asyncio
import base64
import hashlib
import json
import time
from collections.abc import Callable

import grpc
import pytest
from servicekit.parsers import Limit
from servicekit.testing.valkey import Valkey
from servicekit.testing.waiting import until

from gateway.gatekeeper import Budgets
from gateway.sessions import SessionStore
from gateway.signing import event_signing_input, is_signed_by
from gateway.testing.device import Device
from gateway.testing.edge import WIDE, Edge, Stream, running_edge

REVOKED_WITHIN_S = 1.0


def hub_has(edge: Edge, count: int) -> Callable[[], bool]:
    return lambda: len(edge.hub) == count


async def ends_with(stream: Stream, within_s: float = 10.0) -> str:
    async with asyncio.timeout(within_s):
        return await stream.end()


async def test_the_first_event_is_the_servers_time(valkey: Valkey, device: Device) -> None:
    async with running_edge(valkey) as edge:
        await edge.sign_in(device)
        before = time.time_ns() // 1_000_000
        event = await edge.subscribe(device).next()
        assert event.event_type == "gateway.server_time"
        assert before <= json.loads(event.payload_bytes)["server_time_ms"] <= time.time_ns() // 1_000_000


async def test_an_event_is_pushed_signed(valkey: Valkey, device: Device) -> None:
    async with running_edge(valkey) as edge:
        stream = await edge.subscribe(await edge.sign_in(device)).opened()
        await edge.publish(event_id="event-1", payload=base64.b64encode(b"\x00payload"), trace_id="a" * 32)
        event = await stream.next()
        assert (event.event_id, event.payload_bytes, event.trace_id) == ("event-1", b"\x00payload", "a" * 32)
        assert event.payload_hash == hashlib.sha256(event.payload_bytes).digest()
        signed = event_signing_input(
            event_id="event-1",
            event_type="lobby.game.started",
            timestamp_ms=1790000000000,
            payload_hash=event.payload_hash,
        )
        assert is_signed_by(base64.b64decode(edge.signer.published.public_key), event.signature, signed)


async def test_events_go_to_the_users_streams_or_to_one_sessions(valkey: Valkey) -> None:
    async with running_edge(valkey) as edge:
        devices = (Device("phone"), Device("tablet"), Device("other", "user-2"))
        phone, tablet, other = [await edge.subscribe(await edge.sign_in(each)).opened() for each in devices]
        await edge.publish(event_id="all")
        await edge.publish(event_id="one", device_session_id="tablet")
        await edge.publish(event_id="foreign", device_session_id="phone", user_id="user-2")
        await edge.publish(event_id="last-1")
        await edge.publish(event_id="last-2", user_id="user-2")

        async def ids(stream: Stream, last: str) -> list[str]:
            seen = [(await stream.next()).event_id]
            while seen[-1] != last:
                seen.append((await stream.next()).event_id)
            return seen

        assert await ids(phone, "last-1") == ["all", "last-1"]
        assert await ids(tablet, "last-1") == ["all", "one", "last-1"]
        assert await ids(other, "last-2") == ["last-2"]


async def test_every_instance_pushes_every_event(valkey: Valkey, device: Device) -> None:
    async with running_edge(valkey, instance_id="a") as one, running_edge(valkey, instance_id="b") as other:
        await one.sign_in(device)
        streams = [await edge.subscribe(device).opened() for edge in (one, other)]
        await one.publish(event_id="event-1")
        assert [(await stream.next()).event_id for stream in streams] == ["event-1", "event-1"]


async def test_a_malformed_entry_is_set_aside_and_blocks_nothing(valkey: Valkey, device: Device) -> None:
    async with running_edge(valkey) as edge:
        stream = await edge.subscribe(await edge.sign_in(device)).opened()
        await edge.publish(payload="not base64!")
        await edge.publish(event_id="next")
        assert (await stream.next()).event_id == "next"
        [[_, fields]] = await edge.redis.execute("XRANGE", "gateway:client-events:rejected", "-", "+")
        entry = dict(zip(fields[::2], fields[1::2], strict=True))
        assert entry[b"reason"] == b"payload is not base64"
        assert entry[b"entry:payload"] == b"not base64!"


async def test_revocation_ends_the_sessions_streams_only(valkey: Valkey, device: Device) -> None:
    async with running_edge(valkey) as edge:
        streams = [await edge.subscribe(await edge.sign_in(device)).opened() for _ in range(2)]
        other = await edge.subscribe(await edge.sign_in(Device("session-2"))).opened()
        await edge.revoke(device)
        for stream in streams:
            assert await ends_with(stream, REVOKED_WITHIN_S) == "session_revoked"
        await edge.publish(event_id="still-here")
        assert (await other.next()).event_id == "still-here"


async def test_revocation_reaches_a_stream_whose_client_does_not_read(valkey: Valkey, device: Device) -> None:
    async with running_edge(valkey) as edge:
        await edge.sign_in(device)
        async with narrow_channel(edge) as channel:
            stream = await edge.subscribe(device, channel).opened()
            for _ in range(40):
                await edge.publish(payload=base64.b64encode(bytes(65536)))
            await edge.revoke(device)
            await until("the gateway forgets the stream", hub_has(edge, 0), timeout=5.0)
            assert await ends_with(stream) == "session_revoked"


async def test_a_session_revoked_while_it_subscribes_gets_no_stream(
    valkey: Valkey, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    active = SessionStore.active

    async with running_edge(valkey) as edge:
        await edge.sign_in(device)
        calls = 0

        async def revoked_after_the_first_look(store: SessionStore, session_id: str) -> object:
            nonlocal calls
            calls += 1
            session = await active(store, session_id)
            if calls == 1:
                await edge.revoke(device)
            return session

        monkeypatch.setattr(SessionStore, "active", revoked_after_the_first_look)
        assert await ends_with(edge.subscribe(device)) == "session_revoked"
        assert len(edge.hub) == 0


async def test_a_missed_revocation_is_found_when_redis_is_back(own_valkey: Valkey, device: Device) -> None:
    async with running_edge(own_valkey) as edge:
        stream = await edge.subscribe(await edge.sign_in(device)).opened()
        other = await edge.subscribe(await edge.sign_in(Device("session-2"))).opened()
        own_valkey.kill()
        own_valkey.start()
        await edge.revoke(device, announced=False)
        assert await ends_with(stream) == "session_revoked"
        await edge.publish(event_id="still-here")
        assert (await other.next()).event_id == "still-here"


async def test_a_malformed_session_event_makes_every_session_be_looked_at(
    valkey: Valkey, device: Device
) -> None:
    async with running_edge(valkey) as edge:
        stream = await edge.subscribe(await edge.sign_in(device)).opened()
        await edge.revoke(device, announced=False)
        await edge.redis.execute("XADD", "gateway:session-events", "*", "event", "session.revoked")
        assert await ends_with(stream) == "session_revoked"


async def test_events_flow_again_after_redis_was_killed(own_valkey: Valkey, device: Device) -> None:
    async with running_edge(own_valkey) as edge:
        stream = await edge.subscribe(await edge.sign_in(device)).opened()
        own_valkey.kill()
        own_valkey.start()
        await edge.publish(event_id="after")
        assert (await stream.next()).event_id == "after"


async def test_events_flow_again_after_the_group_was_lost(valkey: Valkey, device: Device) -> None:
    async with running_edge(valkey) as edge:
        stream = await edge.subscribe(await edge.sign_in(device)).opened()
        await edge.redis.execute("XGROUP", "DESTROY", "gateway:client-events", "gateway-test")
        await edge.publish(event_id="after")
        assert (await stream.next()).event_id == "after"


def narrow_channel(edge: Edge) -> grpc.aio.Channel:
    """A client that takes little into its own buffers, so that not reading shows at the gateway soon."""
    return grpc.aio.insecure_channel(
        f"127.0.0.1:{edge.port}",
        options=[("grpc.http2.lookahead_bytes", 65536), ("grpc.http2.bdp_probe", 0)],
    )


async def test_a_slow_consumer_is_cut_off_and_delays_nobody(valkey: Valkey, device: Device) -> None:
    async with running_edge(valkey, buffered_events=16) as edge:
        await edge.sign_in(device)
        async with narrow_channel(edge) as channel:
            slow = await edge.subscribe(device, channel).opened()
            fast = await edge.subscribe(device).opened()
            for number in range(64):
                await edge.publish(event_id=f"event-{number}", payload=base64.b64encode(bytes(65536)))
                assert (await fast.next()).event_id == f"event-{number}"
            await until("the slow one is forgotten, the fast one is not", hub_has(edge, 1))
            assert await ends_with(slow) == "slow_consumer"
            await edge.publish(event_id="after")
            assert (await fast.next()).event_id == "after"


async def test_a_client_that_goes_away_is_forgotten(valkey: Valkey, device: Device) -> None:
    async with running_edge(valkey) as edge:
        stream = await edge.subscribe(await edge.sign_in(device)).opened()
        assert len(edge.hub) == 1
        stream.call.cancel()
        await until("the stream is forgotten", hub_has(edge, 0))
        await until(
            "it is counted",
            lambda: b'operation="SubscribeEvents",code="cancelled"} 1' in edge.registry.render(),
        )


async def test_a_client_whose_connection_breaks_is_forgotten(valkey: Valkey, device: Device) -> None:
    async with running_edge(valkey) as edge:
        channel = narrow_channel(edge)
        await edge.subscribe(await edge.sign_in(device), channel).opened()
        await channel.close()
        await until("the stream is forgotten", hub_has(edge, 0))


async def test_closing_ends_streams_with_shutting_down(valkey: Valkey, device: Device) -> None:
    async with running_edge(valkey) as edge:
        stream = await edge.subscribe(await edge.sign_in(device)).opened()
        edge.hub.close("shutting_down")
        assert await ends_with(stream) == "shutting_down"
        assert await ends_with(edge.subscribe(device)) == "shutting_down"


async def test_the_same_checks_as_for_commands(valkey: Valkey, device: Device) -> None:
    async with running_edge(valkey) as edge:
        assert await ends_with(edge.subscribe(device)) == "unknown_session"
        await edge.sign_in(device)
        assert await ends_with(edge.subscribe(device, payload_hash=bytes(32))) == "payload_hash_mismatch"
        assert await ends_with(edge.subscribe(Device())) == "invalid_signature"
        assert await ends_with(edge.subscribe(device, timestamp_ms=1)) == "stale_request"
        assert (
            await ends_with(edge.subscribe(device, protocol_version="v2")) == "unsupported_protocol_version"
        )
        assert (
            await ends_with(edge.subscribe(device, message_type="lobby.games.join")) == "unknown_message_type"
        )
        await edge.subscribe(device, request_id="once").opened()
        assert await ends_with(edge.subscribe(device, request_id="once")) == "replayed_request"
        assert await ends_with(edge.subscribe_raw(b"\xff")) == "malformed_envelope"


async def test_subscriptions_are_budgeted(valkey: Valkey, device: Device) -> None:
    budgets = Budgets(ip=WIDE, session=Limit(1, 60), user=WIDE, message_type=WIDE)
    async with running_edge(valkey, budgets=budgets) as edge:
        await edge.subscribe(await edge.sign_in(device)).opened()
        assert await ends_with(edge.subscribe(device)) == "rate_limited"


async def test_no_stream_before_events_can_reach_it(valkey: Valkey, device: Device) -> None:
    async with running_edge(valkey, attached=False) as edge:
        await edge.sign_in(device)
        assert await ends_with(edge.subscribe(device)) == "session_store_unavailable"
        await edge.feeds.attach()
        await edge.subscribe(device).opened()


async def test_groups_are_removed_at_the_end(valkey: Valkey) -> None:
    async with running_edge(valkey) as edge, running_edge(valkey, instance_id="other"):
        groups = await edge.redis.execute("XINFO", "GROUPS", "gateway:client-events")
        assert len(groups) == 2
        await edge.feeds.__aexit__()
        groups = await edge.redis.execute("XINFO", "GROUPS", "gateway:client-events")
        assert [group[1] for group in groups] == [b"gateway-other"]


async def test_the_stream_of_a_client_that_fell_silent_is_freed(valkey: Valkey, device: Device) -> None:
    async with running_edge(valkey) as edge:
        await edge.sign_in(device)
        silent = asyncio.Event()
        async with (
            Silenceable(edge.port, silent) as port,
            grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
        ):
            await edge.subscribe(device, channel).opened()
            assert len(edge.hub) == 1
            silent.set()
            await until("the silent client's stream is freed", hub_has(edge, 0))


class Silenceable:
    """A way to the gateway on which, once silent, nothing gets through any more, with every connection left open."""

    def __init__(self, port: int, silent: asyncio.Event) -> None:
        self._port = port
        self._silent = silent
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> int:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self._writers:
            writer.transport.abort()

    async def _accept(self, near: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        task = asyncio.create_task(self._connect(near, writer))
        self._tasks.add(task)
        await asyncio.wait((task,))

    async def _connect(self, near: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._writers.append(far_writer)
        await asyncio.gather(self._forward(near, far_writer), self._forward(far, writer))

    async def _forward(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            if not self._silent.is_set():
                target.write(data)
        target.close()
