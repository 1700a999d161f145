"""A service's life: configuration, listeners, start, READY, the wait for a signal, the drain, the exit status."""

import asyncio
import os
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from servicekit import boot, logs
from servicekit.admin import admin_router
from servicekit.config import ConfigError, ServiceConfig, load, usage
from servicekit.context import Context, Drain, Parts
from servicekit.failures import StartError, Unavailable
from servicekit.listeners import Listener, ListenError, address_of, inherited, obtain
from servicekit.notify import Notifier
from servicekit.parsers import Address
from servicekit.server import HttpServer
from servicekit.signals import StopRequest

if TYPE_CHECKING:
    from servicekit.postgres import Database

__all__ = ["Context", "Service", "run"]

C = TypeVar("C", bound=ServiceConfig)

EX_OK: Final = 0
EX_USAGE: Final = 64
EX_UNAVAILABLE: Final = 69
EX_SOFTWARE: Final = 70
EX_CONFIG: Final = 78

#: Seconds that the admin listener has to answer its last callers, after the drain.
ADMIN_DRAIN_S: Final = 0.2

_log = logs.get("servicekit.app")


@dataclass(frozen=True, kw_only=True)
class Service(Generic[C]):
    """What a service is: its name, its variables, its listeners, and what starts it.

    ``name`` is also the distribution's name, from which ``--version`` comes. A listener named ``admin`` is served by
    servicekit; ``start`` serves or binds all others. It must not wait for a dependency: a service whose dependency is away
    is up, and says so at ``/readyz``. ``database`` makes the service's database; it gives it the command ``migrate``, which
    reads the fields alone that begin as ``database_fields`` say: who brings a schema up to date need not know the rest.
    """

    name: str
    prefix: str
    config: type[C]
    listeners: Sequence[Listener]
    start: Callable[[Context[C]], Awaitable[None]]
    description: str = ""
    database: "Callable[[C], Database] | None" = None
    database_fields: tuple[str, ...] = ("postgres_",)


def run(service: Service[C], arguments: Sequence[str] | None = None) -> int:
    """Run a service and give its exit status (see README.md)."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given in (["--help"], ["-h"]):
        sys.stdout.write(_help(service))
        return EX_OK
    if given == ["--version"]:
        from importlib.metadata import version  # 20 ms that only this needs

        sys.stdout.write(f"{service.name} {version(service.name)}\n")
        return EX_OK
    migrating = given == ["migrate"] and service.database is not None
    if given and not migrating:
        sys.stderr.write(f"{service.name}: unknown argument {given[0]!r} (try --help)\n")
        return EX_USAGE
    try:
        life = _Life.of_database(service) if migrating else _Life.configure(service)
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return EX_CONFIG
    try:
        return life.migrate() if migrating else life.serve()
    except ListenError as error:
        sys.stderr.write(f"{error}\n")
        return error.status
    except StartError as error:
        sys.stderr.write(f"{service.name}: {logs.scrub(str(error))}\n")
    except Exception:  # noqa: BLE001 - the process ends; its log says why
        _log.exception("service_failed")
    return EX_SOFTWARE


class _Life(Generic[C]):
    """One run of a service."""

    def __init__(
        self,
        service: Service[C],
        config: C,
        addresses: Mapping[str, Address],
        sockets: Mapping[str, socket.socket],
        notifier: Notifier,
    ) -> None:
        self._service = service
        self._config = config
        self._addresses = addresses
        self._sockets = sockets
        self._notifier = notifier

    @classmethod
    def configure(cls, service: Service[C]) -> "_Life[C]":
        """Read everything from the environment; raises ConfigError with every problem."""
        environment = os.environ
        sockets, problems = inherited(environment, service.listeners)
        addresses = _addresses(service, environment, problems)
        notifier = Notifier(None)
        try:
            notifier = Notifier.from_environment(environment)
        except ValueError as problem:
            problems.append(f"NOTIFY_SOCKET: {problem}")
        try:
            config = load(service.config, service.prefix, environment, logs.hide)
        except ConfigError as error:
            raise ConfigError(problems + error.problems) from None
        if problems:
            raise ConfigError(problems)
        logs.configure(config.log_level)
        return cls(service, config, addresses, sockets, notifier)

    @classmethod
    def of_database(cls, service: Service[C]) -> "_Life[C]":
        """Read what the database alone needs; raises ConfigError with every problem of that."""
        config = load(
            service.config,
            service.prefix,
            os.environ,
            logs.hide,
            only=("log_level", *service.database_fields),
        )
        logs.configure(config.log_level)
        return cls(service, config, {}, {}, Notifier(None))

    def listen(self) -> None:
        """Get a socket for each listener that is served here; raises ListenError."""
        service = self._service
        self._sockets = obtain(service.listeners, self._sockets, self._addresses, service.prefix)

    def serve(self) -> int:
        """Listen, live and drain; give the exit status. Raises ListenError, and whatever made the start fail."""
        self.listen()
        return asyncio.run(self.live())

    def migrate(self) -> int:
        """Bring the service's database to its newest migration, and serve nothing; give the exit status.

        Raises StartError when a migration fails or does not fit.
        """
        try:
            names = asyncio.run(self._migrate())
        except Unavailable as error:
            reason = logs.scrub(str(error))
            sys.stderr.write(f"{self._service.name}: the database cannot be reached: {reason}\n")
            return EX_UNAVAILABLE
        sys.stdout.write("".join(f"applied {name}\n" for name in names) or "nothing to apply\n")
        return EX_OK

    async def _migrate(self) -> Sequence[str]:
        if self._service.database is None:
            raise ValueError(f"{self._service.name} has no database")
        database = self._service.database(self._config)
        try:
            return await database.migrate()
        finally:
            await database.close()

    async def live(self) -> int:
        """Start, serve until a signal, drain; give the exit status."""
        stop = asyncio.create_task(self._stop_request().wait(), name="stop-signal")
        parts = Parts()
        try:
            async with parts.stack:
                return await self._serve(parts, stop)
        finally:
            self._notifier.close()

    def _stop_request(self) -> StopRequest:
        request = StopRequest()
        request.install()
        return request

    async def _serve(self, parts: Parts, stop: "asyncio.Task[Any]") -> int:
        service, config = self._service, self._config
        self._notifier.status("Starting")
        context = Context(service.name, config, service.listeners, self._addresses, parts)
        starting = asyncio.ensure_future(service.start(context))
        await asyncio.wait((starting, stop), return_when=asyncio.FIRST_COMPLETED)
        servers: dict[str, HttpServer] = {}
        failed = False
        if starting.done():
            starting.result()
            if "admin" in self._sockets:
                context.serve("admin", admin_router(context.health, context.metrics))
            servers = await self._open(parts)
            boot.ready()
            failed = await self._wait(parts, stop)
        else:
            starting.cancel()
            await asyncio.wait((starting,))
            if not starting.cancelled() and (problem := starting.exception()) is not None:
                _log.failure("start_failed", problem)
        if stop.done():
            _log.info("service_stopping", signal=stop.result().name)
        self._notifier.stopping()
        context.health.stopping = True
        await _drain(parts, servers, config.stop_timeout_ms / 1000)
        _log.info("service_stopped")
        return EX_SOFTWARE if failed else EX_OK

    async def _open(self, parts: Parts) -> dict[str, HttpServer]:
        """Serve HTTP, and tell the supervisor."""
        unserved = (
            {listener.name for listener in self._service.listeners} - set(parts.apps) - set(parts.bound)
        )
        if unserved:
            raise RuntimeError(f"start() left the listeners {sorted(unserved)} unserved")
        servers = {
            name: HttpServer(
                app,
                self._sockets[name],
                head_timeout_s=self._config.body_timeout_ms / 1000,
                max_connections=self._config.max_connections,
            )
            for name, app in parts.apps.items()
        }
        for server in servers.values():
            await server.start()
        reached = {name: address_of(self._sockets[name]) for name in servers} | parts.bound
        self._notifier.ready(reached)
        _log.info(
            "service_ready", pid=os.getpid(), **{f"listen_{name}": str(at) for name, at in reached.items()}
        )
        return servers

    async def _wait(self, parts: Parts, stop: "asyncio.Task[Any]") -> bool:
        """Wait for a signal or for a background task's failure; say whether it was a failure."""
        failure = asyncio.create_task(parts.failed.wait(), name="failure")
        await asyncio.wait((stop, failure), return_when=asyncio.FIRST_COMPLETED)
        failed = failure.done()
        failure.cancel()
        return failed


async def _drain(parts: Parts, servers: Mapping[str, HttpServer], seconds: float) -> None:
    """Drain everything at the same time within the budget; the admin listener stays until all else is done."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    drains = [server.drain(seconds) for name, server in servers.items() if name != "admin"]
    await _all(*drains, *(_bounded(drain, seconds) for drain in parts.drains))
    left_s = max(end - loop.time(), 0)
    await _all(*(_bounded(drain, left_s) for drain in parts.last_drains))
    tasks = list(parts.tasks)
    for task in tasks:
        task.cancel()
    if tasks:
        _, left = await asyncio.wait(tasks, timeout=max(end - loop.time(), ADMIN_DRAIN_S))
        if left:
            _log.warning("drain_cut", tasks=sorted(task.get_name() for task in left))
    if "admin" in servers:
        await servers["admin"].drain(ADMIN_DRAIN_S)


async def _all(*drains: Awaitable[object]) -> None:
    for outcome in await asyncio.gather(*drains, return_exceptions=True):
        if isinstance(outcome, BaseException):
            _log.failure("drain_failed", outcome)


async def _bounded(drain: Drain, seconds: float) -> None:
    # A drain is told the budget and keeps it; this is for one that does not.
    async with asyncio.timeout(seconds + ADMIN_DRAIN_S):
        await drain(seconds)


def _addresses(
    service: Service[Any], environment: Mapping[str, str], problems: list[str]
) -> dict[str, Address]:
    addresses: dict[str, Address] = {}
    for listener in service.listeners:
        name = listener.variable(service.prefix)
        try:
            addresses[listener.name] = Address.parse(environment.get(name) or listener.default)
        except ValueError as problem:
            problems.append(f"{name}: {problem}")
    return addresses


def _help(service: Service[Any]) -> str:
    commands = "[--help | --version]" if service.database is None else "[migrate | --help | --version]"
    lines = [f"usage: {service.name} {commands}", ""]
    if service.description:
        lines += [service.description, ""]
    if service.database is not None:
        lines += [
            (
                "migrate brings the database to the newest migration and ends; it reads the database's variables alone. "
                "Status 0 when"
            ),
            "it is there, 69 when the database cannot be reached, 70 when a migration fails or does not fit. A start migrates by",
            "itself.",
            "",
        ]
    lines += ["Configuration is read from these environment variables:", ""]
    rows = [
        (
            listener.variable(service.prefix),
            f"default {listener.default}",
            f"Address of the {listener.name} listener [host:port]",
        )
        for listener in service.listeners
    ]
    rows += usage(service.config, service.prefix)
    for name, state, description in rows:
        lines += [f"  {name} ({state})", f"      {description}"]
    lines += [
        "",
        "Sockets: LISTEN_FDS, LISTEN_FDNAMES, LISTEN_PID (sd_listen_fds(3)). Readiness: NOTIFY_SOCKET (sd_notify(3)).",
        "Signals: TERM and INT drain and end, a second one ends at once; USR1 writes every stack to stderr.",
        "",
    ]
    return "\n".join(lines)
