"""When a child can serve: it says so itself, or a probe asks at short intervals (for servers that cannot say it)."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final, Protocol

from seatrial.errors import NotReady, ServiceError
from seatrial.processes.listener import Address, Listener
from seatrial.processes.logfile import LogFile, Mark
from seatrial.waiting import pause, polled

if TYPE_CHECKING:
    from grpc.aio import UnaryUnaryMultiCallable

PROBE_INTERVAL: Final = 0.005
_ATTEMPT_TIMEOUT: Final = 1.0


class Candidate(Protocol):
    """What a readiness sees of a child that boots; used in the supervisor's loop only."""

    log: LogFile
    log_start: Mark

    def address(self, listener: str) -> Address:
        """Where it listens."""

    async def notified(self) -> None:
        """Return when its READY datagram has arrived and is complete; raises `NotReady` when it is wrong."""

    def stranger(self, listener: str) -> str | None:
        """Who listens on a reserved port, when it is certainly not this child or a descendant of it."""

    def saw(self, what: str) -> None:
        """Remember why it is not ready yet, for the error of somebody who gives up."""


class Readiness(Protocol):
    """A way to learn that a child can serve."""

    def check(self, listeners: Sequence[Listener]) -> None:
        """Raise `ServiceError` when this cannot work for a service with these listeners."""

    async def wait(self, candidate: Candidate) -> None:
        """Return when `candidate` can serve. It is cancelled when the child ends."""


@dataclass(frozen=True, slots=True)
class Notify:
    """The child sends `READY=1` to NOTIFY_SOCKET, as sd_notify(3) says, with `X_LISTEN_<NAME>` for its listeners."""

    def check(self, listeners: Sequence[Listener]) -> None:
        """Every kind of listener goes with it."""

    async def wait(self, candidate: Candidate) -> None:
        """Return with the READY datagram."""
        await candidate.notified()


def _bound_by_harness_or_child(listener: str, listeners: Sequence[Listener], *, accepts_early: bool) -> None:
    for each in listeners:
        if each.name != listener:
            continue
        if each.kind == "reported":
            raise ServiceError(
                f"listener {listener} is reported: its port is known only from the READY datagram; use Notify()"
            )
        if each.kind == "passed" and accepts_early:
            raise ServiceError(
                f"listener {listener} is passed: it accepts connections before the child runs, so that a TCP probe"
                " proves nothing; use Notify() or HttpProbe()"
            )
        return
    raise ServiceError(f"the readiness probe asks listener {listener!r}, which the service does not have")


async def _poll(
    candidate: Candidate, listener: str, attempt: Callable[[Address], Awaitable[str | None]]
) -> None:
    """Attempt until there is no reason left why it is not ready, then make sure that it was our child who answered."""
    address = candidate.address(listener)
    while (missing := await _attempt(address, attempt)) is not None:
        candidate.saw(missing)
        await pause(PROBE_INTERVAL)
    stranger = candidate.stranger(listener)
    if stranger is not None:
        raise NotReady(
            f"{address} answers, but it is served by {stranger}, not by this child; end that process, or stop it from"
            " binding ports that it was not given"
        )


async def _attempt(address: Address, attempt: Callable[[Address], Awaitable[str | None]]) -> str | None:
    try:
        async with asyncio.timeout(_ATTEMPT_TIMEOUT):
            return await attempt(address)
    except TimeoutError:
        return f"no answer from {address} within {_ATTEMPT_TIMEOUT:g} s"
    except OSError as error:
        return f"{address}: {error.strerror or error}"


@dataclass(frozen=True, slots=True)
class TcpProbe:
    """Ready when a connection to `listener` is accepted."""

    listener: str

    def check(self, listeners: Sequence[Listener]) -> None:
        """The listener must exist and be bound by the child."""
        _bound_by_harness_or_child(self.listener, listeners, accepts_early=True)

    async def attempt(self, address: Address) -> str | None:
        """Connect once; the reason why it is not ready, or None."""
        _, writer = await asyncio.open_connection(address.host, address.port)
        writer.transport.abort()
        return None

    async def wait(self, candidate: Candidate) -> None:
        """Return with the first accepted connection."""
        await _poll(candidate, self.listener, self.attempt)


@dataclass(frozen=True, slots=True)
class HttpProbe:
    """Ready when `GET path` at `listener` is answered with `status`."""

    listener: str
    path: str = "/"
    status: int = 200

    def check(self, listeners: Sequence[Listener]) -> None:
        """The listener must exist and have an address before the child runs."""
        _bound_by_harness_or_child(self.listener, listeners, accepts_early=False)
        if not re.fullmatch(r"/[!-~]*", self.path):
            raise ServiceError(
                f"HttpProbe path {self.path!r} is not a path: it starts with / and has no spaces"
            )

    async def attempt(self, address: Address) -> str | None:
        """Ask once; the reason why it is not ready, or None."""
        reader, writer = await asyncio.open_connection(address.host, address.port)
        try:
            # HTTP/1.0 semantics: the server closes, and we need the status line only (RFC 9112, section 4).
            request = f"GET {self.path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
            writer.write(request.encode("ascii"))
            line = await reader.readline()
        except ValueError:
            return f"GET {self.path} at {address}: the status line has no end"
        finally:
            writer.transport.abort()
        match = re.match(rb"HTTP/1\.[01] ([0-9]{3})(?: |\r?\n)", line)
        if match is None:
            return f"GET {self.path} at {address}: {line[:80]!r} is no HTTP status line"
        if int(match[1]) != self.status:
            return f"GET {self.path} at {address}: status {int(match[1])}, not {self.status}"
        return None

    async def wait(self, candidate: Candidate) -> None:
        """Return with the first right answer."""
        await _poll(candidate, self.listener, self.attempt)


@dataclass(frozen=True, slots=True)
class GrpcHealthProbe:
    """Ready when the standard gRPC health service at `listener` says SERVING for `service` (empty: the whole server).

    The only readiness that needs a third-party package: grpcio.
    """

    listener: str
    service: str = ""

    def check(self, listeners: Sequence[Listener]) -> None:
        """The listener must exist and be bound by the child, and grpcio must be installed."""
        _bound_by_harness_or_child(self.listener, listeners, accepts_early=False)
        if find_spec("grpc") is None:
            raise ServiceError("GrpcHealthProbe needs the package grpcio; install seatrial[grpc]")
        if len(self.service.encode()) > 127:
            raise ServiceError(f"GrpcHealthProbe service {self.service!r} is longer than 127 bytes")

    async def attempt(self, address: Address) -> str | None:
        """Ask once; the reason why it is not ready, or None."""
        # grpc waits 100 ms and more between its own connects, so that each attempt has its own channel.
        _, writer = await asyncio.open_connection(address.host, address.port)
        writer.transport.abort()
        import grpc
        import grpc.aio

        name = self.service.encode()
        # grpc.health.v1: HealthCheckRequest{1: string service}, HealthCheckResponse{1: enum status, 1 = SERVING}.
        request = b"\x0a" + bytes([len(name)]) + name if name else b""
        async with grpc.aio.insecure_channel(
            str(address), options=[("grpc.use_local_subchannel_pool", 1)]
        ) as channel:
            check: UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/grpc.health.v1.Health/Check")
            try:
                answer = await check(request)
            except grpc.aio.AioRpcError as error:
                return f"health check at {address}: {error.code().name}: {error.details()}"
        if answer != b"\x08\x01":
            return f"health check at {address}: the service is not SERVING (answer {answer!r})"
        return None

    async def wait(self, candidate: Candidate) -> None:
        """Return when it is SERVING."""
        await _poll(candidate, self.listener, self.attempt)


@dataclass(frozen=True, slots=True)
class LogLine:
    """Ready when a line of the child's log contains `pattern`, a regular expression."""

    pattern: str

    def check(self, listeners: Sequence[Listener]) -> None:  # noqa: ARG002  (part of the protocol)
        """The pattern must be one."""
        try:
            re.compile(self.pattern)
        except re.error as error:
            raise ServiceError(f"LogLine pattern {self.pattern!r}: {error}") from None

    async def wait(self, candidate: Candidate) -> None:
        """Return with the line."""
        candidate.saw(f"no line with {self.pattern!r} in the log")
        await polled(lambda: candidate.log.find(self.pattern, candidate.log_start))
