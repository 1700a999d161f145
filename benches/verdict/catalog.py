"""Which metrics a comparison knows, and how each is sampled."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

Unit = Literal["ms", "bytes"]
RigName = Literal["boots", "platform", "runtime"]

LEAST_TIME: Final = 0.05
"""Of a median duration: a smaller difference is not worth anybody's time, and two runs of one build can differ by that."""
LEAST_TAIL: Final = 0.25
"""Of a p95, which moves more from run to run."""
LEAST_MEMORY: Final = 0.03
TAIL_RANK: Final = 95
_ENOUGH_FOR_TAIL: Final = 20
"""Samples of an epoch of which a p95 is not the maximum."""

SERVICES: Final = ("gateway", "authsession", "lobby", "notification", "rtmanager")
IN_PLATFORM: Final = SERVICES[:-1]
SUBSCRIBERS: Final = (1, 10, 100)
DOCKER: Final = "docker"


class UnknownMetric(Exception):
    """A metric that the catalogue does not have; names those that it has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One figure of which both versions have samples.

    `samples` are those of one version in one epoch, of which `pairs` blocks are taken in turns; `warm_up` are thrown away before.
    """

    name: str
    group: str
    title: str
    rig: RigName
    samples: int
    pairs: int = 1
    warm_up: int = 0
    unit: Unit = "ms"
    quick: bool = False
    """Whether it is part of the small set: of `--quick`, and of proofs that repeat whole comparisons."""
    capability: str | None = None
    """What a machine must have for it."""

    def __post_init__(self) -> None:
        if self.samples % self.pairs:
            raise ValueError(
                f"{self.name}: {self.samples} samples cannot be split into {self.pairs} equal blocks"
            )

    @property
    def least(self) -> float:
        """The smallest share by which a median must change to be called a change."""
        return LEAST_TIME if self.unit == "ms" else LEAST_MEMORY

    @property
    def ranks(self) -> tuple[int, ...]:
        """The percentiles that are tested: the median, and the tail where there are samples enough in every epoch."""
        return (50, TAIL_RANK) if self.samples >= _ENOUGH_FOR_TAIL else (50,)

    def least_of(self, rank: int) -> float:
        """The smallest share by which that percentile must change."""
        return LEAST_TAIL if rank == TAIL_RANK else self.least


def _boot(service: str, mode: str, samples: int) -> Metric:
    return Metric(
        name=f"boot_{mode}_{service}",
        group="boot",
        title=f"{service}: spawn to READY, {mode}",
        rig="boots",
        samples=samples,
        pairs=2,
        quick=(service, mode) == ("gateway", "warm"),
    )


def _memory(service: str, state: str) -> Metric:
    return Metric(
        name=f"memory_{state}_{service}",
        group="memory",
        title=f"{service}: proportional set size {'at rest' if state == 'rest' else 'under load'}",
        rig="platform" if service in IN_PLATFORM else "runtime",
        samples=1,
        unit="bytes",
        capability=None if service in IN_PLATFORM else DOCKER,
    )


METRICS: Final[tuple[Metric, ...]] = (
    *(_boot(service, "cold", 2) for service in SERVICES),
    *(_boot(service, "warm", 4) for service in SERVICES),
    *(_memory(service, "rest") for service in IN_PLATFORM),
    Metric(
        name="sign_in",
        group="sign-in",
        title="sign-in: a code asked for, mailed and confirmed",
        rig="platform",
        samples=20,
        pairs=4,
        warm_up=3,
        quick=True,
    ),
    Metric(
        name="command",
        group="command",
        title="command: device, gateway, lobby, and back",
        rig="platform",
        samples=40,
        pairs=4,
        warm_up=10,
        quick=True,
    ),
    *(
        Metric(
            name=f"push_{count}",
            group="push",
            title=f"push: event in the stream until seen by {count} of {count} subscribers",
            rig="platform",
            samples=20 if count < 100 else 12,
            pairs=4,
            warm_up=5,
            quick=count < 100,
        )
        for count in SUBSCRIBERS
    ),
    Metric(
        name="intent_push",
        group="intent",
        title="intent to push",
        rig="platform",
        samples=20,
        pairs=4,
        warm_up=5,
        quick=True,
    ),
    Metric(
        name="intent_mail",
        group="intent",
        title="intent to mail command",
        rig="platform",
        samples=20,
        pairs=4,
        warm_up=3,
    ),
    *(_memory(service, "load") for service in IN_PLATFORM),
    _memory("rtmanager", "rest"),
    Metric(
        name="job_start",
        group="job",
        title="start job to its result, image present",
        rig="runtime",
        samples=2,
        pairs=2,
        warm_up=1,
        capability=DOCKER,
    ),
    _memory("rtmanager", "load"),
)
"""Every metric, in the order in which a rig's are measured: memory at rest comes first, under load last."""

BY_NAME: Final = {metric.name: metric for metric in METRICS}


def choose(names: Iterable[str] = (), *, quick: bool = False) -> tuple[Metric, ...]:
    """The metrics of these names, in the catalogue's order; without names all, or the small set. Raises UnknownMetric."""
    wanted = set(names)
    if unknown := sorted(wanted - BY_NAME.keys()):
        raise UnknownMetric(
            f"--metric {unknown[0]}: there is no such metric (one of: {', '.join(BY_NAME)}; `--list` tells more)"
        )
    return tuple(
        metric for metric in METRICS if (metric.name in wanted if wanted else metric.quick or not quick)
    )


def hypotheses(metrics: Sequence[Metric]) -> int:
    """How many percentiles are tested in a comparison of these."""
    return sum(len(metric.ranks) for metric in metrics)
