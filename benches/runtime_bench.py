"""How soon does a start job have its result, and is anything lost or doubled when rtmanager is killed at any moment?"""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from contracts.images import engine_image, engine_tag
from contracts.rtmanager.service import DATABASE, RTMANAGER
from contracts.streams import schema
from seatrial import Environment, Process, until
from series import Target

if TYPE_CHECKING:
    import redis

pytestmark = pytest.mark.requires("docker")

STARTS = 100
KILLS = 200
#: A kill comes within this time after its job: a start and a stop take less, on an idle machine.
_WITHIN_S = 1.2
_RESULT_S = 60.0


class Runtimes:
    """One running rtmanager, its jobs and what comes of them."""

    def __init__(self, environment: Environment, image_ref: str, **settings: str) -> None:
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
        self.process: Process = environment.start(RTMANAGER, environment=variables | settings)
        self.prefix = network.name[-40:].strip("-")
        self._last = "0-0"

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
        """The next result, a success."""
        reply: Any = self.client.xread({schema.JOB_RESULTS: self._last}, count=1, block=int(_RESULT_S * 1000))
        assert reply, f"no result within {_RESULT_S:g} s"
        ((self._last, fields),) = reply[schema.JOB_RESULTS][0]
        assert fields["outcome"] == "success", fields
        return dict(fields)

    def all(self, stream: str) -> list[dict[str, str]]:
        """Every entry of a stream."""
        entries: Any = self.client.xrange(stream)
        return [fields for _, fields in entries]


@pytest.fixture
def image_ref() -> Iterator[str]:
    """The engine, present before anything is measured."""
    with engine_tag(engine_image()) as reference:
        yield reference


def test_start_job_to_result(
    environment: Environment, image_ref: str, record: Any, rounds: Callable[[int], Iterator[int]], clock: Any
) -> None:
    """From before the XADD of the job until a reader has its result; the engine answers by then. One game at a time."""
    runtimes = Runtimes(environment, image_ref)
    runtimes.start(0)
    runtimes.result()
    samples = []
    for number in rounds(STARTS):
        started = clock()
        runtimes.start(number + 1)
        runtimes.result()
        samples.append(clock() - started)
        runtimes.stop(number + 1)
        runtimes.result()
    record("start job to its result, image present", "one instance", samples, Target(p50=1200, p99=3000))


def test_killed_at_random_moments(
    environment: Environment,
    image_ref: str,
    record: Any,
    rounds: Callable[[int], Iterator[int]],
    rng: random.Random,
) -> None:
    """rtmanager is killed at a random moment of each start and stop; every result and event must be there exactly once."""
    runtimes = Runtimes(environment, image_ref)
    wrong = []
    for number in rounds(KILLS):
        runtimes.start(number // 2) if number % 2 == 0 else runtimes.stop(number // 2)
        killing = threading.Timer(rng.uniform(0, _WITHIN_S), runtimes.process.kill)
        killing.start()
        killing.join()
        runtimes.process.restart()
        runtimes.result()
        games = number // 2 + 1
        expected = {"results": number + 1, "container_started": games, "container_exited": (number + 1) // 2}

        def told(expected: dict[str, int] = expected) -> bool:
            return (
                len(runtimes.all(schema.HEALTH_EVENTS))
                >= expected["container_started"] + expected["container_exited"]
            )

        until("every event is there", told, timeout=_RESULT_S)
        kinds = Counter(each["event_type"] for each in runtimes.all(schema.HEALTH_EVENTS))
        found = {"results": len(runtimes.all(schema.JOB_RESULTS)), **kinds}
        wrong.append(
            float({name: found.get(name, 0) for name in expected} != expected or len(found) > len(expected))
        )
        containers = runtimes.dock.containers(
            {"seatrial.rtmanager.game_id": f"{runtimes.prefix}-{number // 2}"}
        )
        assert len(containers) == 1
    record("lost or doubled, of 1 kill", "one instance", wrong, Target(p99=0))
    assert sum(wrong) == 0
