"""A named series of measured durations and the percentiles that may be said of it."""

import json
import math
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

SMALLEST_FOR_P99 = 100
"""Below this many samples a 99th percentile is the maximum under another name, so it is refused."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a series is meant to stay within; ``None`` where nothing was promised. Milliseconds."""

    p50: float | None = None
    p99: float | None = None

    def misses(self, series: "Series") -> list[str]:
        """The promises that ``series`` breaks, as sentences."""
        promised = (("p50", 50, self.p50), ("p99", 99, self.p99))
        return [
            f"{series.name}: {label} {series.percentile(rank):.2f} ms is over the target of {bound:g} ms"
            for label, rank, bound in promised
            if bound is not None and series.percentile(rank) > bound
        ]


@dataclass(frozen=True, slots=True)
class Series:
    """Samples of one question, in milliseconds, in the order in which they were taken.

    Args:
        question: the figure this series answers; series with the same question are drawn side by side.
        subject: whose samples these are (``seatrial``, a peer, ``cold`` ...).
        samples: at least one duration in milliseconds.
        target: the promise, if there is one.
    """

    question: str
    subject: str
    samples: tuple[float, ...]
    target: Target = field(default_factory=Target)

    def __post_init__(self) -> None:
        if not self.samples:
            raise ValueError(f"{self.name}: no samples were taken")

    @property
    def name(self) -> str:
        """Question and subject, as the results name it."""
        return f"{self.question} [{self.subject}]"

    def percentile(self, rank: float) -> float:
        """The smallest sample that at least ``rank`` per cent of the samples do not exceed (nearest rank).

        Raises:
            ValueError: for a rank outside 0..100, and for ranks over 95 with fewer than 100 samples.
        """
        if not 0 < rank <= 100:
            raise ValueError(f"a percentile's rank lies in (0, 100], not {rank}")
        if rank > 95 and len(self.samples) < SMALLEST_FOR_P99:
            raise ValueError(
                f"{self.name}: p{rank:g} of {len(self.samples)} samples says nothing; "
                f"take at least {SMALLEST_FOR_P99}"
            )
        ordered = sorted(self.samples)
        return ordered[math.ceil(rank / 100 * len(ordered)) - 1]

    def summary(self) -> dict[str, Any]:
        """The figures of this series as plain data; ``p99`` is null where there are too few samples."""
        enough = len(self.samples) >= SMALLEST_FOR_P99
        return {
            "question": self.question,
            "subject": self.subject,
            "unit": "ms",
            "n": len(self.samples),
            "p50": self.percentile(50),
            "p95": self.percentile(95),
            "p99": self.percentile(99) if enough else None,
            "max": max(self.samples),
            "stdev": statistics.pstdev(self.samples),
            "target": {"p50": self.target.p50, "p99": self.target.p99},
            "samples": list(self.samples),
        }


def machine() -> dict[str, Any]:
    """What the figures were taken on: interpreter, kernel, cores, load and the revision of the tree."""
    revision = subprocess.run(
        ["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False
    ).stdout.strip()
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "implementation": sys.implementation.name,
        "kernel": platform.release(),
        "cores": os.cpu_count(),
        "load_average": os.getloadavg(),
        "revision": revision or None,
    }


def write_results(path: Path, series: Iterable[Series]) -> None:
    """Write every series with its raw samples to ``path`` as JSON; the file appears whole or not at all."""
    document = {"machine": machine(), "series": [one.summary() for one in series]}
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    partial.replace(path)


def table(series: Sequence[Series]) -> list[str]:
    """The series as lines of text: n, p50, p95, p99 and the target, in milliseconds."""
    width = max((len(one.name) for one in series), default=0)
    lines = [
        f"{'figure (milliseconds)':{width}}  {'n':>5} {'p50':>9} {'p95':>9} {'p99':>9} {'max':>9}  target"
    ]
    for one in series:
        figures = one.summary()
        p99 = "-" if figures["p99"] is None else f"{figures['p99']:.2f}"
        wanted = [f"{k} <= {v:g}" for k, v in figures["target"].items() if v is not None]
        lines.append(
            f"{one.name:{width}}  {figures['n']:>5} {figures['p50']:>9.2f} {figures['p95']:>9.2f} {p99:>9}"
            f" {figures['max']:>9.2f}  {', '.join(wanted) or '-'}"
        )
    return lines
