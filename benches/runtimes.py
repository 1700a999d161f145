"""A running rtmanager, its jobs, and what comes of them."""

import time
from typing import TYPE_CHECKING, Any, Final

from contracts.rtmanager.service import DATABASE, RTMANAGER
from contracts.streams import schema
from interleaved import Mode
from seatrial import Environment, Process
from tail import Tail

if TYPE_CHECKING:
    import redis

RESULT_S: Final = 60.0
"""How long a job may take."""


class Runtimes:
    """One rtmanager on the stores of an environment, with a network, a state root and labels of its own."""

    def __init__(self, environment: Environment, image_ref: str, *, boot: Mode | None = None) -> None:
        store = environment.valkey
        self.client: redis.Redis = store.client()
        self._image_ref = image_ref
        dock = environment.engine
        dock.adopt()
        self.dock = dock
        network = environment.network()
        variables = {
            "RTMANAGER_POSTGRES_DSN": environment.postgres.database(DATABASE).dsn,
            "RTMANAGER_REDIS_URL": store.url,
            "RTMANAGER_NETWORK": network.name,
            "RTMANAGER_DEPLOYMENT": network.name,
            "RTMANAGER_STATE_ROOT": str(environment.directory / "state"),
            "RTMANAGER_CONTAINER_LABELS": dock.labels_text,
            "RTMANAGER_INSTANCE_ID": "bench",
        }
        self.process: Process = environment.start(RTMANAGER, environment=variables, boot=boot)
        self.prefix = network.name[-40:].strip("-")
        self._results = Tail(self.client, schema.JOB_RESULTS)

    def start(self, number: int) -> None:
        """Ask for an engine."""
        fields: Any = {
            "game_id": f"{self.prefix}-{number}",
            "image_ref": self._image_ref,
            "requested_at_ms": str(time.time_ns() // 1_000_000),
        }
        self.client.xadd(schema.START_JOBS, fields)

    def stop(self, number: int) -> None:
        """Ask for its end."""
        fields: Any = {
            "game_id": f"{self.prefix}-{number}",
            "reason": "finished",
            "requested_at_ms": str(time.time_ns() // 1_000_000),
        }
        self.client.xadd(schema.STOP_JOBS, fields)

    def result(self) -> dict[str, str]:
        """The next result, a success; raises AssertionError for another one, or none."""
        fields, _ = self._results.next(within=RESULT_S)
        if fields["outcome"] != "success":
            raise AssertionError(f"a job failed: {fields}")
        return fields

    def started(self, number: int) -> float:
        """Milliseconds from before the XADD of a start job until a reader has its result: the engine answers by then."""
        begun = time.monotonic()
        self.start(number)
        self.result()
        return (time.monotonic() - begun) * 1000

    def stopped(self, number: int) -> None:
        """Ask for its end, and wait for that."""
        self.stop(number)
        self.result()

    def all(self, stream: str) -> list[dict[str, str]]:
        """Every entry of a stream."""
        entries: Any = self.client.xrange(stream)
        return [fields for _, fields in entries]
