"""Brings records to what Docker says, and tells of what has happened meanwhile.

Whoever sees something first (Docker's events, an inspection, the comparison of everything) only says which game to look at. What
is told is the difference between record and inspection, written in one transaction with the record: so it is told once.
"""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final

from servicekit import logs
from servicekit.failures import Unavailable
from servicekit.postgres import Connection, Database

from rtmanager import journal, records
from rtmanager.containers import Container
from rtmanager.daemon import Docker, DockerRefused
from rtmanager.judgement import Change, judge
from rtmanager.messages import Messages
from rtmanager.records import Record, now_ms

#: Looks at the same time, and how often one is repeated because somebody else wrote meanwhile.
WIDTH: Final = 8
TRIES: Final = 5

_log = logs.get("rtmanager.observer")


class Observer:
    """Looks at games."""

    def __init__(self, docker: Docker, database: Database, messages: Messages) -> None:
        self._docker = docker
        self._database = database
        self._messages = messages
        self._waiting: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(WIDTH)
        self._surplus: set[str] = set()

    def wake(self, game_id: str) -> None:
        """Look at a game soon. Calls before the look has begun are one."""
        if game_id not in self._waiting:
            self._waiting.add(game_id)
            task = asyncio.create_task(self._look_soon(game_id), name=f"look-{game_id}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """End what is under way; what is left to see is seen at the next boot."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _look_soon(self, game_id: str) -> None:
        async with self._slots:
            self._waiting.discard(game_id)
            try:
                await self.look(game_id)
            except Unavailable:
                pass  # its watcher has told; everything is looked at when it is back
            except Exception:  # noqa: BLE001 - one game must not keep the others from being seen
                _log.exception("look_failed", game_id=game_id)

    async def look_at_all(self) -> None:
        """Look at every game that has a record or a container. Raises DockerUnavailable and DatabaseUnavailable."""
        games = await self._docker.games() | set(await records.with_container(self._database))
        await self._look_at(sorted(games))

    async def look_at_running(self) -> None:
        """Look at every game that runs. Raises DockerUnavailable and DatabaseUnavailable."""
        await self._look_at([record.game_id for record in await records.running(self._database)])

    async def _look_at(self, games: Iterable[str]) -> None:
        async def look(game_id: str) -> None:
            async with self._slots:
                await self.look(game_id)

        for outcome in await asyncio.gather(*map(look, games), return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome

    async def look(self, game_id: str) -> Record | None:
        """Bring one record to what Docker says, and give it.

        Nothing is written while an operation runs on the game. Raises DockerUnavailable and DatabaseUnavailable.
        """
        record = None
        for _ in range(TRIES):
            record = await records.get(self._database, game_id)
            if await journal.has_running(self._database, game_id):
                return record
            containers = await self._without_debris(await self._docker.containers(game_id))
            self._note_surplus(record, containers)
            changes = judge(record, containers, now_ms())
            if not changes:
                return record
            async with self._database.transaction() as connection:
                await records.lock(connection, game_id)
                current = await records.get(connection, game_id)
                if await journal.has_running(connection, game_id):
                    return current
                if _version(current) == _version(record):
                    for change in changes:
                        current = await self._apply(connection, game_id, current, change)
                    return current
        return record

    async def _apply(
        self, connection: Connection, game_id: str, record: Record | None, change: Change
    ) -> Record | None:
        if change.status == "running" and change.container is not None:
            record = await records.set_running(
                connection, record, change.container, game_id=game_id, job_requested_at_ms=None
            )
        elif change.status == "stopped" and change.container is not None:
            if record is None or record.status == "removed":
                record = await records.set_adopted_stopped(connection, change.container, game_id)
            else:
                record = await records.set_stopped(connection, record, change.stopped_at_ms)
        elif change.status == "removed" and record is not None:
            record = await records.set_removed(connection, record)
        elif record is not None:
            record = await records.note(connection, record, **change.notes)
        for event in change.events:
            await self._messages.health_event(
                connection,
                event.event_type,
                game_id=game_id,
                container_id=event.container_id,
                occurred_at_ms=event.occurred_at_ms or now_ms(),
                details=event.details,
                run=event.run,
            )
        return record

    async def _without_debris(self, containers: Sequence[Container]) -> list[Container]:
        """Remove what failed operations have left; give the rest."""
        kept = []
        for each in containers:
            made_by = await journal.get(self._database, each.operation_id) if each.operation_id else None
            if made_by is None or made_by.status != "failure":
                kept.append(each)
                continue
            try:
                await self._docker.remove(each.id, force=True)
                _log.info("debris_removed", game_id=each.game_id, container_id=each.id)
            except DockerRefused as refused:
                _log.warning("debris_left", game_id=each.game_id, container_id=each.id, reason=refused.reason)
        return kept

    def _note_surplus(self, record: Record | None, containers: Sequence[Container]) -> None:
        """Log, once, a second running container of a game: whose it is cannot be told, so it is left alone."""
        alive = {each.id: each for each in containers if each.alive}
        counting = (
            record.container_id
            if record is not None and record.container_id in alive
            else next(iter(alive), "")
        )
        for each in alive.values():
            if each.id != counting and each.id not in self._surplus:
                self._surplus.add(each.id)
                _log.warning("container_surplus", game_id=each.game_id, container_id=each.id, name=each.name)


def _version(record: Record | None) -> int:
    return 0 if record is None else record.version
