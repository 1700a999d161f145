"""Consumer groups on Redis streams."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from servicekit import logs
from servicekit.redis import Redis, RedisError, RedisReplyError, Reply, Script

BACKOFF_FIRST_S: Final = 0.05
BACKOFF_MOST_S: Final = 1.0
#: How often an entry whose handling raised something unforeseen is given to the handler.
ATTEMPTS: Final = 3
REJECTED_MAXLEN: Final = 10_000

_log = logs.get("servicekit.streams")


class Reject(Exception):
    """Raised by a handler: this entry can never be handled. It is set aside with the reason, and the next one comes."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a stream."""

    id: str
    fields: dict[str, bytes]


Handler = Callable[[Entry], Awaitable[None]]

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
    """Reads a stream through a consumer group of its own, for ever.

    Delivery is at least once: what was delivered and not handled comes again after a lost connection or a restart under
    the same names. A group that the server has lost is made again where this one had got to, so that nothing that came
    meanwhile is missed. An entry whose handler raises :class:`Reject`, or anything unforeseen three times, is set aside.
    """

    def __init__(
        self,
        redis: Redis,
        *,
        stream: str,
        group: str,
        consumer: str,
        handler: Handler,
        rejected: str | None = None,
        start: str = "$",
        batch: int = 128,
        block_ms: int = 5000,
        on_lost: Callable[[], None] | None = None,
    ) -> None:
        """``start`` is where a new group begins: ``$`` for what comes from now on, ``0`` for everything.

        ``rejected`` names the stream for entries that were set aside: their fields, each name prefixed by ``entry:``, with
        ``entry_id`` and ``reason``. Without one they are only logged. ``on_lost`` is called when the server has lost the
        group: what else it kept may be lost as well, without any connection having broken.
        """
        self.stream = stream
        self.group = group
        self._redis = redis
        self._consumer = consumer
        self._handler = handler
        self._rejected = rejected
        self._start = start
        self._batch = batch
        self._block_ms = block_ms
        self._on_lost = on_lost
        self._position: str | None = None
        self._attempts: dict[str, int] = {}

    async def prepare(self) -> None:
        """Make the group if it is not there. Raises RedisUnavailable or RedisReplyError."""
        last = await self._last_id()
        if self._position is None:
            self._position = last if self._start == "$" else self._start
        elif _order(last) < _order(self._position):
            # The stream is another one than we had read: all of it is new.
            self._position = "0"
        try:
            await self._redis.execute("XGROUP", "CREATE", self.stream, self.group, self._position, "MKSTREAM")
        except RedisReplyError as error:
            if error.code != "BUSYGROUP":
                raise

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

    async def run(self) -> None:
        """Read until cancelled. Outages are waited out with growing pauses; they are reported by the client's watcher."""
        pause = BACKOFF_FIRST_S
        while True:
            try:
                async with self._redis.sibling(f"{self._consumer}:{self.stream}") as reader:
                    await self.prepare()
                    await self._read_pending(reader)
                    pause = BACKOFF_FIRST_S
                    while True:
                        await self._read_new(reader)
            except RedisReplyError as error:
                if error.code not in {"NOGROUP", "UNBLOCKED"}:
                    _log.error("stream_read_failed", stream=self.stream, group=self.group, reason=str(error))
                else:
                    _log.info("stream_group_lost", stream=self.stream, group=self.group)
                    if self._on_lost is not None:
                        self._on_lost()
            except (RedisError, _HandlerFailed):
                pass  # said already: by the client's watcher, or where the handler failed
            # Spread, so that the instances of a service do not all come back in the same instant.
            await asyncio.sleep(pause * (0.5 + os.urandom(1)[0] / 255))
            pause = min(pause * 2, BACKOFF_MOST_S)

    async def _read_pending(self, reader: Redis) -> None:
        """Handle what was delivered to us before and is not acknowledged."""
        while True:
            entries = await self._fetch(reader, "0")
            if not entries:
                return
            await self._handle(entries)

    async def _read_new(self, reader: Redis) -> None:
        """Wait for new entries, at most the blocking time, and handle them."""
        await self._handle(await self._fetch(reader, ">"))

    async def _fetch(self, reader: Redis, position: str) -> Sequence[tuple[bytes, list[bytes] | None]]:
        block = ("BLOCK", self._block_ms) if position == ">" else ()
        reply: Reply = await reader.execute(
            "XREADGROUP", "GROUP", self.group, self._consumer, "COUNT", self._batch, *block,
            "STREAMS", self.stream, position,
            timeout=self._block_ms / 1000 + 1.0 if block else None,
        )  # fmt: skip
        entries: Sequence[tuple[bytes, list[bytes] | None]] = reply[0][1] if reply else []
        return entries

    async def _handle(self, entries: Sequence[tuple[bytes, list[bytes] | None]]) -> None:
        done: list[str] = []
        try:
            for raw_id, raw_fields in entries:
                entry_id = raw_id.decode()
                if raw_fields is not None:  # None: trimmed from the stream while it was pending
                    names = (name.decode(errors="backslashreplace") for name in raw_fields[::2])
                    await self._handle_one(Entry(entry_id, dict(zip(names, raw_fields[1::2], strict=True))))
                done.append(entry_id)
                if self._position is None or _order(self._position) < _order(entry_id):
                    self._position = entry_id
        finally:
            if done:
                await self._redis.execute("XACK", self.stream, self.group, *done)

    async def _handle_one(self, entry: Entry) -> None:
        try:
            await self._handler(entry)
        except Reject as rejection:
            await self._set_aside(entry, str(rejection))
        except RedisError:
            raise
        except Exception:  # noqa: BLE001 - a bug must not stop the stream, and must be seen
            attempts = self._attempts.get(entry.id, 0) + 1
            _log.exception("stream_handler_failed", stream=self.stream, entry_id=entry.id, attempt=attempts)
            if attempts < ATTEMPTS:
                self._attempts[entry.id] = attempts
                raise _HandlerFailed from None
            await self._set_aside(entry, "handler_failed")
        self._attempts.pop(entry.id, None)

    async def _set_aside(self, entry: Entry, reason: str) -> None:
        _log.warning("stream_entry_rejected", stream=self.stream, entry_id=entry.id, reason=reason)
        if self._rejected is not None:
            fields = [part for name, value in entry.fields.items() for part in (f"entry:{name}", value)]
            await self._redis.execute(
                "XADD", self._rejected, "MAXLEN", "~", REJECTED_MAXLEN, "*",
                "entry_id", entry.id, "reason", reason, *fields,
            )  # fmt: skip


class _HandlerFailed(Exception):
    pass


def _order(entry_id: str) -> tuple[int, int]:
    milliseconds, _, sequence = entry_id.partition("-")
    return int(milliseconds), int(sequence or 0)
