"""The plots of a probe, as PNG files."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, PercentFormatter

from outcome import Outcome
from sampling import Sample
from step import Measured

matplotlib.use("agg")

_COLOURS: Final = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#e69f00",
    "#56b4e9",
    "#7f3c8d",
    "#4d4d4d",
    "#a6761d",
    "#999999",
)
"""Told apart by those who do not see red and green alike (Okabe and Ito, 2008), and three more."""
_KNEE: Final = "#009e73"
_LIMIT: Final = "#b00020"
_SIZE: Final = (9.0, 4.6)
_DPI: Final = 120
_LATENCIES: Final = ((50.0, "#56b4e9"), (90.0, "#0072b2"), (95.0, "#7f3c8d"), (99.0, "#d55e00"))
_RANKS: Final = (0, 50, 75, 90, 95, 98, 99, 99.5, 99.9, 99.99)

TITLES: Final = {
    "throughput": "Offered and achieved throughput",
    "latency": "Response time by offered rate",
    "errors": "Failed actions by offered rate",
    "distribution": "Distribution of the response times",
    "cpu": "CPU of each process over time",
    "memory": "Resident memory of each process over time",
}


def draw(outcome: Outcome, folder: Path) -> list[str]:
    """Writes `<name>.png` for each plot that there are figures for; their names, in the order of TITLES."""
    made = []
    for name, plot in _PLOTS.items():
        figure = Figure(figsize=_SIZE, layout="constrained")
        axes = figure.subplots()
        if not plot(outcome, axes):
            continue
        axes.set_title(TITLES[name], fontsize=12, fontweight="bold", loc="left")
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        partial = folder / f".{name}.partial.png"
        figure.savefig(partial, dpi=_DPI)
        partial.replace(folder / f"{name}.png")
        made.append(name)
    return made


def _throughput(outcome: Outcome, axes: Axes) -> bool:
    ramp = outcome.ramp
    if not ramp:
        return False
    knee = outcome.knee
    most = max(step.offered for step in ramp) * 1.06
    axes.plot([0, most], [0, most], color="#999999", linestyle="--", linewidth=1, label="all that is offered")
    if knee.saturation is not None:
        along = np.linspace(0, most, 200)
        axes.plot(
            along,
            [knee.saturation.at(float(each)) for each in along],
            color=_COLOURS[4],
            linewidth=2,
            label=f"fit: saturates at {knee.saturation.rate:.0f}/s",
        )
    good = [step for step in ramp if not step.misses(outcome.objective)]
    bad = [step for step in ramp if step.misses(outcome.objective)]
    for steps, colour, marker, label in (
        (good, _COLOURS[0], "o", "step within the objective"),
        (bad, _LIMIT, "X", "step out of it"),
    ):
        if steps:
            x, y = [step.offered for step in steps], [step.achieved for step in steps]
            axes.plot(x, y, marker, color=colour, markersize=7, label=label)
    _mark_knee(outcome, axes)
    _rates(axes, most)
    axes.set_ylabel("done, actions/s")
    axes.set_ylim(0, None)
    axes.legend(fontsize=9, loc="upper left")
    return True


def _latency(outcome: Outcome, axes: Axes) -> bool:
    ramp = outcome.ramp
    if not ramp:
        return False
    for rank, colour in _LATENCIES:
        points = [(step.offered, value) for step in ramp if (value := step.percentile(rank)) is not None]
        if points:
            axes.plot(*zip(*points, strict=True), "o-", color=colour, markersize=4, label=f"p{rank:g}")
    points = [(s.offered, value) for s in ramp if (value := s.percentile(99.0, s.service)) is not None]
    if points:
        label = "p99 from sent to done"
        axes.plot(*zip(*points, strict=True), ":", color="#d55e00", linewidth=1.2, label=label)
    limit = outcome.objective.p99_ms
    axes.axhline(limit, color=_LIMIT, linewidth=1, linestyle="--", label=f"objective: p99 {limit:g} ms")
    _logarithmic(axes)
    _mark_knee(outcome, axes)
    _rates(axes, max(step.offered for step in ramp) * 1.06)
    axes.set_ylabel("ms, from due to done (logarithmic)")
    axes.legend(fontsize=9, loc="upper left")
    return True


def _errors(outcome: Outcome, axes: Axes) -> bool:
    ramp = outcome.ramp
    if not ramp:
        return False
    kinds = sorted({kind for step in ramp for kind in step.failures})
    x = np.array([step.offered for step in ramp])
    width = 0.6 * (float(np.min(np.diff(x))) if len(x) > 1 else 0.2 * float(x[0]))
    bottom = np.zeros(len(ramp))
    for index, kind in enumerate(kinds):
        share = np.array([step.failures.get(kind, 0) / step.due if step.due else 0.0 for step in ramp])
        axes.bar(x, share, width, bottom=bottom, color=_COLOURS[index % len(_COLOURS)], label=kind)
        bottom += share
    limit = outcome.objective.error_share
    axes.axhline(limit, color=_LIMIT, linewidth=1, linestyle="--", label=f"objective: {limit:.1%}")
    if not kinds:
        axes.text(
            0.5, 0.5, "no action failed", transform=axes.transAxes, ha="center", fontsize=12, color="#555555"
        )
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_ylim(0, max(float(bottom.max()) * 1.1, limit * 2, 0.001))
    _mark_knee(outcome, axes)
    _rates(axes, float(x.max()) * 1.06)
    axes.set_ylabel("of the actions that were due")
    axes.legend(fontsize=9, loc="upper left")
    return True


def _distribution(outcome: Outcome, axes: Axes) -> bool:
    shown = _telling(outcome)
    for index, (label, step) in enumerate(shown):
        most = 100.0 * (1 - 1 / max(2, len(step.response)))  # one sample of all lies behind it
        ranks = [*(rank for rank in _RANKS if rank < most), most]
        x = [_nines(rank) for rank in ranks]
        y = [step.response.percentile(rank) for rank in ranks]
        text = f"{label}: {step.offered:.0f}/s,\nn={len(step.response)}"
        axes.plot(x, y, "o-", markersize=3, color=_COLOURS[index], label=text)
    _logarithmic(axes)
    axes.set_xticks([_nines(rank) for rank in _RANKS[1:] if rank not in (75, 98)])
    axes.set_xticklabels([f"p{rank:g}" for rank in _RANKS[1:] if rank not in (75, 98)])
    axes.set_ylabel("ms, from due to done (logarithmic)")
    if shown:
        axes.legend(fontsize=9, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    return bool(shown)


def _telling(outcome: Outcome) -> list[tuple[str, Measured]]:
    """The steps whose distributions say most."""
    knee = outcome.knee
    found: dict[int, tuple[str, Measured]] = {}
    for label, step in (
        ("the knee", knee.sustained),
        ("first beyond", knee.broken),
        ("first", outcome.ramp[0] if outcome.ramp else None),
        ("last", outcome.ramp[-1] if outcome.ramp else None),
        ("recovery", outcome.recovery),
    ):
        if step is not None and len(step.response) > 1:
            found.setdefault(step.step.index, (label, step))
    return [found[index] for index in sorted(found)]


def _nines(rank: float) -> float:
    return float(-np.log10(1 - rank / 100.0))


def _cpu(outcome: Outcome, axes: Axes) -> bool:
    drawn = _over_time(outcome, axes, lambda sample: sample.cores)
    axes.set_ylabel("cores (CPU seconds a second)")
    return drawn


def _memory(outcome: Outcome, axes: Axes) -> bool:
    drawn = _over_time(outcome, axes, lambda sample: sample.rss_mib)
    axes.set_ylabel("MiB")
    return drawn


def _over_time(outcome: Outcome, axes: Axes, value: Callable[[Sample], float]) -> bool:
    series: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for sample in outcome.samples:
        series[sample.name].append((sample.at_s, value(sample)))
    for index, (name, points) in enumerate(series.items()):
        style = "--" if name.startswith("locust") or name == "harness" else "-"
        colour = _COLOURS[index % len(_COLOURS)]
        axes.plot(*zip(*points, strict=True), style, color=colour, linewidth=1.5, label=name)
    if not series:
        return False
    axes.set_ylim(0, None)
    axes.set_xlabel("seconds since the probe began; shaded: measured, with the offered rate")
    if outcome.steps:
        first, last = outcome.steps[0], outcome.steps[-1]
        axes.set_xlim(first.began_s - first.step.warm_up_s - 3, last.began_s + last.measured_s + 3)
    top = axes.get_ylim()[1]
    _bands(outcome.steps, axes, top)
    axes.set_ylim(0, top * 1.08)
    axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    return True


def _bands(steps: Sequence[Measured], axes: Axes, top: float) -> None:
    for step in steps:
        end = step.began_s + step.measured_s
        axes.axvspan(
            step.began_s, end, color="#0072b2" if not step.step.recovery else _KNEE, alpha=0.07, linewidth=0
        )
        middle = (step.began_s + end) / 2
        axes.text(middle, top * 1.02, f"{step.step.rate:.0f}", ha="center", fontsize=7, color="#555555")


def _mark_knee(outcome: Outcome, axes: Axes) -> None:
    knee = outcome.knee.sustained
    if knee is not None and outcome.knee.broken is not None:
        axes.axvline(knee.offered, color=_KNEE, linewidth=1.5, alpha=0.8, label=f"knee: {knee.step.rate:g}/s")


def _logarithmic(axes: Axes) -> None:
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _rates(axes: Axes, most: float) -> None:
    axes.set_xlim(0, most)
    axes.set_xlabel("offered, actions/s")


_PLOTS: Final[dict[str, Callable[[Outcome, Axes], bool]]] = {
    "throughput": _throughput,
    "latency": _latency,
    "errors": _errors,
    "distribution": _distribution,
    "cpu": _cpu,
    "memory": _memory,
}
