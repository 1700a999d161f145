"""Any published stream of one Redis: read and written with every entry held to its schemas."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

import redis

from contracts.coverage import Cell, exercised
from contracts.streams import outcomes, recording, schema
from seatrial import until

CONTRACT: Final = "redis"


@dataclass(frozen=True, slots=True)
class Entry:
    """One stream entry."""

    id: str
    fields: Mapping[str, str]

    def __getitem__(self, name: str) -> str:
        return self.fields[name]


def cells(*keys: str) -> frozenset[Cell]:
    """Every kind of entry that the contracts know of these streams."""
    return frozenset(Cell(CONTRACT, key, outcome) for key in keys for outcome in outcomes.known(key))


class StreamLog:
    """The streams in the Redis behind `client`, a redis-py client."""

    def __init__(self, client: Any) -> None:
        self.redis = client
        self._held: set[tuple[str, str]] = set()
        """Entries, by stream and id, that were held to their schemas already."""
        self._unchecked: set[tuple[str, str]] = set()

    @staticmethod
    def now_ms() -> str:
        """The time now, as the streams' fields have it."""
        return str(time.time_ns() // 1_000_000)

    def entries(self, stream: str) -> list[Entry]:
        """Every entry so far, oldest first; raises ContractError for one that breaks a published schema."""
        # Not decoded by the client: what was set aside may hold any bytes.
        found = self.redis.execute_command("XRANGE", stream, "-", "+", NEVER_DECODE=True)
        entries = [Entry(key.decode(), recording.texts(fields)) for key, fields in found]
        for entry in entries:
            recording.tell(stream, entry.id, entry.fields)
            self._hold(stream, entry)
        return entries

    def audit(self) -> None:
        """Holds every entry that the published streams still have to its schemas, and notes its outcome.

        What no test looks at is held to the contracts too. Entries of `publish_unchecked` are left out, and so is a key that
        a test has put something else into. Nothing is held where the test has taken the whole Redis away.
        Raises ContractError, for the first entry that breaks a schema.
        """
        streams = schema.streams()
        asked = self.redis.pipeline(transaction=False)
        for stream in streams:
            asked.execute_command("XRANGE", stream, "-", "+", NEVER_DECODE=True)
        try:
            answers = asked.execute(raise_on_error=False)
        except redis.ConnectionError:
            return
        for stream, answer in zip(streams, answers, strict=True):
            if isinstance(answer, redis.ResponseError) and str(answer).startswith("WRONGTYPE"):
                continue
            if isinstance(answer, Exception):
                raise answer
            for key, fields in answer:
                if (stream, key.decode()) not in self._unchecked:
                    self._hold(stream, Entry(key.decode(), recording.texts(fields)))

    def _hold(self, stream: str, entry: Entry) -> None:
        if (stream, entry.id) in self._held:
            return
        schema.check(stream, entry.fields)
        note(stream, entry.fields)
        self._held.add((stream, entry.id))

    def wait_for(
        self, stream: str, what: str, matching: Callable[[Entry], bool], *, timeout: float = 5.0
    ) -> Entry:
        """The first entry that matches, once it is there; `what` says in a failure what was awaited."""

        def first() -> Entry | None:
            return next(filter(matching, self.entries(stream)), None)

        entry = until(f"{what} on {stream}", first, timeout)
        if entry is None:  # `until` returns true values only; this tells the type checker
            raise AssertionError
        return entry

    def publish(self, stream: str, fields: Mapping[str, str]) -> str:
        """Writes an entry as its writer may; returns the entry's id. Raises ContractError for one that no writer may write."""
        schema.check(stream, fields)
        note(stream, fields)
        return self.publish_unchecked(stream, fields)

    def publish_unchecked(self, stream: str, fields: Mapping[str, str | bytes]) -> str:
        """Writes any entry, a malformed one too; returns the entry's id."""
        entry_id = cast(str, self.redis.xadd(stream, dict(fields)))
        self._unchecked.add((stream, entry_id))
        recording.tell(stream, entry_id, fields, by="test", now=True)
        return entry_id

    def groups(self, stream: str) -> set[str]:
        """The consumer groups of a stream; none while the stream does not exist."""
        if not self.redis.exists(stream):
            return set()
        return {group["name"] for group in self.redis.xinfo_groups(stream)}

    def pending(self, stream: str, group: str | None = None) -> int:
        """Entries that some group of a stream, or the one of that name, was not given yet or has not acknowledged."""
        if not self.redis.exists(stream):
            return 0
        return sum(
            int(each["lag"] or 0) + int(each["pending"])
            for each in self.redis.xinfo_groups(stream)
            if group in (None, each["name"])
        )

    def wait_handled(self, stream: str, group: str, *, timeout: float = 5.0) -> None:
        """Waits until a group has acknowledged everything."""
        until(
            f"{group} to have handled all of {stream}",
            lambda: group in self.groups(stream) and self.pending(stream, group) == 0,
            timeout,
        )


def note(stream: str, fields: Mapping[str, str]) -> None:
    """Notes for the coverage of contracts that such an entry was there."""
    outcome = outcomes.of(stream, fields)
    if outcome is not None:
        exercised(Cell(CONTRACT, stream, outcome))
