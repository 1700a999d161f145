import asyncio

import pytest

from gateway.push import Hub


async def test_events_come_in_order() -> None:
    stream = Hub().register("user-1", "session-1")
    for number in range(3):
        stream.put(b"%d" % number)
    assert [await stream.next() for _ in range(3)] == [b"0", b"1", b"2"]


async def test_next_waits_for_an_event() -> None:
    stream = Hub().register("user-1", "session-1")
    waiting = asyncio.create_task(stream.next())
    await asyncio.sleep(0)
    assert not waiting.done()
    stream.put(b"late")
    assert await waiting == b"late"


async def test_the_event_beyond_the_capacity_ends_the_stream() -> None:
    stream = Hub(capacity=256).register("user-1", "session-1")
    for _ in range(256):
        stream.put(b"event")
    assert not stream.ended.done()
    stream.put(b"one more")
    assert stream.ended.result() == "slow_consumer"


async def test_a_reader_in_time_is_never_cut_off() -> None:
    stream = Hub(capacity=1).register("user-1", "session-1")
    for _ in range(1000):
        stream.put(b"event")
        await stream.next()
    assert not stream.ended.done()


async def test_the_first_end_counts() -> None:
    stream = Hub().register("user-1", "session-1")
    stream.end("session_revoked")
    stream.end("shutting_down")
    stream.put(b"too late")
    assert stream.ended.result() == "session_revoked"


async def test_subscribers_are_found_by_user_and_session() -> None:
    hub = Hub()
    phone = hub.register("user-1", "phone")
    tablet = hub.register("user-1", "tablet")
    hub.register("user-2", "other")
    assert set(hub.subscribers("user-1")) == {phone, tablet}
    assert hub.subscribers("user-1", "phone") == [phone]
    assert hub.subscribers("user-1", "other") == []
    assert hub.subscribers("user-3") == []


async def test_every_stream_of_an_ended_session_ends() -> None:
    hub = Hub()
    streams = [hub.register("user-1", "session-1") for _ in range(3)]
    other = hub.register("user-1", "session-2")
    hub.end_session("session-1", "session_revoked")
    assert [stream.ended.result() for stream in streams] == ["session_revoked"] * 3
    assert not other.ended.done()


async def test_what_is_unregistered_is_forgotten() -> None:
    hub = Hub()
    stream = hub.register("user-1", "session-1")
    second = hub.register("user-1", "session-1")
    hub.unregister(stream)
    hub.unregister(stream)
    assert hub.subscribers("user-1") == [second]
    hub.unregister(second)
    assert (len(hub), hub.sessions(), hub.subscribers("user-1")) == (0, [], [])


@pytest.mark.parametrize("earlier", [True, False])
async def test_a_closed_hub_ends_every_stream(earlier: bool) -> None:
    hub = Hub()
    if not earlier:
        hub.close("shutting_down")
    stream = hub.register("user-1", "session-1")
    if earlier:
        hub.close("shutting_down")
    assert stream.ended.result() == "shutting_down"
