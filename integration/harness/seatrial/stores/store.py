"""What a test sees of a Redis or Valkey server, whoever runs it."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Final, Self
from weakref import WeakSet

from seatrial.errors import SeatrialError
from seatrial.processes.listener import Address
from seatrial.processes.logfile import LogFile
from seatrial.processes.process import Process

if TYPE_CHECKING:
    import redis

CLIENT_NAME: Final = "seatrial-test"


class StoreError(SeatrialError):
    """A store cannot be had, or does not do what the harness needs of it."""


class StoreNotEmpty(StoreError):
    """It cannot be proven that a store is empty: it must not be used."""


class LeftBehind(StoreError):
    """A test left something in a store, which the store itself can be cleaned of."""


class Store(ABC):
    """A database for tests: an address, clients, and a reset that proves that nothing is left."""

    def __init__(self, name: str) -> None:
        self.name = name
        # A client that was disconnected connects again when it is used: it is ours for as long as it lives.
        self._clients: WeakSet[redis.Redis] = WeakSet()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    @abstractmethod
    def start(self) -> Self:
        """Make it usable; raises `SeatrialError` when that cannot be."""

    @abstractmethod
    def reset(self) -> tuple[str, ...]:
        """Make it empty, and prove it.

        Answers a description of each client that somebody had left connected and that was cut off. Raises `StoreNotEmpty`
        when the proof fails: whatever the cause, such a store is not to be used again.
        """

    @abstractmethod
    def left_connected(self) -> tuple[str, ...]:
        """A description of each client that is connected and did not come from `client`; raises `StoreError`."""

    @abstractmethod
    def close(self) -> None:
        """For teardown: give everything back. Complaints are in `problems`. Idempotent."""

    @abstractmethod
    def problems(self) -> tuple[SeatrialError, ...]:
        """What a test must hear about."""

    @property
    @abstractmethod
    def address(self) -> Address:
        """Where it listens."""

    @property
    def database(self) -> int:
        """The number of the database that is the tests'."""
        return 0

    @property
    def process(self) -> Process | None:
        """The server's process; None when the server is not ours."""
        return None

    @property
    def log(self) -> LogFile | None:
        """The server's log; None when the server is not ours."""
        return self.process.log if self.process is not None else None

    @property
    def url(self) -> str:
        """`redis://host:port/database`."""
        return f"redis://{self.address}/{self.database}"

    def client(self, *, decode: bool = True) -> "redis.Redis":
        """A redis-py client that `reset` and `close` disconnect.

        It answers `str`, or `bytes` without `decode`; it never retries, so that a test sees each failure.
        """
        import redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        client = redis.Redis(
            host=self.address.host,
            port=self.address.port,
            db=self.database,
            decode_responses=decode,
            protocol=3,
            client_name=CLIENT_NAME,
            socket_timeout=10.0,
            socket_connect_timeout=5.0,
            retry=Retry(NoBackoff(), 0),
        )
        self._clients.add(client)
        return client

    def _disconnect(self) -> None:
        for client in self._clients:
            client.close()
