"""The push hub: which streams are open on this instance, what each still has to send, and why one ends."""

import asyncio
from collections import deque
from collections.abc import Iterator
from typing import Final

BUFFERED_EVENTS: Final = 256
"""Events a subscriber may have waiting before it is cut off."""


class Subscription:
    """One open stream: its own queue of encoded events, and the code that ends it.

    Everything here runs in the event loop's thread; nothing but `next` waits, so a slow reader delays nobody.
    """

    def __init__(self, user_id: str, device_session_id: str, capacity: int) -> None:
        self.user_id = user_id
        self.device_session_id = device_session_id
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._capacity = capacity
        self._waiting: deque[bytes] = deque()
        self._arrival = asyncio.Event()

    def put(self, event: bytes) -> None:
        """Adds an encoded event; one more than the queue holds ends the stream with `slow_consumer`."""
        if self.ended.done():
            return
        if len(self._waiting) >= self._capacity:
            self.end("slow_consumer")
            return
        self._waiting.append(event)
        self._arrival.set()

    async def next(self) -> bytes:
        """The oldest event that has not been taken, waiting for one."""
        while not self._waiting:
            self._arrival.clear()
            await self._arrival.wait()
        return self._waiting.popleft()

    def end(self, code: str) -> None:
        """Ends the stream with `code`; what it still had to send is dropped. The first end counts."""
        if not self.ended.done():
            self.ended.set_result(code)
            self._waiting.clear()


class Hub:
    """The open streams of this instance, by user and by session."""

    def __init__(self, capacity: int = BUFFERED_EVENTS) -> None:
        self._capacity = capacity
        self._by_user: dict[str, set[Subscription]] = {}
        self._by_session: dict[str, set[Subscription]] = {}
        self._closed_with: str | None = None

    def __len__(self) -> int:
        return sum(len(streams) for streams in self._by_session.values())

    def register(self, user_id: str, device_session_id: str) -> Subscription:
        """A new stream, reached by events from now on. On a closed hub it has ended already."""
        subscription = Subscription(user_id, device_session_id, self._capacity)
        if self._closed_with is not None:
            subscription.end(self._closed_with)
            return subscription
        self._by_user.setdefault(user_id, set()).add(subscription)
        self._by_session.setdefault(device_session_id, set()).add(subscription)
        return subscription

    def unregister(self, subscription: Subscription) -> None:
        """Forgets a stream that is over; a second time does nothing."""
        for index, key in (
            (self._by_user, subscription.user_id),
            (self._by_session, subscription.device_session_id),
        ):
            streams = index.get(key, set())
            streams.discard(subscription)
            if not streams:
                index.pop(key, None)

    def subscribers(self, user_id: str, device_session_id: str | None = None) -> list[Subscription]:
        """The streams of a user, or of one session of that user."""
        return [
            stream
            for stream in self._by_user.get(user_id, ())
            if device_session_id is None or stream.device_session_id == device_session_id
        ]

    def sessions(self) -> list[str]:
        """The sessions that have a stream open."""
        return list(self._by_session)

    def end_session(self, device_session_id: str, code: str) -> None:
        """Ends the streams of one session."""
        for stream in tuple(self._by_session.get(device_session_id, ())):
            stream.end(code)

    def close(self, code: str) -> None:
        """Ends every stream, and every later one at once."""
        self._closed_with = code
        for stream in tuple(self._streams()):
            stream.end(code)

    def _streams(self) -> Iterator[Subscription]:
        for streams in self._by_session.values():
            yield from streams
