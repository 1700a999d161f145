"""budgets.toml: what no version may exceed on any machine. Wide, and only a guard: the verdict is the comparison's."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from verdict.catalog import METRICS, Metric
from verdict.inference import Quantile

FILE: Final = Path(__file__).parents[1] / "budgets.toml"
_MIB: Final = 1 << 20
_KEYS: Final = {"ms": ("p50_ms", "p99_ms"), "bytes": ("max_mib",)}


class BudgetError(Exception):
    """A budget that cannot be used; names the metric, the reason and the remedy."""


@dataclass(frozen=True, slots=True)
class Budget:
    """Bounds of one metric, in its unit. A bound that is None is none."""

    reason: str
    p50: float | None = None
    p99: float | None = None
    most: float | None = None

    def misses(self, quantiles: Mapping[int, Quantile], largest: float) -> list[str]:
        """Which bounds a version's figures exceed, as sentences. A p99 that the samples do not bear is not held to its bound."""
        values = {rank: each.value for rank, each in quantiles.items()}
        return [
            f"{what} {value:.1f} ms is over the budget of {bound:g} ms"
            for what, value, bound in (("p50", values[50], self.p50), ("p99", values.get(99), self.p99))
            if bound is not None and value is not None and value > bound
        ] + (
            [f"{largest / _MIB:.1f} MiB is over the budget of {self.most / _MIB:g} MiB"]
            if self.most is not None and largest > self.most
            else []
        )


def load(path: Path = FILE, metrics: tuple[Metric, ...] = METRICS) -> dict[str, Budget]:
    """The budget of every metric. Raises BudgetError unless each has exactly one, with its bounds and a reason."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BudgetError(f"{path}: {error.strerror}") from None
    except tomllib.TOMLDecodeError as error:
        raise BudgetError(f"{path}: {error}") from None
    known = {metric.name: metric for metric in metrics}
    if unknown := sorted(document.keys() - known.keys()):
        raise BudgetError(f"{path}: [{unknown[0]}] is no metric (one of: {', '.join(known)})")
    if missing := [name for name in known if name not in document]:
        raise BudgetError(f"{path}: [{missing[0]}] is missing: every metric has a budget")
    return {name: _budget(path, metric, document[name]) for name, metric in known.items()}


def _budget(path: Path, metric: Metric, table: Any) -> Budget:
    keys = {*_KEYS[metric.unit], "reason"}
    if not isinstance(table, dict) or table.keys() != keys:
        raise BudgetError(f"{path}: [{metric.name}] must have exactly {', '.join(sorted(keys))}")
    reason = table["reason"]
    if not isinstance(reason, str) or not reason.strip():
        raise BudgetError(f"{path}: [{metric.name}] needs a reason in words")
    bounds = {key: table[key] for key in _KEYS[metric.unit]}
    for key, value in bounds.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
            raise BudgetError(f"{path}: [{metric.name}] {key} must be a number above 0, not {value!r}")
    if metric.unit == "bytes":
        return Budget(reason, most=bounds["max_mib"] * _MIB)
    if bounds["p99_ms"] < bounds["p50_ms"]:
        raise BudgetError(f"{path}: [{metric.name}] p99_ms is below p50_ms")
    return Budget(reason, p50=bounds["p50_ms"], p99=bounds["p99_ms"])
