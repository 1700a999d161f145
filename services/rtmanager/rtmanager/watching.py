"""What makes rtmanager look: Docker's events, the time, and probes of the engines."""

import asyncio
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from servicekit import logs
from servicekit.failures import Unavailable
from servicekit.postgres import Database
from servicekit.redis import RedisError

from rtmanager import journal, records
from rtmanager.containers import GAME_ID
from rtmanager.daemon import Docker, DockerRefused, DockerUnavailable
from rtmanager.decisions import Request
from rtmanager.dispatcher import Dispatcher
from rtmanager.errors import OperationFailed
from rtmanager.messages import Details, EventType, Messages
from rtmanager.observer import Observer
from rtmanager.probing import ailment
from rtmanager.records import Record, now_ms

BACKOFF_FIRST_S: Final = 0.1
BACKOFF_MOST_S: Final = 1.0
#: Probes at the same time.
WIDTH: Final = 32

#: Events that may mean something to us; `oom` is followed by `die` if the container ends, and else found by an inspection.
_ACTIONS: Final = ("start", "die", "destroy", "unpause", "health_status")

_log = logs.get("rtmanager.watching")


class Events:
    """Follows Docker's events, and comes back after an outage where it had got to."""

    def __init__(self, docker: Docker, observer: Observer) -> None:
        self._docker = docker
        self._observer = observer
        self._since: int | None = None
        self._comparing: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Follow until cancelled."""
        pause = BACKOFF_FIRST_S
        try:
            while True:
                try:
                    async for event in self._docker.events(self._since, self._connected):
                        pause = BACKOFF_FIRST_S
                        second, game_id = read_event(event)
                        self._since = second or self._since
                        if game_id:
                            self._observer.wake(game_id)
                except (DockerUnavailable, DockerRefused):
                    pass  # its watcher has told
                await asyncio.sleep(pause * (0.5 + os.urandom(1)[0] / 255))
                pause = min(pause * 2, BACKOFF_MOST_S)
        finally:
            if self._comparing is not None:
                self._comparing.cancel()

    def _connected(self) -> None:
        """Compare everything, now that nothing more can be missed: what happened before is seen so."""
        _log.info("docker_events_connected")
        self._comparing = asyncio.create_task(self._compare(), name="compare")

    async def _compare(self) -> None:
        with suppress(Unavailable, DockerRefused):  # said already; the next comparison comes
            await self._observer.look_at_all()


def read_event(event: Mapping[str, Any]) -> tuple[int, str]:
    """Give an event's Unix second, 0 if it has none, and the game that is to be looked at, empty if there is none.

    An event of another form is one that is not about us: what it should have told is found by the next comparison.
    """
    second, action, actor = event.get("time"), event.get("Action"), event.get("Actor")
    attributes = actor.get("Attributes") if isinstance(actor, Mapping) else None
    game_id = attributes.get(GAME_ID) if isinstance(attributes, Mapping) else None
    if not isinstance(action, str) or not action.startswith(_ACTIONS) or not isinstance(game_id, str):
        game_id = ""
    return second if isinstance(second, int) and second > 0 else 0, game_id


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds between two comparisons of everything and two inspections; milliseconds that a stopped container is kept."""

    reconcile_s: float
    inspect_s: float
    retention_ms: int


class Keeper:
    """Compares, inspects and removes at their times."""

    def __init__(
        self, *, database: Database, observer: Observer, dispatcher: Dispatcher, times: Times
    ) -> None:
        self._database = database
        self._observer = observer
        self._dispatcher = dispatcher
        self._times = times

    async def reconcile(self) -> None:
        """Compare every record with Docker, and remove what was stopped long ago, for ever."""
        while True:
            try:
                await self._observer.look_at_all()
                if self._times.retention_ms:
                    await self._retire()
            except (Unavailable, RedisError, DockerRefused):
                pass  # said already
            await asyncio.sleep(self._times.reconcile_s)

    async def inspect(self) -> None:
        """Inspect every running container, for ever."""
        while True:
            await asyncio.sleep(self._times.inspect_s)
            with suppress(Unavailable, DockerRefused):  # said already
                await self._observer.look_at_running()

    async def _retire(self) -> None:
        before = now_ms() - self._times.retention_ms
        for game_id in await records.stopped_before(self._database, before):
            try:
                await self._dispatcher.do(Request("cleanup", game_id), "retention")
            except OperationFailed as failed:
                _log.info("retention_put_off", game_id=game_id, reason=failed.message)


@dataclass(frozen=True, slots=True)
class ProbeRules:
    """Seconds between two probes and for one answer; how many in a row change the verdict."""

    interval_s: float
    timeout_s: float
    failures: int
    successes: int


class Prober:
    """Probes every running engine, and tells when one falls ill and when it is well again."""

    def __init__(
        self, *, docker: Docker, database: Database, observer: Observer, messages: Messages, rules: ProbeRules
    ) -> None:
        self._docker = docker
        self._database = database
        self._observer = observer
        self._messages = messages
        self._rules = rules
        #: Of each run: its address, and how many probes in a row spoke against the verdict in the record.
        self._addresses: dict[tuple[str, str], str] = {}
        self._streaks: dict[tuple[str, str], int] = {}
        self._slots = asyncio.Semaphore(WIDTH)

    async def run(self) -> None:
        """Probe for ever."""
        while True:
            await asyncio.sleep(self._rules.interval_s)
            try:
                running = await records.running(self._database)
            except Unavailable:
                continue
            runs = {(record.container_id, record.run) for record in running}
            for known in (self._addresses, self._streaks):
                for gone in set(known) - runs:
                    known.pop(gone)
            for outcome in await asyncio.gather(*map(self._probe, running), return_exceptions=True):
                if isinstance(outcome, Exception) and not isinstance(outcome, Unavailable | DockerRefused):
                    _log.failure("probe_broken", outcome)

    async def _probe(self, record: Record) -> None:
        run = (record.container_id, record.run)
        async with self._slots:
            address = self._addresses.get(run)
            if address is None:
                container = await self._docker.container(record.container_id)
                if container is None or not container.alive:
                    self._observer.wake(record.game_id)
                    return
                address = self._addresses[run] = container.address
            wrong = await ailment(address, self._rules.timeout_s)
        if (wrong is None) == (record.probe == "ok"):
            self._streaks.pop(run, None)
            return
        streak = self._streaks[run] = self._streaks.get(run, 0) + 1
        if wrong is not None and streak >= self._rules.failures:
            await self._turn(record, "failed", {"failures": streak, "reason": wrong})
        elif wrong is None and streak >= self._rules.successes:
            await self._turn(record, "ok", {"successes": streak})

    async def _turn(self, record: Record, probe: str, details: Details) -> None:
        """Change the verdict and tell of it, unless the engine has ended: that is another event."""
        current = await self._observer.look(record.game_id)
        if current is None or not _same_run(current, record):
            return
        event: EventType = "probe_failed" if probe == "failed" else "probe_recovered"
        async with self._database.transaction() as connection:
            await records.lock(connection, record.game_id)
            current = await records.get(connection, record.game_id)
            if current is None or not _same_run(current, record) or current.probe == probe:
                return
            if await journal.has_running(connection, record.game_id):
                return
            await records.note(connection, current, probe=probe)
            await self._messages.health_event(
                connection, event, game_id=record.game_id, container_id=record.container_id, occurred_at_ms=now_ms(),
                details=details,
            )  # fmt: skip
        self._streaks.pop((record.container_id, record.run), None)


def _same_run(one: Record, other: Record) -> bool:
    return one.status == "running" and (one.container_id, one.run) == (other.container_id, other.run)
