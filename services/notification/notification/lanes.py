"""Lanes: the workers that attempt one channel's routes as they fall due."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from servicekit import logs
from servicekit.failures import Pause, Unavailable
from servicekit.metrics import Registry

from notification.budget import Budget
from notification.catalogue import Channel
from notification.routes import Change, Claimed, Failed, Postponed, Result, Routes

Deliver = Callable[[Sequence[Claimed]], Awaitable[list[Result]]]

_LEAST_WAIT_S: Final = 0.005
"""Another instance may hold what is due: looking again at once would only keep the database busy."""

_log = logs.get("notification.lanes")


class Lane:
    """One channel: its budget, its workers, and what they attempt."""

    def __init__(
        self,
        channel: Channel,
        routes: Routes,
        deliver: Deliver,
        budget: Budget,
        *,
        workers: int,
        batch: int,
        poll_ms: int,
        metrics: Registry,
    ) -> None:
        """Each worker attempts `batch` routes at a time. `poll_ms` bounds how late another instance's route is found."""
        self.channel = channel
        self._routes = routes
        self.deliver = deliver
        self._budget = budget
        self._batch = batch
        self._poll_s = poll_ms / 1000
        self._stopping = False
        self._wakes = [asyncio.Event() for _ in range(workers)]
        self._busy = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self.outcomes = metrics.counter(
            "notification_routes_total", "Attempts by channel and what came of them", ("channel", "outcome")
        )

    def wake(self) -> None:
        """There is something to do now."""
        for wake in self._wakes:
            wake.set()

    async def run(self) -> None:
        """Work until cancelled, or until the drain."""
        async with asyncio.TaskGroup() as workers:
            for number, wake in enumerate(self._wakes):
                workers.create_task(self._work(wake), name=f"{self.channel}-{number}")

    async def drain(self, seconds: float) -> None:
        """Take no more routes, and wait for those that are being attempted, at most so long."""
        self._stopping = True
        self.wake()
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            _log.warning("routes_left_to_others", channel=self.channel, after_ms=self._routes.lease_ms)

    async def settle(self, routes: Sequence[Claimed], results: Sequence[Result]) -> None:
        """Record what came of attempts. Raises DatabaseUnavailable: then they are taken up again when their claim runs out."""
        changes = [self._budget.judge(route, result) for route, result in zip(routes, results, strict=True)]
        recorded = await self._routes.record(changes)
        for change in changes:
            if change.route.id in recorded:
                self._count(change)
        if any(change.state == "pending" for change in changes):
            self.wake()

    def _count(self, change: Change) -> None:
        outcome = change.state
        if outcome == "pending":
            self.outcomes.inc(self.channel, "failed" if change.counted else "postponed")
            return
        self.outcomes.inc(self.channel, outcome)
        if outcome == "dead":
            _log.warning(
                "route_dead",
                channel=self.channel,
                notification_type=change.route.notification_type,
                delivery_id=change.route.delivery_id,
                error_code=change.error_code,
                attempts=change.route.attempts,
            )

    async def _work(self, wake: asyncio.Event) -> None:
        pause = Pause()
        while not self._stopping:
            wake.clear()
            try:
                found, away = await self._round()
                if not found:
                    await _woken(wake, await self._until_due())
            except Unavailable:
                away = True
            if away:
                await pause.wait()
            else:
                pause.reset()

    async def _round(self) -> tuple[bool, bool]:
        """Attempt what is due; says whether there was any, and whether Redis was away."""
        self._begin()
        try:
            routes = await self._routes.claim(self.channel, self._batch)
            if not routes:
                return False, False
            results = await self.attempt(routes)
            await self.settle(routes, results)
            return True, any(isinstance(result, Postponed) for result in results)
        finally:
            self._end()

    async def attempt(self, routes: Sequence[Claimed]) -> list[Result]:
        """Attempt routes; a defect is their failure, not the lane's. Raises Unavailable."""
        try:
            return await self.deliver(routes)
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001 - a defect must cost its own route's budget, and no other's
            if len(routes) > 1:
                return [result for route in routes for result in await self.attempt([route])]
            _log.exception("delivery_failed", channel=self.channel, delivery_id=routes[0].delivery_id)
            return [Failed("delivery_failed", f"a defect: {type(error).__name__}")]

    async def _until_due(self) -> float:
        due_ms = await self._routes.next_due_ms(self.channel)
        if due_ms is None:
            return self._poll_s
        return min(max(due_ms / 1000, _LEAST_WAIT_S), self._poll_s)

    def _begin(self) -> None:
        self._busy += 1
        self._idle.clear()

    def _end(self) -> None:
        self._busy -= 1
        if self._busy == 0:
            self._idle.set()


async def _woken(wake: asyncio.Event, seconds: float) -> None:
    """Wait until woken, at most so long."""
    try:
        async with asyncio.timeout(seconds):
            await wake.wait()
    except TimeoutError:
        return
