"""The Redis client against a real server that is killed, paused and restarted, and against one that misbehaves."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

from servicekit.redis import Redis, RedisReplyError, RedisUnavailable, Script
from servicekit.testing.valkey import Valkey

T = TypeVar("T")


class Watcher:
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def up(self) -> None:
        self.seen.append("up")

    def down(self, reason: str) -> None:
        self.seen.append(reason)


def use(url: str, work: Callable[[Redis], Awaitable[T]], *, timeout: float = 10.0) -> T:
    async def go() -> T:
        async with Redis(url, timeout=timeout, connect_timeout=timeout) as redis:
            return await work(redis)

    return asyncio.run(go())


def test_replies_are_what_the_protocol_says(valkey: Valkey) -> None:
    async def work(redis: Redis) -> None:
        assert await redis.execute("SET", "a", b"\x00\xff") == b"OK"
        assert await redis.execute("GET", "a") == b"\x00\xff"
        assert await redis.execute("GET", "nothing") is None
        assert await redis.execute("INCRBY", "n", 5) == 5
        assert await redis.execute("SET", "f", 1.5) == b"OK"
        assert await redis.execute("LRANGE", "none", 0, -1) == []
        assert await redis.execute("EVAL", "return {1, 'a', {2}}", 0) == [1, b"a", [2]]

    use(valkey.url, work)


def test_a_refused_command_says_its_code_and_the_connection_stays(valkey: Valkey) -> None:
    async def work(redis: Redis) -> None:
        await redis.execute("SET", "a", "x")
        identity = await redis.execute("CLIENT", "ID")
        with pytest.raises(RedisReplyError) as caught:
            await redis.execute("LPUSH", "a", "x")
        assert caught.value.code == "WRONGTYPE"
        assert await redis.execute("CLIENT", "ID") == identity

    use(valkey.url, work)


def test_concurrent_commands_share_one_connection_and_get_their_own_replies(valkey: Valkey) -> None:
    async def work(redis: Redis) -> None:
        replies = await asyncio.gather(*(redis.execute("ECHO", str(number)) for number in range(500)))
        assert replies == [str(number).encode() for number in range(500)]
        assert len((await redis.execute("CLIENT", "LIST")).splitlines()) == 1

    use(valkey.url, work)


def test_a_pipeline_is_one_round_trip_and_runs_to_its_end(valkey: Valkey) -> None:
    async def work(redis: Redis) -> None:
        assert await redis.pipeline([("SET", "a", 1), ("INCR", "a"), ("GET", "a")]) == [b"OK", 2, b"2"]
        with pytest.raises(RedisReplyError):
            await redis.pipeline([("LPUSH", "a", 1), ("SET", "b", 2)])
        assert await redis.execute("GET", "b") == b"2"

    use(valkey.url, work)


def test_a_transaction_with_a_malformed_command_does_nothing(valkey: Valkey) -> None:
    async def work(redis: Redis) -> None:
        assert await redis.transaction([("SET", "a", 1), ("INCR", "a")]) == [b"OK", 2]
        with pytest.raises(RedisReplyError) as caught:
            await redis.transaction([("SET", "a", 9), ("INCR",)])
        assert caught.value.code == "ERR"
        assert await redis.execute("GET", "a") == b"2"
        with pytest.raises(RedisReplyError, match="WRONGTYPE"):
            await redis.transaction([("SET", "a", 3), ("LPUSH", "a", 1)])
        assert await redis.execute("GET", "a") == b"3"

    use(valkey.url, work)


def test_a_script_runs_on_a_server_that_has_it_and_on_one_that_has_not(valkey: Valkey) -> None:
    script = Script("return {KEYS[1], ARGV[1]}")

    async def work(redis: Redis) -> None:
        for _ in range(2):
            assert await redis.run(script, ["k"], [7]) == [b"k", b"7"]
        await redis.execute("SCRIPT", "FLUSH")
        assert await redis.run(script, ["k"], [8]) == [b"k", b"8"]
        assert b"cmdstat_evalsha:calls=3" in await redis.execute("INFO", "commandstats")
        with pytest.raises(RedisReplyError):
            await redis.run(Script("return redis.call('GET')"))

    use(valkey.url, work)


def test_the_url_chooses_database_name_and_path(valkey: Valkey) -> None:
    async def work(redis: Redis) -> bytes:
        info: bytes = await redis.execute("CLIENT", "INFO")
        return info

    info = use(f"redis://127.0.0.1:{valkey.port}/3", work)
    assert b" db=3 " in info
    assert b" name=servicekit " in info
    assert b" db=2 " in use(valkey.unix_url + "?db=2", work)


@pytest.mark.parametrize("url", ["rediss://localhost", "http://localhost", "redis://localhost/x"])
def test_another_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="give redis://"):
        Redis(url)


def test_a_password_is_used_and_a_wrong_one_is_an_outage_with_its_reason(valkey: Valkey) -> None:
    async def protect(redis: Redis) -> None:
        await redis.execute("ACL", "SETUSER", "kit", "on", ">a:b/c@d", "~*", "+@all")
        await redis.execute("CONFIG", "SET", "requirepass", "p w")

    async def ping(redis: Redis) -> None:
        await redis.ping()

    use(valkey.url, protect)
    use(f"redis://:p%20w@127.0.0.1:{valkey.port}", ping)
    use(f"redis://kit:a%3Ab%2Fc%40d@127.0.0.1:{valkey.port}", ping)
    with pytest.raises(RedisUnavailable, match="WRONGPASS"):
        use(f"redis://:wrong@127.0.0.1:{valkey.port}", ping)
    with pytest.raises(RedisUnavailable, match="NOAUTH"):
        use(valkey.url, ping)


def test_a_killed_server_fails_what_waits_and_is_found_again_after_its_restart(valkey: Valkey) -> None:
    watcher = Watcher()

    async def work(redis: Redis) -> None:
        redis.watch(watcher)
        await redis.ping()
        blocked = asyncio.create_task(redis.execute("BLPOP", "nothing", 0, timeout=60))
        async with redis.sibling("other") as other:  # whose answer comes after the blocked command is there
            await other.ping()
        valkey.kill()
        with pytest.raises(RedisUnavailable):
            await blocked
        with pytest.raises(RedisUnavailable, match="refused"):
            await redis.ping()
        valkey.start()
        await redis.ping()

    use(valkey.url, work)
    assert watcher.seen[0] == watcher.seen[-1] == "up"
    assert any("refused" in reason for reason in watcher.seen)


def test_a_paused_server_costs_a_deadline_and_recovers(valkey: Valkey) -> None:
    async def work(redis: Redis) -> None:
        await redis.execute("SET", "a", 1)
        valkey.signal(signal.SIGSTOP)
        # The first finds a connection, the second a server that accepts and does not answer.
        for _ in range(2):
            with pytest.raises(RedisUnavailable, match=r"within 0\.2 s"):
                await redis.execute("INCR", "a")
        valkey.signal(signal.SIGCONT)
        assert int(await redis.execute("GET", "a")) in {1, 2}

    use(valkey.url, work, timeout=0.2)


def test_a_command_that_outlives_its_deadline_does_not_take_the_others_with_it(valkey: Valkey) -> None:
    async def work(redis: Redis) -> None:
        await redis.ping()
        other = asyncio.create_task(redis.execute("BLPOP", "list", 0, timeout=30))
        await asyncio.sleep(0)
        with pytest.raises(RedisUnavailable):
            await redis.execute("PING", timeout=0.05)  # behind the one that blocks
        assert await redis.execute("RPUSH", "list", "x") == 1  # on a new connection
        assert await other == [b"list", b"x"]

    use(valkey.url, work)


def test_one_caller_that_gives_up_does_not_disturb_the_connection(valkey: Valkey) -> None:
    async def work(redis: Redis) -> None:
        await redis.ping()
        lost = asyncio.create_task(redis.execute("GET", "a"))
        await asyncio.sleep(0)
        lost.cancel()
        assert await redis.execute("ECHO", "mine") == b"mine"

    use(valkey.url, work)


def test_a_server_that_loads_its_data_is_unavailable_not_a_defect() -> None:
    with pytest.raises(RedisUnavailable, match="LOADING"):
        _against([b"+OK\r\n", b"-LOADING Redis is loading the dataset in memory\r\n"], "PING")


def test_replies_in_pieces_are_put_together() -> None:
    async def feed(writer: asyncio.StreamWriter) -> None:
        for byte in b"+OK\r\n*2\r\n$5\r\nhe\r\nl\r\n:42\r\n":
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0)

    assert _against(feed, "ANY") == [b"he\r\nl", 42]


@pytest.mark.parametrize(
    "reply", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"$-7\r\n", b"*1\r\n?x\r\n", b":1\r\n:2\r\n"]
)
def test_what_is_not_the_protocol_ends_the_connection(reply: bytes) -> None:
    async def serve(writer: asyncio.StreamWriter) -> None:
        writer.write(b"+OK\r\n")
        await writer.drain()
        writer.write(reply)
        await writer.drain()

    with pytest.raises(RedisUnavailable, match="malformed|closed"):
        _against(serve, "ANY")


def test_a_reply_too_many_is_never_taken_for_the_next_one() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            for reply in (b"+OK\r\n", b":1\r\n:666\r\n"):
                await reader.read(65536)
                writer.write(reply)
                await writer.drain()
        finally:
            writer.close()

    async def go() -> list[object]:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server, Redis(f"redis://127.0.0.1:{port}", timeout=10) as redis:
            return [await redis.execute("ANY") for _ in range(3)]

    assert asyncio.run(go()) == [1, 1, 1]


def test_a_connection_that_ends_within_a_reply_is_an_outage() -> None:
    with pytest.raises(RedisUnavailable, match="closed"):
        _against([b"+OK\r\n", b"$100\r\nabc"], "GET", "a")


def test_a_closed_client_says_so(valkey: Valkey) -> None:
    async def work(redis: Redis) -> None:
        await redis.ping()
        await redis.close()
        with pytest.raises(RedisUnavailable, match="closed"):
            await redis.ping()

    use(valkey.url, work)


Serve = Callable[[asyncio.StreamWriter], Awaitable[None]]


def _against(replies: list[bytes] | Serve, *command: str) -> object:
    """Run a command against a server that answers with these bytes, whatever it is asked, and hangs up."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if callable(replies):
                await replies(writer)
            else:
                for reply in replies:
                    await reader.read(65536)
                    writer.write(reply)
                    await writer.drain()
        finally:
            writer.close()

    async def go() -> object:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server, Redis(f"redis://127.0.0.1:{port}", timeout=10) as redis:
            return await redis.execute(*command)

    return asyncio.run(go())
