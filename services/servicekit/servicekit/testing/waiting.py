"""The only way for a test to wait for what has no event of its own."""

import asyncio
import inspect
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar, overload

T = TypeVar("T")

#: Seconds between two looks.
INTERVAL_S: Final = 0.005


@overload
async def until(what: str, condition: Callable[[], Awaitable[T]], *, timeout: float = ...) -> T: ...  # noqa: ASYNC109
@overload
async def until(what: str, condition: Callable[[], T], *, timeout: float = ...) -> T: ...  # noqa: ASYNC109
async def until(
    what: str,
    condition: Callable[[], Any],
    *,
    timeout: float = 10.0,  # noqa: ASYNC109 - its end is a failure that says what was awaited
) -> Any:
    """Wait until the condition, a function or a coroutine function, gives something true, and give that.

    Raises AssertionError with what was awaited and what was last seen after ``timeout`` seconds.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + timeout
    while True:
        outcome = condition()
        seen = await outcome if inspect.isawaitable(outcome) else outcome
        if seen:
            return seen
        if loop.time() > end:
            raise AssertionError(f"not within {timeout:g} s: {what}; last seen: {seen!r}")
        await asyncio.sleep(INTERVAL_S)


def wait_until(what: str, condition: Callable[[], T], *, timeout: float = 10.0) -> T:
    """As :func:`until`, for tests without an event loop."""
    end = time.monotonic() + timeout
    pause = threading.Event()
    while True:
        seen = condition()
        if seen:
            return seen
        if time.monotonic() > end:
            raise AssertionError(f"not within {timeout:g} s: {what}; last seen: {seen!r}")
        pause.wait(INTERVAL_S)
