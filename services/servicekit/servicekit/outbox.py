"""Messages that leave with the transaction that they belong to: they are put into a table, and moved to Redis streams.

A service has the table in a migration of its own, which contains :data:`MIGRATION`. A handler calls :func:`put` in its
transaction; :class:`Relay` moves what was committed, effectively once, and as soon as it was committed.

Order: a message comes after every message of its stream that had been committed before it was put. Transactions that run at the
same time have no order by themselves: whoever needs one locks what the messages are about before putting them.
"""

import asyncio
import base64
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import msgspec

from servicekit import logs
from servicekit.failures import BACKOFF_MOST_S, Pause, Unavailable
from servicekit.metrics import Registry
from servicekit.postgres import Connection, Database, DatabaseUnavailable, Record
from servicekit.redis import Argument, Redis, RedisReplyError, RedisUnavailable, Script, is_outage

#: The SQL of the table; a service's own migration contains it.
MIGRATION: Final = """\
CREATE TABLE outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    stream text NOT NULL,
    key text NOT NULL,
    fields json NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    sent_at timestamptz,
    UNIQUE (key, stream)
);
CREATE INDEX outbox_unsent ON outbox (id) WHERE sent_at IS NULL;
"""

#: The channel on which a commit tells that there is something to move; _PUT names it.
CHANNEL: Final = "outbox"

#: The advisory lock of the database that the relaying instance holds: "outbox" as a number.
LOCK: Final = 0x6F7574626F78

#: Seconds after which the wait for the lock begins anew, which shows that the server is still there.
_TURN_S: Final = 10.0
#: Fields that a message may have: a script cannot pass on more than some thousand words.
FIELDS_MOST: Final = 1000
#: Bytes of fields that one script call carries at most: it stops the server for as long as it runs.
CALL_BYTES: Final = 1 << 20
#: Rows that one statement of the pruning looks at.
PRUNE_BATCH: Final = 5000

_log = logs.get("servicekit.outbox")

# Numbered in the order that they were given. Whoever listens is woken by the commit; many are one within a transaction.
_PUT: Final = """
WITH added AS (
    INSERT INTO outbox (stream, key, fields)
    SELECT stream, key, fields::json
    FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS given (stream, key, fields, place)
    ORDER BY place
    ON CONFLICT DO NOTHING
)
SELECT pg_notify('outbox', '')
"""

_UNSENT: Final = """
SELECT id, stream, key, fields FROM outbox
WHERE sent_at IS NULL AND stream <> ALL ($1::text[])
ORDER BY id LIMIT $2
"""
# As text: asyncpg asks the server about the type of bigint[], and knows that of text[].
_SENT: Final = "UPDATE outbox SET sent_at = now() WHERE id = ANY ($1::text[]::bigint[])"
_PENDING: Final = "SELECT count(*) FROM outbox WHERE sent_at IS NULL"
# From the oldest on, so that it needs no index of its own.
_PRUNE: Final = """
DELETE FROM outbox WHERE id IN (
    SELECT id FROM (SELECT id, sent_at FROM outbox ORDER BY id LIMIT $2) AS oldest
    WHERE sent_at < now() - make_interval(secs => $1::float8)
)
"""

#: KEYS: the leader's token. ARGV: our token, the time in ms to remember a message, the streams' length; then for each
#: message the key under which it is remembered, its stream, the number of its fields and values, and these.
#: Gives for each message 1 (added), 0 (was there) or the error; after an error its stream gets no more, to keep its order.
_SEND: Final = Script("""
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return redis.error_reply('FENCED another instance relays') end
local results, failed, at = {}, {}, 4
while at <= #ARGV do
  local key, stream, count = ARGV[at], ARGV[at + 1], tonumber(ARGV[at + 2])
  local result = failed[stream]
  if not result then
    if redis.call('EXISTS', key) == 1 then
      result = 0
    else
      local reply = redis.pcall('XADD', stream, 'MAXLEN', '~', ARGV[3], '*', unpack(ARGV, at + 3, at + 2 + count))
      if type(reply) == 'table' and reply.err then
        result = reply.err
        failed[stream] = result
      else
        redis.call('SET', key, reply, 'PX', ARGV[2])
        result = 1
      end
    end
  end
  results[#results + 1] = result
  at = at + 3 + count
end
return results
""")


@dataclass(frozen=True, slots=True)
class Message:
    """One message for a stream.

    ``key`` identifies it within its stream: the same key is not sent twice (while the table remembers it, see Relay's
    ``retention_s``). None makes it unlike any other.
    """

    stream: str
    fields: Mapping[str, str | bytes]
    key: str | None = None


async def put(
    connection: Connection, stream: str, fields: Mapping[str, str | bytes], *, key: str | None = None
) -> None:
    """Put one message into the caller's transaction; see :class:`Message`. Raises what the connection raises."""
    await put_all(connection, [Message(stream, fields, key)])


async def put_all(connection: Connection, messages: Sequence[Message]) -> None:
    """Put messages into the caller's transaction in one statement, in their order. Raises what the connection raises."""
    if not messages:
        return
    await connection.execute(
        _PUT,
        [message.stream for message in messages],
        [message.key if message.key is not None else str(uuid.uuid4()) for message in messages],
        [_encode(message.fields) for message in messages],
    )


def _encode(fields: Mapping[str, str | bytes]) -> str:
    """Give the fields as JSON that a person can read; what is not UTF-8 text is {"base64": ...}."""
    if not 0 < len(fields) <= FIELDS_MOST:
        raise ValueError(f"a message has 1 to {FIELDS_MOST} fields, not {len(fields)}")
    return msgspec.json.encode({name: _text(value) for name, value in fields.items()}).decode()


def _text(value: str | bytes) -> str | dict[str, str]:
    if isinstance(value, str):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(value).decode()}


def decode(fields: str) -> list[str | bytes]:
    """Give a message's fields as they were put: name, value, name, value."""
    decoded: dict[str, str | dict[str, str]] = msgspec.json.decode(fields)
    flat: list[str | bytes] = []
    for name, value in decoded.items():
        flat += (name, value if isinstance(value, str) else base64.b64decode(value["base64"]))
    return flat


class _Fenced(Exception):
    """Another instance relays, or Redis has forgotten that we do."""


class Relay:
    """Moves committed messages to their streams: ``context.task(relay.run(), name="outbox")``.

    Effectively once: a message that is added to its stream is remembered in Redis in the same step, until the row is marked as
    sent; so neither a crash between the two nor an answer that was lost doubles it. The messages of one stream keep
    their order. One of the service's instances relays, the others wait for its lock, which PostgreSQL gives on as soon as its
    holder's connection ends. While Redis is away, messages wait in the table.

    Metrics: ``outbox_pending`` (of the relaying instance, 0 elsewhere) and ``outbox_published_total{stream}``.
    """

    def __init__(
        self,
        database: Database,
        redis: Redis,
        *,
        service: str,
        metrics: Registry,
        batch: int = 256,
        poll_s: float = 5.0,
        retention_s: float = 3600.0,
        maxlen: int = 100_000,
        remember_ms: int = 24 * 3600 * 1000,
    ) -> None:
        """``service`` names the service's keys in Redis: ``outbox:<service>:...``, the same for all of its instances.

        ``batch`` messages are moved at a time. ``poll_s`` seconds after the last look the table is looked at again, should a
        wake-up have been lost. Sent rows stay for ``retention_s`` seconds, and their keys with them. Streams are trimmed to
        about ``maxlen`` entries. A message that was added and could not be marked as sent is remembered for ``remember_ms``.
        """
        self._database = database
        self._redis = redis
        self._prefix = f"outbox:{service}"
        self._batch = batch
        self._poll_s = poll_s
        self._retention_s = retention_s
        self._maxlen = maxlen
        self._remember_ms = remember_ms
        self._published = metrics.counter(
            "outbox_published_total", "Messages moved from the outbox to their streams", ("stream",)
        )
        self._pending = metrics.gauge("outbox_pending", "Messages in the outbox that wait to be moved")
        self._wake = asyncio.Event()
        self._leading = False
        self._failure: str | None = None
        self._due = 0.0
        self._drains: list[asyncio.Future[None]] = []
        #: Streams that do not take messages, and when to try again.
        self._refusing: dict[str, float] = {}

    async def run(self) -> None:
        """Relay until cancelled. Outages are waited out with growing pauses; the clients' watchers report them."""
        pause = Pause()
        while True:
            try:
                async with self._database.session(self._settings()) as connection:
                    await self._take_turn(connection)
                    pause.reset()
                    await self._lead(connection)
            except _Fenced:
                _log.info("outbox_fenced")
            except Unavailable:
                pass  # said already, by the client's watcher
            finally:
                self._leading = False
            self._pending.set(0)
            await pause.wait()

    async def drain(self, seconds: float) -> None:
        """Wait until what is committed by now has left, for ``seconds`` at most; what has not will leave later.

        ``context.on_drain(relay.drain, last=True)``: after the handlers, which may put messages until their end.
        """
        if not self._leading:
            return
        done = asyncio.get_running_loop().create_future()
        self._drains.append(done)
        self._wake.set()
        try:
            async with asyncio.timeout(seconds):
                await done
        except TimeoutError:
            _log.info("outbox_drain_cut", pending=self._pending.value())

    def _settings(self) -> dict[str, str]:
        """Give the settings of the connection that holds the lock: a machine that vanished must not keep it."""
        return {
            "application_name": f"{self._database.name}-outbox",
            "statement_timeout": str(int(_TURN_S * 1000)),
            "tcp_keepalives_idle": "5",
            "tcp_keepalives_interval": "2",
            "tcp_keepalives_count": "3",
            # Nor must a process that hangs.
            "idle_session_timeout": str(int(self._poll_s * 3000) + 10_000),
        }

    async def _take_turn(self, connection: Connection) -> None:
        """Wait until no other instance relays."""
        while True:
            try:
                await connection.execute("SELECT pg_advisory_lock($1)", LOCK, timeout=2 * _TURN_S)
            except DatabaseUnavailable:
                if connection.is_closed():
                    raise
                # It was the server that ended the statement; that it did shows that it is still there.
            else:
                return

    async def _lead(self, connection: Connection) -> None:
        """Relay until the database fails or another instance takes over."""
        await connection.add_listener(CHANNEL, self._notified)
        connection.add_termination_listener(self._notified)
        token: str | None = None
        self._leading = True
        pause = Pause()
        while True:
            self._wake.clear()
            try:
                if token is None:
                    token = await self._announce()
                await self._move_all(connection, token)
                pause.reset()
                failure = None
            except RedisReplyError as error:
                if error.code == "FENCED":
                    raise _Fenced from None
                failure = str(error)
            except RedisUnavailable:
                failure = ""  # said already, by the client's watcher
            if failure and failure != self._failure:
                _log.error("outbox_failed", reason=failure)
            self._failure = failure
            await self._keep_house(connection)
            if failure is None:
                await self._wait()
            else:
                await pause.wait()

    async def _announce(self) -> str:
        """Tell Redis that we are the one who relays: from now on it takes nothing from another, even one that wakes up late."""
        token = uuid.uuid4().hex
        await self._redis.execute("SET", f"{self._prefix}:leader", token)
        _log.info("outbox_leading")
        return token

    def _notified(self, *_: object) -> None:
        self._wake.set()

    async def _wait(self) -> None:
        """Wait for a commit, but not longer than until something is due."""
        due = min([self._poll_s, *(at - _now() for at in self._refusing.values())])
        with suppress(TimeoutError):
            async with asyncio.timeout(max(due, 0)):
                await self._wake.wait()

    async def _keep_house(self, connection: Connection) -> None:
        """Now and then, count what waits and forget what was sent long ago."""
        if _now() < self._due:
            return
        self._due = _now() + min(self._poll_s, 1.0)
        self._pending.set(await connection.fetchval(_PENDING))
        while (
            int((await connection.execute(_PRUNE, self._retention_s, PRUNE_BATCH)).split()[-1]) == PRUNE_BATCH
        ):
            pass

    async def _move_all(self, connection: Connection, token: str) -> None:
        """Move everything that is there."""
        while True:
            drains, self._drains = self._drains, []
            refused = [stream for stream, at in self._refusing.items() if at > _now()]
            rows = await connection.fetch(_UNSENT, refused, self._batch)
            if len(rows) < self._batch and not refused:
                self._pending.set(len(rows))
            self._drains += drains
            if not rows:
                for done in drains:
                    self._drains.remove(done)
                    if not done.done():
                        done.set_result(None)
                return
            for part in _parts(rows):
                await self._move(connection, token, part)

    async def _move(self, connection: Connection, token: str, rows: Sequence[Record]) -> None:
        keys = [f"{self._prefix}:{row['stream']}:{row['key']}" for row in rows]
        arguments: list[Argument] = [token, self._remember_ms, self._maxlen]
        for key, row in zip(keys, rows, strict=True):
            fields = decode(row["fields"])
            arguments += (key, row["stream"], len(fields), *fields)
        results = await self._redis.run(_SEND, [f"{self._prefix}:leader"], arguments)
        sent: list[tuple[str, str]] = []
        for key, row, result in zip(keys, rows, results, strict=True):
            stream: str = row["stream"]
            if isinstance(result, int):
                sent.append((str(row["id"]), key))
                self._published.inc(stream)
                if self._refusing.pop(stream, None) is not None:
                    _log.info("outbox_stream_accepted", stream=stream)
                continue
            reason = result.decode(errors="backslashreplace")
            if is_outage(reason):
                raise RedisUnavailable(reason)
            if stream not in self._refusing:
                _log.error("outbox_stream_refused", stream=stream, reason=reason)
            self._refusing[stream] = _now() + BACKOFF_MOST_S
        if sent:
            await connection.execute(_SENT, [row_id for row_id, _ in sent])
            await self._redis.execute("UNLINK", *(key for _, key in sent))


def _now() -> float:
    return asyncio.get_running_loop().time()


def _parts(rows: Sequence[Record]) -> Iterator[Sequence[Record]]:
    """Split rows so that no part has more than CALL_BYTES, unless it is one row."""
    start, size = 0, 0
    for end, row in enumerate(rows):
        length = len(row["fields"])
        if size + length > CALL_BYTES and end > start:
            yield rows[start:end]
            start, size = end, 0
        size += length
    yield rows[start:]
