"""Counters, gauges and histograms, and their text in Prometheus' format 0.0.4.

Not prometheus_client: it is imported at boot even by a service that is never scraped, at 53 ms where this costs next to
nothing (see README.md for the runs). Values live in the event loop's thread; reading them from another is safe, changing
them is not.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Final, TypeVar

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

#: Seconds; from a cache hit to a timeout.
DEFAULT_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

Labels = tuple[str, ...]


def _escape(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n")


def _render_labels(names: Sequence[str], values: Sequence[str]) -> str:
    if not names:
        return ""
    pairs = ",".join(
        '{}="{}"'.format(name, _escape(value).replace('"', r"\""))
        for name, value in zip(names, values, strict=True)
    )
    return "{" + pairs + "}"


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


class Metric:
    """A named family of values, one for each combination of its labels' values."""

    kind = "untyped"

    def __init__(self, name: str, help: str, labels: Sequence[str] = ()) -> None:
        self.name = name
        self.help = help
        self.labels = tuple(labels)

    def _key(self, values: Sequence[str]) -> Labels:
        if len(values) != len(self.labels):
            raise ValueError(f"{self.name} has the labels {self.labels}, got {len(values)} values")
        return tuple(values)

    def samples(self) -> Iterator[str]:
        """Give the lines of the values."""
        raise NotImplementedError

    def render(self) -> Iterator[str]:
        """Give every line of this family."""
        yield f"# HELP {self.name} {_escape(self.help)}"
        yield f"# TYPE {self.name} {self.kind}"
        yield from self.samples()


class _Single(Metric):
    def __init__(self, name: str, help: str, labels: Sequence[str] = ()) -> None:
        super().__init__(name, help, labels)
        self._values: dict[Labels, float] = {} if labels else {(): 0.0}

    def value(self, *labels: str) -> float:
        """Give the value now; 0 if it was never touched."""
        return self._values.get(self._key(labels), 0.0)

    def samples(self) -> Iterator[str]:
        """Give a line for each combination of labels."""
        for values, number in self._values.items():
            yield f"{self.name}{_render_labels(self.labels, values)} {_number(number)}"


class Counter(_Single):
    """Only grows. Its name ends in ``_total``."""

    kind = "counter"

    def inc(self, *labels: str, by: float = 1) -> None:
        """Add ``by``, which must not be negative."""
        if by < 0:
            raise ValueError(f"{self.name} is a counter and cannot fall by {-by}")
        key = self._key(labels)
        self._values[key] = self._values.get(key, 0.0) + by


class Gauge(_Single):
    """Goes up and down."""

    kind = "gauge"

    def set(self, value: float, *labels: str) -> None:
        """Set the value."""
        self._values[self._key(labels)] = value

    def inc(self, *labels: str, by: float = 1) -> None:
        """Add ``by``, which may be negative."""
        key = self._key(labels)
        self._values[key] = self._values.get(key, 0.0) + by


class Histogram(Metric):
    """Counts observations by upper bound."""

    kind = "histogram"

    def __init__(
        self, name: str, help: str, labels: Sequence[str] = (), buckets: Sequence[float] = DEFAULT_BUCKETS
    ) -> None:
        super().__init__(name, help, labels)
        self.buckets = tuple(sorted(buckets))
        self._counts: dict[Labels, list[int]] = {}
        self._sums: dict[Labels, float] = {}

    def observe(self, value: float, *labels: str) -> None:
        """Count one observation."""
        key = self._key(labels)
        counts = self._counts.get(key)
        if counts is None:
            counts = self._counts[key] = [0] * (len(self.buckets) + 1)
            self._sums[key] = 0.0
        counts[bisect_left(self.buckets, value)] += 1
        self._sums[key] += value

    def samples(self) -> Iterator[str]:
        """Give the lines of the buckets, the sum and the count."""
        names = (*self.labels, "le")
        for values, counts in self._counts.items():
            total = 0
            for bound, count in zip((*map(_number, self.buckets), "+Inf"), counts, strict=True):
                total += count
                yield f"{self.name}_bucket{_render_labels(names, (*values, bound))} {total}"
            rendered = _render_labels(self.labels, values)
            yield f"{self.name}_sum{rendered} {self._sums[values]!r}"
            yield f"{self.name}_count{rendered} {total}"


M = TypeVar("M", bound=Metric)


class Registry:
    """A process' metrics."""

    def __init__(self) -> None:
        self._metrics: dict[str, Metric] = {}

    def _add(self, metric: M) -> M:
        present = self._metrics.setdefault(metric.name, metric)
        if type(present) is not type(metric) or present.labels != metric.labels:
            raise ValueError(f"metric {metric.name} is declared twice, with another kind or other labels")
        return present

    def counter(self, name: str, help: str, labels: Sequence[str] = ()) -> Counter:
        """Give the counter of that name. Raises ValueError if the name is taken by another kind of metric."""
        return self._add(Counter(name, help, labels))

    def gauge(self, name: str, help: str, labels: Sequence[str] = ()) -> Gauge:
        """Give the gauge of that name. Raises ValueError if the name is taken by another kind of metric."""
        return self._add(Gauge(name, help, labels))

    def histogram(
        self, name: str, help: str, labels: Sequence[str] = (), buckets: Sequence[float] = DEFAULT_BUCKETS
    ) -> Histogram:
        """Give the histogram of that name. Raises ValueError if the name is taken by another kind of metric."""
        return self._add(Histogram(name, help, labels, buckets))

    def render(self) -> bytes:
        """Give the text that a scrape gets."""
        lines = [line for metric in self._metrics.values() for line in metric.render()]
        return ("\n".join(lines) + "\n").encode() if lines else b""
