"""Pictures of a comparison: for each metric the distributions of both versions, and its samples over time."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import matplotlib
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from verdict.comparison import BASE, CHANGED, SIDES, Samples
from verdict.judgement import Judged

matplotlib.use("agg")

COLOURS: Final = {BASE: "#4878a8", CHANGED: "#d1603d"}
_VERDICTS: Final = {"slower": "#b3261e", "faster": "#1b7f3b", "no evidence": "#555555"}
_MIB: Final = 1 << 20
_ROW_INCHES: Final = 2.7
_MOST_ZOOM: Final = 99.0
_WIDE: Final = 4
"""How many times the smallest value the largest is where an axis becomes logarithmic."""


def draw(judged: Sequence[Judged], samples: Samples, names: Mapping[str, str], directory: Path) -> list[Path]:
    """Write one PNG for each group of metrics that has samples; `names` says what the versions are. Answers the files."""
    groups: dict[str, list[Judged]] = {}
    for each in judged:
        if not each.reason:
            groups.setdefault(each.metric.group, []).append(each)
    directory.mkdir(parents=True, exist_ok=True)
    files = []
    for group, members in groups.items():
        path = directory / f"{group}.png"
        figure = Figure(figsize=(12, _ROW_INCHES * len(members) + 0.6), layout="constrained")
        axes = figure.subplots(len(members), 2, squeeze=False, width_ratios=(2, 3))
        for row, each in zip(axes, members, strict=True):
            _distribution(row[0], each, samples)
            _over_time(row[1], each, samples)
        figure.legend(
            handles=[
                Line2D([], [], color=COLOURS[side], marker="o", label=f"{side}: {names[side]}")
                for side in SIDES
            ],
            loc="outside upper left",
            ncols=2,
            frameon=False,
            fontsize=9,
        )
        partial = path.with_name(f"{path.name}.partial.png")
        figure.savefig(partial, dpi=100)
        partial.replace(path)
        files.append(path)
    return files


def _values(each: Judged, samples: Samples, side: str) -> list[float]:
    scale = _MIB if each.metric.unit == "bytes" else 1
    return [reading.value / scale for reading in samples.readings(each.metric.name, side)]


def _unit(each: Judged) -> str:
    return "MiB" if each.metric.unit == "bytes" else "ms"


def _distribution(axis: Axes, each: Judged, samples: Samples) -> None:
    """Cumulative curves up to the 99th percentile; the rest, a few strays, would press the others into a corner."""
    furthest = 0.0
    for side in SIDES:
        ordered = sorted(_values(each, samples, side))
        share = [(index + 1) / len(ordered) * 100 for index in range(len(ordered))]
        axis.step(ordered, share, where="post", color=COLOURS[side], linewidth=1.5)
        middle = each.quantiles[side][50].value / (_MIB if each.metric.unit == "bytes" else 1)
        axis.plot([middle], [50], marker="o", color=COLOURS[side], markersize=5)
        furthest = max(furthest, ordered[int(_MOST_ZOOM / 100 * (len(ordered) - 1))])
    nearest = min(min(_values(each, samples, side)) for side in SIDES)
    if furthest > nearest * _WIDE:
        axis.set_xscale("log")
        _plain(axis.xaxis)
        axis.set_xlim(nearest / 1.1, furthest * 1.1)
    else:
        margin = (furthest - nearest or furthest) * 0.05
        axis.set_xlim(nearest - margin, furthest + margin)
    axis.set_ylim(0, 101)
    axis.set_xlabel(_unit(each), fontsize=8)
    axis.set_ylabel("% of samples", fontsize=8)
    axis.set_title(each.metric.title, fontsize=9, loc="left")
    axis.tick_params(labelsize=8)
    axis.grid(alpha=0.25)


def _plain(axis: Axis) -> None:
    """Numbers as people write them, at few places."""
    axis.set_major_locator(LogLocator(base=10, subs=(1.0, 2.0, 5.0)))
    axis.set_major_formatter(FuncFormatter(lambda value, _place: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def _over_time(axis: Axes, each: Judged, samples: Samples) -> None:
    begin = min(block.readings[0].at for block in samples.blocks)
    for side in SIDES:
        minutes = [(reading.at - begin) / 60 for reading in samples.readings(each.metric.name, side)]
        axis.plot(
            minutes,
            _values(each, samples, side),
            linestyle="",
            marker=".",
            markersize=4 if each.metric.samples > 1 else 9,
            alpha=0.6,
            color=COLOURS[side],
        )
    values = [value for side in SIDES for value in _values(each, samples, side)]
    if max(values) > min(values) * _WIDE:
        axis.set_yscale("log")
        _plain(axis.yaxis)
    axis.set_xlabel("minutes since the first sample", fontsize=8)
    axis.set_ylabel(_unit(each), fontsize=8)
    axis.tick_params(labelsize=8)
    axis.grid(alpha=0.25)
    decisive = each.decisive
    if decisive is not None:
        text = f"{each.verdict}: p{decisive.rank} {decisive.effect.share:+.1%}"
        axis.set_title(text, fontsize=9, loc="right", color=_VERDICTS[each.verdict])


def strip(comparisons: Sequence[Sequence[Judged]], path: Path) -> None:
    """Write a PNG with the effects that many comparisons of the same two versions saw, beside what it takes to be called one."""
    names = [each.metric.name for each in comparisons[0] if each.tested]
    figure = Figure(figsize=(9, 0.55 * len(names) + 1.6), layout="constrained")
    axis = figure.subplots()
    for place, name in enumerate(names):
        for comparison in comparisons:
            each = next(each for each in comparison if each.metric.name == name)
            for tested in each.tested:
                offset = 0.0 if len(each.tested) == 1 else (-0.15 if tested.rank == 50 else 0.15)
                axis.plot(
                    [tested.effect.share * 100],
                    [place + offset],
                    marker="o" if tested.rank == 50 else "d",
                    linestyle="",
                    alpha=0.6,
                    color=_VERDICTS[tested.verdict],
                )
        least = comparisons[0][0].metric.least * 100
        axis.plot([-least, -least], [place - 0.4, place + 0.4], color="#999999", linewidth=1)
        axis.plot([least, least], [place - 0.4, place + 0.4], color="#999999", linewidth=1)
    axis.set_yticks(range(len(names)), names)
    axis.invert_yaxis()
    axis.axvline(0, color="#cccccc", linewidth=1, zorder=0)
    axis.set_xlabel(
        "difference in % (circle: median, diamond: p95; bars: the least median difference that counts)"
    )
    axis.set_title(f"{len(comparisons)} comparisons", fontsize=10, loc="left")
    axis.grid(axis="x", alpha=0.25)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial.png")
    figure.savefig(partial, dpi=100)
    partial.replace(path)
