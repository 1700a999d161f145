"""An event loop for tests that are no coroutines, and what was opened in it."""

import asyncio
from collections.abc import Awaitable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import TypeVar

T = TypeVar("T")


class Loop:
    """One test's event loop."""

    def __init__(self, runner: asyncio.Runner) -> None:
        self._runner = runner
        self._stack = AsyncExitStack()

    def run(self, work: Awaitable[T]) -> T:
        """Run to the end."""

        async def whole() -> T:
            return await work

        return self._runner.run(whole())

    def together(self, *works: Awaitable[T]) -> list[T]:
        """Run all of them at the same time, each beginning at once."""

        async def whole() -> list[T]:
            return list(await asyncio.gather(*works))

        return self._runner.run(whole())

    def enter(self, manager: AbstractAsyncContextManager[T]) -> T:
        """Enter, until the end of the test."""
        return self.run(self._stack.enter_async_context(manager))

    def close(self) -> None:
        """Close what was opened, the last first."""
        self.run(self._stack.aclose())
