"""Does what is in the journal, and what callers ask for: one operation at a time on a game, games beside each other."""

import asyncio
from typing import Final

from servicekit import logs
from servicekit.failures import Unavailable
from servicekit.metrics import Registry
from servicekit.postgres import Database, DatabaseUnavailable
from servicekit.redis import RedisError

from rtmanager import journal
from rtmanager.daemon import DockerUnavailable
from rtmanager.decisions import Request
from rtmanager.errors import OperationFailed
from rtmanager.journal import Operation, OpSource
from rtmanager.leases import Lease, LeaseLost, Leases
from rtmanager.runner import Runner

#: How often an operation may fail for a defect of ours before it is ended.
TRIES: Final = 3
#: How long a caller waits for the lease of an operation that has ended, and the pause between two tries.
RELEASE_S: Final = 1.0
RELEASE_POLL_S: Final = 0.01

_log = logs.get("rtmanager.dispatcher")


class Dispatcher:
    """Takes leases and runs operations under them."""

    def __init__(
        self,
        *,
        database: Database,
        leases: Leases,
        runner: Runner,
        metrics: Registry,
        concurrency: int,
        interval_s: float,
    ) -> None:
        """``concurrency`` games are worked on at a time; every ``interval_s`` seconds it looks for what others left."""
        self._database = database
        self._leases = leases
        self._runner = runner
        self._slots = asyncio.Semaphore(concurrency)
        self._interval_s = interval_s
        self._working: dict[str, asyncio.Task[None]] = {}
        self._again: set[str] = set()
        self._tries: dict[str, int] = {}
        self._stopping = False
        self._in_work = metrics.gauge(
            "rtmanager_games_in_work", "Games that an operation runs on, or waits for, here"
        )

    async def run(self) -> None:
        """Look for unfinished operations, for ever: of this instance's former life, of others that died, or held up."""
        while True:
            try:
                for game_id in await journal.unfinished_games(self._database):
                    self.wake(game_id)
            except DatabaseUnavailable:
                pass  # its watcher has told
            await asyncio.sleep(self._interval_s)

    def wake(self, game_id: str) -> None:
        """Do what the journal has for a game, as soon as nothing else runs on it here."""
        if self._stopping:
            return
        if game_id in self._working:
            self._again.add(game_id)
            return
        task = asyncio.create_task(self._work(game_id), name=f"work-{game_id}")
        self._working[game_id] = task
        self._in_work.set(len(self._working))

    async def drain(self, seconds: float) -> None:
        """Begin nothing more, and wait for what runs, ``seconds`` at most; the rest is gone on with at the next boot."""
        self._stopping = True
        tasks = list(self._working.values())
        if tasks:
            _, left = await asyncio.wait(tasks, timeout=seconds)
            for task in left:
                task.cancel()
            if left:
                await asyncio.wait(left)
                _log.info("operations_left", count=len(left))

    async def do(self, request: Request, op_source: OpSource) -> Operation:
        """Do what is asked, after what the journal has for the game; give the operation as it ended.

        Raises OperationFailed, DockerUnavailable, RedisError and DatabaseUnavailable.
        """
        lease = await self._lease_for(request.game_id)
        try:
            async with lease:
                await self._catch_up(request.game_id, lease)
                if self._stopping and await journal.next_of(self._database, request.game_id) is not None:
                    raise OperationFailed(
                        "service_unavailable",
                        f"an operation of {request.game_id} is left to another instance: this one ends (repeat it)",
                    )
                return await self._runner.request(request, op_source, lease)
        except LeaseLost:
            raise OperationFailed(
                "service_unavailable",
                f"the lease of {request.game_id} was lost; what has begun goes on (repeat it later)",
            ) from None
        finally:
            self.wake(request.game_id)

    async def _lease_for(self, game_id: str) -> Lease:
        """Take the lease. One that is held although nothing is to be done comes free at once: its operation has just ended."""
        loop = asyncio.get_running_loop()
        end = loop.time() + RELEASE_S
        while (lease := await self._leases.acquire(game_id)) is None:
            busy = await journal.next_of(self._database, game_id) is not None
            if busy or loop.time() > end:
                raise OperationFailed("conflict", f"another operation runs on {game_id} (repeat it later)")
            await asyncio.sleep(RELEASE_POLL_S)
        return lease

    async def _work(self, game_id: str) -> None:
        try:
            async with self._slots:
                self._again.discard(game_id)
                # Not by taking the lease: a caller who comes just then must not be told of a conflict with nothing.
                if await journal.next_of(self._database, game_id) is None:
                    return
                lease = await self._leases.acquire(game_id)
                if lease is not None:
                    async with lease:
                        await self._catch_up(game_id, lease)
        except (Unavailable, RedisError, LeaseLost, OperationFailed):
            pass  # said already; the next look finds it again
        except Exception:  # noqa: BLE001 - other games go on
            _log.exception("dispatch_failed", game_id=game_id)
        finally:
            del self._working[game_id]
            self._in_work.set(len(self._working))
            if game_id in self._again:
                self.wake(game_id)

    async def _catch_up(self, game_id: str, lease: Lease) -> None:
        """Do everything that the journal has for a game."""
        while (
            not self._stopping and (operation := await journal.next_of(self._database, game_id)) is not None
        ):
            try:
                await self._runner.resume(operation, lease)
            except (DockerUnavailable, DatabaseUnavailable, RedisError, LeaseLost):
                raise
            except Exception:  # noqa: BLE001 - a defect of one operation must not hold up the game for ever
                tries = self._tries.get(operation.operation_id, 0) + 1
                self._tries[operation.operation_id] = tries
                _log.exception(
                    "operation_broken", operation_id=operation.operation_id, game_id=game_id, attempt=tries
                )
                if tries < TRIES:
                    raise OperationFailed(
                        "internal_error", "rtmanager failed; its log has the details"
                    ) from None
                await self._runner.give_up(operation, lease)
            self._tries.pop(operation.operation_id, None)
