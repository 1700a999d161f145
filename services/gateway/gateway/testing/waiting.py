"""The only wait that looks repeatedly."""

import asyncio
from collections.abc import Callable


async def until(what: str, condition: Callable[[], bool], timeout_s: float = 10.0) -> None:
    """Returns when the condition holds."""
    try:
        async with asyncio.timeout(timeout_s):
            while not condition():  # noqa: ASYNC110 - what is awaited here tells nobody
                await asyncio.sleep(0.005)
    except TimeoutError:
        raise AssertionError(f"not within {timeout_s} s: {what}") from None
