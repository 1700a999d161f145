"""Entries for other services' streams, each written once however often it is tried."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from servicekit.redis import Argument, Redis, RedisReplyError, RedisUnavailable, Script, is_outage

from notification.batches import batches
from notification.routes import Delivered, Failed, Postponed, Result

KEY_PREFIX: Final = "notification:published:"
"""Keys that remember what was written; they expire."""

BATCH: Final = 256
"""Entries written by one script: about a millisecond of the server's time."""

# The mark and the entry are one step, so that neither a crash between them nor a second instance doubles the entry. An entry
# that the server refuses leaves no mark; an error of SET (no memory, read-only) fails the whole call, as an outage does.
_PUBLISH: Final = Script("""
local outcomes = {}
local at = 3
for i = 2, #KEYS do
  local count = tonumber(ARGV[at])
  if redis.call('SET', KEYS[i], '1', 'NX', 'PX', ARGV[2]) then
    local added = redis.pcall('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', unpack(ARGV, at + 1, at + count))
    if type(added) == 'table' and added.err then
      redis.call('DEL', KEYS[i])
      outcomes[#outcomes + 1] = added.err
    else
      outcomes[#outcomes + 1] = ''
    end
  else
    outcomes[#outcomes + 1] = ''
  end
  at = at + count + 1
end
return outcomes
""")


@dataclass(frozen=True, slots=True)
class Message:
    """One entry. Of two with the same delivery_id, only the first is written."""

    delivery_id: str
    fields: Mapping[str, str]


class Publisher:
    """Writes to one stream."""

    def __init__(self, redis: Redis, stream: str, *, max_length: int, remember_ms: int) -> None:
        """The stream is trimmed to about `max_length` entries; a delivery_id is remembered for `remember_ms`."""
        self._redis = redis
        self._stream = stream
        self._max_length = max_length
        self._remember_ms = remember_ms

    async def publish(self, messages: Sequence[Message]) -> list[str]:
        """Writes them in their order; gives for each why the server refused it, "" when it did not.

        Raises RedisUnavailable and RedisReplyError; whether all are written is then unknown, and repeating it is safe.
        """
        outcomes: list[str] = []
        for part in batches(messages, BATCH):
            keys: list[Argument] = [self._stream, *(KEY_PREFIX + message.delivery_id for message in part)]
            arguments: list[Argument] = [self._max_length, self._remember_ms]
            for message in part:
                flat = [text for pair in message.fields.items() for text in pair]
                arguments += [len(flat), *flat]
            replies: list[bytes] = await self._redis.run(_PUBLISH, keys, arguments)
            outcomes += [reply.decode(errors="replace") for reply in replies]
        return outcomes


async def published(publisher: Publisher, messages: Sequence[tuple[Message, Delivered]]) -> list[Result]:
    """Publish; gives for each message what it comes with, or why it is not in the stream."""
    try:
        refusals = await publisher.publish([message for message, _ in messages])
    except RedisUnavailable as error:
        return [Postponed(str(error)) for _ in messages]
    except RedisReplyError as error:
        return [Failed("publish_refused", str(error)) for _ in messages]
    return [_judged(refusal, delivered) for refusal, (_, delivered) in zip(refusals, messages, strict=True)]


def _judged(refusal: str, delivered: Delivered) -> Result:
    if not refusal:
        return delivered
    return Postponed(refusal) if is_outage(refusal) else Failed("publish_refused", refusal)
