"""What does a test pay for an environment it does not use, and for an empty store?"""

from pathlib import Path
from typing import Any

from pytest_benchmark.fixture import BenchmarkFixture

from seatrial import Environment
from series import Target


def _milliseconds(benchmark: BenchmarkFixture) -> list[float]:
    assert benchmark.stats is not None
    return [seconds * 1000 for seconds in benchmark.stats.stats.data]


def test_an_empty_environment(benchmark: BenchmarkFixture, record: Any, tmp_path: Path) -> None:
    """Set-up, tear-down and leak audit of an environment in which nothing is started."""

    def empty() -> None:
        with Environment.open(name="empty", artifacts=tmp_path / "artifacts"):
            pass

    benchmark.pedantic(empty, rounds=500, warmup_rounds=5)
    record(
        "an empty environment, with leak audit", "seatrial", _milliseconds(benchmark), Target(p50=5, p99=20)
    )


def test_a_reset_store(benchmark: BenchmarkFixture, record: Any, environment: Environment) -> None:
    """Reset of a Valkey with 200 keys, a stream and a script in it, and the proof that it is empty."""
    store = environment.valkey
    client = store.client()

    def fill() -> None:
        with client.pipeline(transaction=False) as pipeline:
            for index in range(200):
                pipeline.set(f"key:{index}", "value")
            pipeline.xadd("stream", {"field": "value"})
            pipeline.script_load("return 1")
            pipeline.execute()

    benchmark.pedantic(store.reset, setup=fill, rounds=500, warmup_rounds=5)
    assert client.dbsize() == 0
    record("Valkey reset, proven empty", "seatrial", _milliseconds(benchmark), Target(p50=2))
