"""What a service's ``start`` is given, to hang its parts on."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any, Generic, TypeVar

from servicekit import logs
from servicekit.config import ServiceConfig
from servicekit.health import Health
from servicekit.http import Handler, Operation, Router
from servicekit.listeners import Listener
from servicekit.metrics import Registry
from servicekit.parsers import Address

C = TypeVar("C", bound=ServiceConfig)
T = TypeVar("T")

Drain = Callable[[float], Awaitable[object]]

_log = logs.get("servicekit.app")


class Parts:
    """The parts of a started service, as its life needs them."""

    def __init__(self) -> None:
        self.apps: dict[str, Any] = {}
        self.bound: dict[str, Address] = {}
        self.drains: list[Drain] = []
        self.last_drains: list[Drain] = []
        self.tasks: set[asyncio.Task[Any]] = set()
        self.stack = AsyncExitStack()
        self.failed = asyncio.Event()


class Context(Generic[C]):
    """The configuration, the shared objects, and the places for a service's parts."""

    def __init__(
        self,
        name: str,
        config: C,
        listeners: Sequence[Listener],
        addresses: Mapping[str, Address],
        parts: Parts,
    ) -> None:
        self.name = name
        self.config = config
        self.metrics = Registry()
        self.health = Health(self.metrics)
        self._listeners = listeners
        self._addresses = addresses
        self._parts = parts

    def address(self, listener: str) -> Address:
        """Give the address that is configured for a listener; its port may be 0."""
        return self._addresses[listener]

    def serve(self, listener: str, app: Any) -> None:
        """Serve an ASGI application there, from the moment that ``start`` returns."""
        self._check(listener, passed=True)
        self._parts.apps[listener] = app

    def serve_operations(self, listener: str, operations: Sequence[tuple[Operation, Handler]]) -> None:
        """Serve operations there, with the configuration's limits of a body."""
        router = Router(
            operations,
            listener=listener,
            metrics=self.metrics,
            limit=self.config.body_limit_bytes,
            timeout_s=self.config.body_timeout_ms / 1000,
        )
        self.serve(listener, router)

    def bound(self, listener: str, address: Address) -> None:
        """Report where a listener that the service bound itself can be reached."""
        self._check(listener, passed=False)
        self._parts.bound[listener] = address

    def _check(self, name: str, *, passed: bool) -> None:
        known = {listener.name for listener in self._listeners if listener.passed is passed}
        free = known - set(self._parts.apps) - set(self._parts.bound)
        if name not in free:
            raise ValueError(f"listener {name!r} is not one of {sorted(free)}")

    async def enter(self, manager: AbstractAsyncContextManager[T]) -> T:
        """Enter now; leave after the drain, the last one first."""
        return await self._parts.stack.enter_async_context(manager)

    def task(self, work: Coroutine[Any, Any, object], *, name: str) -> None:
        """Run in the background until after the drain. Its failure is an ERROR and ends the service with status 70."""
        task = asyncio.create_task(work, name=name)
        self._parts.tasks.add(task)
        task.add_done_callback(self._task_done)

    def _task_done(self, task: asyncio.Task[Any]) -> None:
        self._parts.tasks.discard(task)
        if not task.cancelled() and (problem := task.exception()) is not None:
            _log.failure("task_failed", problem, task=task.get_name())
            self._parts.failed.set()

    def on_drain(self, drain: Drain, *, last: bool = False) -> None:
        """Call this with the budget in seconds when the drain begins, beside the HTTP listeners' own drain.

        ``last``: only when these are through, with what is left of the budget; for what handlers feed until their end.
        """
        (self._parts.last_drains if last else self._parts.drains).append(drain)
