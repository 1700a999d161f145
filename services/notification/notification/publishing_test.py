import pytest
from servicekit.redis import Redis, RedisUnavailable

from notification.publishing import BATCH, KEY_PREFIX, Message, Publisher, published
from notification.routes import Delivered, Failed, Postponed
from notification.testing.world import World

STREAM = "some:stream"


def publisher(world: World, **changes: int) -> Publisher:
    rules = {"max_length": 100_000, "remember_ms": 60_000} | changes
    return Publisher(world.redis, STREAM, **rules)


def messages(count: int) -> list[Message]:
    return [Message(f"n_{n}", {"number": str(n), "text": "ä\r\n\0"}) for n in range(count)]


def test_entries_are_written_in_their_order_whole(world: World) -> None:
    count = 2 * BATCH + 7
    assert world.run(publisher(world).publish(messages(count))) == [""] * count
    assert world.entries(STREAM) == [{"number": str(n), "text": "ä\r\n\0"} for n in range(count)]


def test_nothing_is_written_twice_while_it_is_remembered(world: World) -> None:
    world.run(publisher(world).publish(messages(3)))
    assert world.run(publisher(world).publish(messages(5))) == [""] * 5
    assert [entry["number"] for entry in world.entries(STREAM)] == ["0", "1", "2", "3", "4"]


def test_two_that_publish_the_same_at_once_write_it_once(world: World) -> None:
    world.together(*(publisher(world).publish(messages(50)) for _ in range(4)))
    assert len(world.entries(STREAM)) == 50


def test_what_is_remembered_expires(world: World) -> None:
    world.run(publisher(world, remember_ms=90_000).publish(messages(1)))
    assert 80_000 < world.command("PTTL", f"{KEY_PREFIX}n_0") <= 90_000


def test_a_refused_entry_leaves_no_mark(world: World) -> None:
    world.command("SET", STREAM, "no stream")
    (refusal,) = world.run(publisher(world).publish(messages(1)))
    assert refusal.startswith("WRONGTYPE")
    assert world.command("KEYS", "*") == [STREAM.encode()]
    world.command("DEL", STREAM)
    assert world.run(publisher(world).publish(messages(1))) == [""]
    assert len(world.entries(STREAM)) == 1


def test_the_stream_is_trimmed(world: World) -> None:
    world.run(publisher(world, max_length=100).publish(messages(1000)))
    assert 100 <= len(world.entries(STREAM)) < 300


def test_a_server_without_memory_is_an_outage(world: World) -> None:
    world.command("CONFIG", "SET", "maxmemory", "1")
    try:
        with pytest.raises(RedisUnavailable):
            world.run(publisher(world).publish(messages(1)))
        (result,) = world.run(published(publisher(world), [(messages(1)[0], Delivered())]))
        assert isinstance(result, Postponed)
    finally:
        world.command("CONFIG", "SET", "maxmemory", "0")


def test_a_server_that_is_away_is_an_outage(world: World) -> None:
    nowhere = Publisher(Redis("unix:///nowhere"), STREAM, max_length=1, remember_ms=1)
    pairs = [(message, Delivered()) for message in messages(2)]
    assert world.run(published(nowhere, pairs)) == [Postponed("No such file or directory")] * 2


def test_a_command_that_is_forbidden_is_a_refusal(world: World) -> None:
    world.command("ACL", "SETUSER", "limited", "on", ">secret", "~*", "+@all", "-xadd")
    try:
        limited = Redis(world.redis_url)
        world.enter(limited)
        world.run(limited.execute("AUTH", "limited", "secret"))
        pairs = [(messages(1)[0], Delivered())]
        (result,) = world.run(published(Publisher(limited, STREAM, max_length=1000, remember_ms=1000), pairs))
    finally:
        world.command("ACL", "DELUSER", "limited")
    assert isinstance(result, Failed)
    assert result.error_code == "publish_refused"
    assert not result.permanent
