"""Consumer groups on Redis streams."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from servicekit import logs
from servicekit.failures import Pause
from servicekit.handling import (
    ATTEMPTS,
    AtOnce,
    BatchHandler,
    Entry,
    Handler,
    Handling,
    InOrder,
    Reject,
    Together,
)
from servicekit.redis import Redis, RedisError, RedisReplyError, Reply, Script

__all__ = ["ATTEMPTS", "BatchHandler", "Consumer", "Entry", "Handler", "Reject", "remove_idle_groups"]

REJECTED_MAXLEN: Final = 10_000

RawEntry = tuple[bytes, list[bytes] | None]

_log = logs.get("servicekit.streams")

#: Make entries that we hold look fresh, unless another consumer has claimed them meanwhile.
_HOLD: Final = Script("""
for i = 3, #ARGV do
  local pending = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[i], ARGV[i], 1)
  if pending[1] and pending[1][2] == ARGV[2] then
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[i], 'JUSTID')
  end
end
""")

_REMOVE_IDLE: Final = Script("""
local removed = {}
for _, group in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  local name = group[2]
  if name ~= ARGV[2] and string.sub(name, 1, string.len(ARGV[1])) == ARGV[1] then
    local idle = true
    local consumers = redis.call('XINFO', 'CONSUMERS', KEYS[1], name)
    for _, consumer in ipairs(consumers) do
      for i = 1, #consumer, 2 do
        if consumer[i] == 'idle' and consumer[i + 1] < tonumber(ARGV[3]) then idle = false end
      end
    end
    if idle and #consumers > 0 then
      redis.call('XGROUP', 'DESTROY', KEYS[1], name)
      removed[#removed + 1] = name
    end
  end
end
return removed
""")


async def remove_idle_groups(redis: Redis, stream: str, *, prefix: str, keep: str, idle_ms: int) -> list[str]:
    """Remove the groups that begin with ``prefix`` and whose consumers have all been silent for ``idle_ms``.

    They are left by instances that died; a group without any consumer is one that is just being made, and stays like
    ``keep``. Gives the names of the removed groups. Raises RedisUnavailable or RedisReplyError.
    """
    try:
        removed: list[bytes] = await redis.run(_REMOVE_IDLE, [stream], [prefix, keep, idle_ms])
    except RedisReplyError as error:
        if "no such key" in str(error):
            return []
        raise
    return [name.decode() for name in removed]


class Consumer:
    """Reads a stream through a consumer group, for ever.

    Delivery is at least once: what was delivered and not handled comes again after a lost connection, or after a restart under
    the same names. A group that the server has lost is made again where this one had got to, so that nothing that came
    meanwhile is missed. An entry whose handler raises :class:`Reject`, or anything unforeseen three times, is set aside; while
    it raises failures.Unavailable (Redis, the database, another service is away) it is waited and tried again.

    Where several instances share a group, each is a ``consumer`` of its own, and ``claim_idle_ms`` makes them take over what
    one of them left unhandled when it died.
    """

    def __init__(  # noqa: PLR0913 - options by keyword, most with a default
        self,
        redis: Redis,
        *,
        stream: str,
        group: str,
        consumer: str,
        handler: Handler | None = None,
        batch_handler: BatchHandler | None = None,
        key: Callable[[Entry], str] | None = None,
        concurrency: int = 1,
        rejected: str | None = None,
        start: str = "$",
        batch: int = 128,
        block_ms: int = 5000,
        claim_idle_ms: int | None = None,
        on_lost: Callable[[], None] | None = None,
    ) -> None:
        """Exactly one of ``handler`` and ``batch_handler`` is given.

        ``handler`` gets one entry after another. With ``key``, entries are handled at once, ``concurrency`` at most; those with
        the same key keep their order (within this instance). ``batch_handler`` gets what was read, ``batch`` entries at most,
        and gives the reasons of those to set aside, by their ids; an unforeseen error makes it get them one by one.

        ``start`` is where a new group begins: ``$`` for what comes from now on, ``0`` for everything. ``rejected`` names the
        stream for entries that were set aside: their fields, each name prefixed by ``entry:``, with ``entry_id`` and ``reason``.
        Without one they are only logged. Entries that a consumer of the group has held for ``claim_idle_ms`` without a sign of
        life are taken from it; None: never. ``on_lost`` is called when the server has lost the group: what else it kept may
        be lost as well, without any connection having broken.
        """
        self.stream = stream
        self.group = group
        self._redis = redis
        self._consumer = consumer
        self._rejected = rejected
        self._start = start
        self._batch = batch
        self._block_ms = block_ms
        self._claim_idle_ms = claim_idle_ms
        self._on_lost = on_lost
        self._handling: Handling
        if batch_handler is not None and handler is None and key is None:
            self._handling = Together(batch_handler, self)
        elif handler is not None and batch_handler is None:
            self._handling = (
                InOrder(handler, self)
                if key is None
                else AtOnce(handler, self, key=key, concurrency=concurrency, room=batch)
            )
        else:
            raise ValueError("a consumer has a handler, which may have a key, or a batch_handler")
        self._position: str | None = None
        #: Delivered to us and not handled; handled and not acknowledged. Ids, in the order of their delivery.
        self._held: dict[str, None] = {}
        self._done: dict[str, None] = {}
        self._reader: Redis | None = None
        self._stopping = False
        self._stopped = asyncio.Event()
        self._stopped.set()

    async def prepare(self) -> None:
        """Make the group if it is not there. Raises RedisUnavailable or RedisReplyError."""
        last = await self._last_id()
        if self._position is None:
            self._position = last if self._start == "$" else self._start
        elif _order(last) < _order(self._position):
            # The stream is another one than we had read: all of it is new.
            self._position = "0"
        try:
            await self._redis.execute(
                "XGROUP", "CREATE", self.stream, self.group, self._beginning(), "MKSTREAM"
            )
        except RedisReplyError as error:
            if error.code != "BUSYGROUP":
                raise

    def _beginning(self) -> str:
        """Give the id after which nothing was handled: below what is held, should we die before it is handled."""
        position = self._position or "0"
        first = min(self._held, key=_order, default=None)
        if first is None or _order(position) < _order(first):
            return position
        milliseconds, sequence = _order(first)
        return f"{milliseconds}-{sequence - 1}" if sequence else f"{max(milliseconds - 1, 0)}"

    async def _last_id(self) -> str:
        try:
            info = await self._redis.execute("XINFO", "STREAM", self.stream)
        except RedisReplyError as error:
            if "no such key" in str(error):
                return "0-0"
            raise
        last: bytes = dict(zip(info[::2], info[1::2], strict=True))[b"last-generated-id"]
        return last.decode()

    async def destroy(self) -> None:
        """Remove the group. Raises RedisUnavailable or RedisReplyError."""
        await self._redis.execute("XGROUP", "DESTROY", self.stream, self.group)

    async def drain(self, seconds: float) -> None:
        """Take no more entries and wait for those that are being handled, for ``seconds`` at most: ``context.on_drain``."""
        self._stopping = True
        self._handling.stop()
        if self._reader is not None:
            await self._reader.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopped.wait()

    async def run(self) -> None:
        """Read until cancelled or drained. Outages are waited out; they are reported by the client's watcher."""
        self._stopped.clear()
        holding = asyncio.create_task(self._hold(), name=f"{self.stream}-hold")
        try:
            await self._run()
            await self._handling.finish()
            await self.settle()
        finally:
            holding.cancel()
            await self._handling.cut()
            self._stopped.set()

    async def _run(self) -> None:
        pause = Pause()
        while not self._stopping:
            try:
                async with self._redis.sibling(f"{self._consumer}:{self.stream}") as reader:
                    self._reader = reader
                    await self.prepare()
                    await self._read_pending(reader)
                    pause.reset()
                    await self._read_new(reader)
            except RedisReplyError as error:
                if error.code not in {"NOGROUP", "UNBLOCKED"}:
                    _log.error("stream_read_failed", stream=self.stream, group=self.group, reason=str(error))
                else:
                    _log.info("stream_group_lost", stream=self.stream, group=self.group)
                    if self._on_lost is not None:
                        self._on_lost()
            except RedisError:
                pass  # said already, by the client's watcher
            finally:
                self._reader = None
            if not self._stopping:
                await pause.wait()

    async def _read_pending(self, reader: Redis) -> None:
        """Handle what was delivered to us before and is not acknowledged."""
        position = "0"
        while not self._stopping and (entries := await self._fetch(reader, position, None)):
            await self._deliver(entries)
            position = entries[-1][0].decode()

    async def _read_new(self, reader: Redis) -> None:
        """Wait for new entries and handle them; now and then, claim what others left."""
        loop = asyncio.get_running_loop()
        claim_s = None if self._claim_idle_ms is None else self._claim_idle_ms / 2000
        due = loop.time()
        while not self._stopping:
            block_ms = self._block_ms
            if claim_s is not None:
                if loop.time() >= due:
                    await self._claim()
                    due = loop.time() + claim_s
                block_ms = min(block_ms, max(int((due - loop.time()) * 1000), 1))
            await self._deliver(await self._fetch(reader, ">", block_ms))

    async def _fetch(self, reader: Redis, position: str, block_ms: int | None) -> Sequence[RawEntry]:
        block = () if block_ms is None else ("BLOCK", block_ms)
        reply: Reply = await reader.execute(
            "XREADGROUP", "GROUP", self.group, self._consumer, "COUNT", self._batch, *block,
            "STREAMS", self.stream, position,
            timeout=None if block_ms is None else block_ms / 1000 + 1.0,
        )  # fmt: skip
        entries: Sequence[RawEntry] = reply[0][1] if reply else []
        return entries

    async def _claim(self) -> None:
        """Take over what consumers that show no sign of life hold, the oldest first."""
        cursor = b"0-0"
        while not self._stopping:
            reply: Reply = await self._redis.execute(
                "XAUTOCLAIM", self.stream, self.group, self._consumer, self._claim_idle_ms or 0, cursor,
                "COUNT", self._batch,
            )  # fmt: skip
            cursor, entries = reply[0], [raw for raw in reply[1] if raw is not None]
            if entries:
                _log.info("stream_entries_claimed", stream=self.stream, entries=len(entries))
                await self._deliver(entries)
            if cursor == b"0-0":
                return

    async def _hold(self) -> None:
        """Show others that we live and hold what we hold, however long its handling takes."""
        while self._claim_idle_ms is not None:
            await asyncio.sleep(self._claim_idle_ms / 3000)
            if self._held:
                with suppress(RedisError):  # the reader finds out as well, and says so
                    await self._redis.run(_HOLD, [self.stream], [self.group, self._consumer, *self._held])

    async def _deliver(self, raw: Sequence[RawEntry]) -> None:
        entries: list[Entry] = []
        for raw_id, raw_fields in raw:
            entry_id = raw_id.decode()
            if self._position is None or _order(self._position) < _order(entry_id):
                self._position = entry_id
            if raw_fields is None:  # trimmed from the stream while it was pending
                self._done[entry_id] = None
            elif entry_id not in self._held and entry_id not in self._done:
                names = (name.decode(errors="backslashreplace") for name in raw_fields[::2])
                entries.append(Entry(entry_id, dict(zip(names, raw_fields[1::2], strict=True))))
                self._held[entry_id] = None
        if entries:
            await self._handling.take(entries)
        await self._acknowledge()

    def handled(self, entry_id: str) -> None:
        """Note that an entry needs not come again."""
        self._held.pop(entry_id, None)
        self._done[entry_id] = None

    async def settle(self) -> None:
        """Acknowledge what was handled, now if Redis answers, else later."""
        with suppress(RedisError):
            await self._acknowledge()

    async def _acknowledge(self) -> None:
        if self._done:
            done = list(self._done)
            await self._redis.execute("XACK", self.stream, self.group, *done)
            for entry_id in done:
                self._done.pop(entry_id, None)

    async def set_aside(self, entry: Entry, reason: str) -> None:
        """Put an entry into the stream for those. Raises RedisUnavailable."""
        if self._rejected is not None:
            fields = [part for name, value in entry.fields.items() for part in (f"entry:{name}", value)]
            try:
                await self._redis.transaction([
                    (
                        "XADD", self._rejected, "MAXLEN", "~", REJECTED_MAXLEN, "*",
                        "entry_id", entry.id, "reason", reason, *fields,
                    ),
                    ("XACK", self.stream, self.group, entry.id),
                ])  # fmt: skip
            except RedisReplyError as error:
                _log.error("stream_set_aside_failed", stream=self._rejected, reason=str(error))
        _log.warning("stream_entry_rejected", stream=self.stream, entry_id=entry.id, reason=reason)


def _order(entry_id: str) -> tuple[int, int]:
    milliseconds, _, sequence = entry_id.partition("-")
    return int(milliseconds), int(sequence or 0)
