"""Durations in high dynamic range histograms (HdrHistogram): exact to three digits, cheap to record, added up without loss."""

from collections.abc import Iterable
from typing import Final, Self

from hdrh.histogram import HdrHistogram  # type: ignore[import-untyped]

_LEAST_US: Final = 1
_MOST_US: Final = 600 * 1_000_000
_DIGITS: Final = 3


class Histogram:
    """A number of durations. They are recorded in seconds, from a microsecond to ten minutes, and read in milliseconds."""

    def __init__(self, encoded: str | None = None) -> None:
        self._counts = HdrHistogram(_LEAST_US, _MOST_US, _DIGITS)
        if encoded is not None:
            self._counts.decode_and_add(encoded.encode())

    def record(self, seconds: float) -> None:
        """One more; a duration out of the range counts as the nearest end of it."""
        self._counts.record_value(min(max(round(seconds * 1e6), _LEAST_US), _MOST_US))

    def __len__(self) -> int:
        return int(self._counts.get_total_count())

    def percentile(self, rank: float) -> float:
        """The least duration, in ms, that `rank` percent of all do not exceed (nearest rank); raises ValueError when empty."""
        if not len(self):
            raise ValueError("there is no percentile of nothing")
        return float(self._counts.get_value_at_percentile(rank)) / 1000.0

    @property
    def largest(self) -> float:
        """In ms; raises ValueError when empty."""
        return self.percentile(100.0)

    def encoded(self) -> str:
        """The standard compressed form, base64: other tools read it too."""
        text: bytes = self._counts.encode()
        return text.decode()

    @classmethod
    def total(cls, encoded: Iterable[str]) -> Self:
        """All durations of several encoded histograms."""
        whole = cls()
        for each in encoded:
            whole._counts.decode_and_add(each.encode())
        return whole
