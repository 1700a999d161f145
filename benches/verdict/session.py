"""A session: two trees, their drivers, and one or several comparisons of them."""

import dataclasses
import math
import os
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from seatrial import tier
from seatrial.builds.buildcache import cache_directory
from seatrial.rules import capability
from seatrial.rules import seed as seeds
from verdict import comparison, inference, outcome
from verdict.budgets import Budget
from verdict.catalog import Metric, hypotheses
from verdict.comparison import SIDES, Samples
from verdict.judgement import LEVEL, Judged, judge, refuse
from verdict.progress import Progress
from verdict.side import Side, driver_command
from verdict.trees import Tree

ROOT: Final = Path(__file__).parents[2]
_SEEDS: Final = 1 << 32


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured, and how often."""

    metrics: tuple[Metric, ...]
    refused: tuple[Judged, ...]
    """Metrics that this machine cannot give."""
    epochs: int
    capabilities: tuple[str, ...]


def new_seed() -> int:
    """A seed for a session that was given none."""
    return secrets.randbelow(_SEEDS)


def plan(
    wanted: Sequence[Metric],
    *,
    samples: int | None = None,
    root: Path = ROOT,
    absence: Callable[[str], capability.Absence | None] = capability.probe,
) -> Plan:
    """How often the metrics are sampled: in as many epochs as a verdict on each takes; `samples` of each duration at least.

    A metric whose capability this machine lacks is refused; whether that is red says the tier's entry in tiers.toml.
    """
    here, refused, present = [], [], []
    for name in dict.fromkeys(metric.capability for metric in wanted):
        missing = None if name is None else absence(name)
        if name is not None and missing is None:
            present.append(name)
        for metric in wanted:
            if metric.capability != name:
                continue
            if missing is None:
                here.append(metric)
            else:
                refused.append(refuse(metric, str(missing), mandatory=_mandatory(root, missing.capability)))
    metrics = [metric for metric in wanted if metric in here]
    epochs = inference.epochs_for(hypotheses(metrics), LEVEL)
    if samples is not None:
        metrics = [_sampled(metric, math.ceil(samples / epochs)) for metric in metrics]
        epochs = inference.epochs_for(hypotheses(metrics), LEVEL)
    return Plan(tuple(metrics), tuple(refused), epochs, tuple(present))


def _sampled(metric: Metric, in_epoch: int) -> Metric:
    if metric.unit == "bytes":
        return metric
    return dataclasses.replace(metric, samples=math.ceil(in_epoch / metric.pairs) * metric.pairs)


def _mandatory(root: Path, name: str) -> bool:
    return tier.load(root / tier.FILE_NAME)[outcome.TIER].mandatory(name, tier.Lane.current())


@contextmanager
def drivers(
    trees: Mapping[str, Tree], artifacts: Path, planned: Plan, say: Callable[[str], None]
) -> Iterator[dict[str, Side]]:
    """A driver for each version, with its binaries built. Raises DriverFailed and Refused."""
    path = [ROOT / "benches", ROOT / "integration", ROOT / "integration" / "harness"]
    cache = cache_directory(ROOT / "services" / "gateway")
    with ExitStack() as stack:
        sides = {
            side: stack.enter_context(
                Side(
                    side,
                    command=driver_command(artifacts / f"driver-{side}"),
                    variables={
                        "SEATRIAL_SERVICES": str(trees[side].services),
                        "SEATRIAL_CACHE": str(cache),
                        "PYTHONPATH": os.pathsep.join(map(str, path)),
                        "PYTHONUNBUFFERED": "1",
                    },
                    log=artifacts / f"driver-{side}.log",
                    say=say,
                )
            )
            for side in SIDES
        }
        for side in sides.values():
            side.build(planned.capabilities)
        yield sides


def compare(
    sides: Mapping[str, Side],
    planned: Plan,
    budgets: Mapping[str, Budget],
    *,
    seed: int,
    progress: Progress,
) -> tuple[Samples, list[Judged]]:
    """One comparison: its samples, and the verdict on every metric that was wanted. Raises DriverFailed."""
    progress.begin(planned.epochs)
    samples = comparison.run(
        sides,
        planned.metrics,
        epochs=planned.epochs,
        rng=seeds.generator(seed, outcome.PROGRAM),
        progress=progress.step,
    )
    return samples, [*judge(samples, planned.metrics, budgets, seed=seed), *planned.refused]
