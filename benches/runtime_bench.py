"""How soon does a start job have its result, and is anything lost or doubled when rtmanager is killed at any moment?"""

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from contracts.images import engine_image, engine_tag
from contracts.streams import schema
from runtimes import RESULT_S, Runtimes
from seatrial import Environment, until
from series import Target

pytestmark = pytest.mark.requires("docker")

STARTS = 100
KILLS = 200
#: A kill comes within this time after its job: a start and a stop take less, on an idle machine.
_WITHIN_S = 1.2


@pytest.fixture
def image_ref() -> Iterator[str]:
    """The engine, present before anything is measured."""
    with engine_tag(engine_image()) as reference:
        yield reference


def test_start_job_to_result(
    environment: Environment, image_ref: str, record: Any, rounds: Callable[[int], Iterator[int]]
) -> None:
    """From before the XADD of the job until a reader has its result; the engine answers by then. One game at a time."""
    runtimes = Runtimes(environment, image_ref)
    runtimes.started(0)
    samples = []
    for number in rounds(STARTS):
        samples.append(runtimes.started(number + 1))
        runtimes.stopped(number + 1)
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

        until("every event is there", told, timeout=RESULT_S)
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
