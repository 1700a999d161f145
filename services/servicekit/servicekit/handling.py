"""How the entries of a stream reach a handler: one after another, many at once, or many together.

In each way an outage (failures.Unavailable) is waited out and the entry is handled again; what raises Reject, or anything
unforeseen ATTEMPTS times, is set aside; and the next one comes.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from servicekit import logs
from servicekit.failures import Pause, Unavailable

#: How often an entry whose handling raised something unforeseen is given to the handler.
ATTEMPTS: Final = 3
#: Why such an entry is set aside.
HANDLER_FAILED: Final = "handler_failed"

_log = logs.get("servicekit.streams")


class Reject(Exception):
    """Raised by a handler: this entry can never be handled. It is set aside with the reason, and the next one comes."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a stream."""

    id: str
    fields: dict[str, bytes]


Handler = Callable[[Entry], Awaitable[None]]
#: Handles entries together, in their order, and gives the reasons of those that can never be handled, by their ids.
BatchHandler = Callable[[Sequence[Entry]], Awaitable[Mapping[str, str]]]


class Book(Protocol):
    """Where a handling writes what became of entries."""

    stream: str

    def handled(self, entry_id: str) -> None:
        """Note that it needs not come again."""

    async def set_aside(self, entry: Entry, reason: str) -> None:
        """Put it into the stream of what could not be handled. Raises Unavailable."""

    async def settle(self) -> None:
        """Tell the server what was handled, now if it answers, else later."""


class Handling(Protocol):
    """A way to handle entries."""

    async def take(self, entries: Sequence[Entry]) -> None:
        """Handle them, or at least begin to; returns when there is room for more."""

    def stop(self) -> None:
        """Begin nothing more; what is being handled goes on."""

    async def finish(self) -> None:
        """Wait for what is being handled."""

    async def cut(self) -> None:
        """Cancel what is being handled."""


class InOrder:
    """One entry after another, in the stream's order."""

    def __init__(self, handler: Handler, book: Book) -> None:
        self._handler = handler
        self._book = book
        self._stopping = False

    async def take(self, entries: Sequence[Entry]) -> None:
        """Handle them all."""
        for entry in entries:
            if self._stopping or not await self._handle(entry):
                return

    async def _handle(self, entry: Entry) -> bool:
        """Handle one; False if it was given up because of the end."""
        pause, attempts = Pause(), 0
        while True:
            try:
                await self._attempt(entry, attempts + 1)
            except Unavailable:
                pass  # said already, by the client's watcher
            except _Failed:
                attempts += 1
            else:
                self._book.handled(entry.id)
                return True
            # What was handled before should not come again if we die while waiting.
            await self._book.settle()
            await pause.wait()
            if self._stopping:
                return False

    async def _attempt(self, entry: Entry, attempt: int) -> None:
        try:
            await self._handler(entry)
        except Reject as rejection:
            await self._book.set_aside(entry, str(rejection))
        except Unavailable:
            raise
        except Exception:  # noqa: BLE001 - a bug must not stop the stream, and must be seen
            _log.exception(
                "stream_handler_failed", stream=self._book.stream, entry_id=entry.id, attempt=attempt
            )
            if attempt < ATTEMPTS:
                raise _Failed from None
            await self._book.set_aside(entry, HANDLER_FAILED)

    def stop(self) -> None:
        """Handle the present entry to its end, and no other."""
        self._stopping = True

    async def finish(self) -> None:
        """Nothing to wait for: `take` has."""

    async def cut(self) -> None:
        """Nothing to cancel: who awaits `take` is."""


class AtOnce(InOrder):
    """As many entries at once as allowed; those with the same key one after another, in the stream's order."""

    def __init__(
        self, handler: Handler, book: Book, *, key: Callable[[Entry], str], concurrency: int, room: int
    ) -> None:
        """``room`` entries are held at most, the waiting ones included."""
        super().__init__(handler, book)
        self._key = key
        self._room = room
        self._running = asyncio.Semaphore(concurrency)
        self._lanes: dict[str, deque[Entry]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._held = 0
        self._changed = asyncio.Event()

    async def take(self, entries: Sequence[Entry]) -> None:
        """Begin with them, and wait until there is room for one more."""
        for entry in entries:
            self._held += 1
            key = self._key_of(entry)
            lane = self._lanes.get(key)
            if lane is not None:
                lane.append(entry)
                continue
            self._lanes[key] = deque([entry])
            task = asyncio.create_task(self._run(key), name=f"{self._book.stream}:{key}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        while self._held >= self._room and not self._stopping:
            self._changed.clear()
            await self._changed.wait()

    def _key_of(self, entry: Entry) -> str:
        try:
            return self._key(entry)
        except Exception:  # noqa: BLE001 - an entry that is malformed has no key; the handler will say so
            return f"\0{entry.id}"

    async def _run(self, key: str) -> None:
        lane = self._lanes[key]
        while lane and not self._stopping:
            async with self._running:
                if not self._stopping:
                    await self._handle(lane[0])
            lane.popleft()
            self._held -= 1
            self._changed.set()
            await self._book.settle()
        del self._lanes[key]

    def stop(self) -> None:
        """Handle the present entries to their end, and no others."""
        super().stop()
        self._changed.set()

    async def finish(self) -> None:
        """Wait for the present entries."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def cut(self) -> None:
        """Cancel the present entries."""
        for task in self._tasks:
            task.cancel()
        await self.finish()


class Together(InOrder):
    """All the entries that were read, by one call of the handler."""

    def __init__(self, handler: BatchHandler, book: Book) -> None:
        super().__init__(self._alone, book)
        self._together = handler

    async def _alone(self, entry: Entry) -> None:
        reason = (await self._together([entry])).get(entry.id)
        if reason is not None:
            raise Reject(reason)

    async def take(self, entries: Sequence[Entry]) -> None:
        """Handle them all; if that fails, one after another, so that only the one that is to blame is set aside."""
        pause = Pause()
        while not self._stopping:
            try:
                reasons = await self._together(entries)
            except Unavailable:
                await pause.wait()  # said already, by the client's watcher
                continue
            except Exception:  # noqa: BLE001 - as for a single one
                _log.exception("stream_batch_failed", stream=self._book.stream, entries=len(entries))
                await super().take(entries)
                return
            for entry in entries:
                await self._note(entry, reasons.get(entry.id))
            return

    async def _note(self, entry: Entry, reason: str | None) -> None:
        pause = Pause()
        while reason is not None:
            try:
                await self._book.set_aside(entry, reason)
            except Unavailable:
                if self._stopping:
                    return
                await pause.wait()
            else:
                break
        self._book.handled(entry.id)


class _Failed(Exception):
    pass
