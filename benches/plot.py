"""Draws measured series: one panel a question, one cumulative curve a subject."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from series import Series

matplotlib.use("agg")


def draw(series: Sequence[Series], path: Path) -> None:
    """Write a PNG with the empirical distribution of every series; ``path`` is replaced whole.

    A curve further left is faster, a steeper one steadier. Targets are the dotted lines.
    """
    questions: dict[str, list[Series]] = defaultdict(list)
    for one in series:
        questions[one.question].append(one)
    columns = min(3, len(questions))
    rows = -(-len(questions) // columns)
    figure = Figure(figsize=(6 * columns, 3.6 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis, (question, subjects) in zip(axes, questions.items(), strict=False):
        slowest, fastest = 0.0, float("inf")
        for one in subjects:
            ordered = sorted(one.samples)
            share = [(index + 1) / len(ordered) * 100 for index in range(len(ordered))]
            label = f"{one.subject}: p50 {one.percentile(50):.2f}, n={len(ordered)}"
            (line,) = axis.step(ordered, share, where="post", label=label)
            slowest, fastest = max(slowest, ordered[-1]), min(fastest, ordered[0])
            for bound, rank in ((one.target.p50, 50), (one.target.p99, 99)):
                if bound is not None:
                    axis.axvline(bound, linestyle=":", linewidth=1, color=line.get_color())
                    axis.plot([bound], [rank], marker="x", color=line.get_color())
        if fastest > 0 and slowest / fastest > 30:
            axis.set_xscale("log")
        axis.set_title(question, fontsize=10)
        axis.set_xlabel("milliseconds")
        axis.set_ylabel("% of samples")
        axis.set_ylim(0, 101)
        axis.grid(alpha=0.3)
        axis.legend(fontsize=8, loc="lower right")
    for axis in axes[len(questions) :]:
        axis.set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial.png")
    figure.savefig(partial, dpi=110)
    partial.replace(path)
