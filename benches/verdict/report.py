"""What a comparison came to, as a table for a terminal, for a CI job's page and for a browser, and as raw data."""

import base64
import dataclasses
import html
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from seatrial.results.reports import write_atomically
from verdict.comparison import CHANGED, SIDES, Samples
from verdict.inference import Interval, Quantile
from verdict.judgement import LEVEL, Judged

HEAD: Final = (
    "metric",
    "n",
    "A p50",
    "B p50",
    "A p95",
    "B p95",
    "A p99",
    "B p99",
    "difference",
    "p",
    "verdict",
)
_MIB: Final = 1 << 20
_STYLE: Final = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 84rem; padding: 0 1rem; color: #222; background: #fff }
table { border-collapse: collapse; width: 100%; font-size: 13px; font-variant-numeric: tabular-nums }
th, td { text-align: right; padding: .3rem .55rem; border-bottom: 1px solid #ddd; white-space: nowrap }
th:first-child, td:first-child, th:last-child, td:last-child { text-align: left }
td:last-child { white-space: normal }
td small { color: #777; display: block }
tr.slower td:last-child, tr.failed td:last-child, tr.over td:last-child { color: #b3261e; font-weight: 600 }
tr.faster td:last-child { color: #1b7f3b; font-weight: 600 }
img { max-width: 100%; margin: .5rem 0 1.5rem }
"""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """What a report is about."""

    names: Mapping[str, str]
    """What the versions are, by side."""
    machine: Mapping[str, Any]
    seed: int
    epochs: int
    command: str
    seconds: float

    @property
    def lines(self) -> list[str]:
        """Sentences for above the table."""
        machine = self.machine
        where = f"{machine['cores']} cores, kernel {machine['kernel']}, Python {machine['python']}"
        takes = "at least 5 % in a median, 25 % in a p95, 3 % in memory"
        return [
            *(f"{side}: {self.names[side]}" for side in SIDES),
            f"{self.epochs} epochs in {self.seconds:.0f} s, seed {self.seed}; {where}",
            f"Evidence is p <= {LEVEL:g} over all metrics together (Holm) and a difference of {takes}.",
        ]


def _number(value: float, unit: str) -> str:
    return f"{value / _MIB:.1f} MiB" if unit == "bytes" else f"{value:.2f} ms"


def _interval(interval: Interval, unit: str) -> str:
    scale = _MIB if unit == "bytes" else 1
    digits = 1 if unit == "bytes" else 2
    return f"[{interval.low / scale:.{digits}f}, {interval.high / scale:.{digits}f}]"


def _quantile(found: Quantile | None, unit: str) -> tuple[str, str]:
    return ("-", "") if found is None else (_number(found.value, unit), _interval(found.interval, unit))


def verdict_words(each: Judged) -> str:
    """The verdict with what made it, or why there is none."""
    if each.reason:
        return f"{each.verdict}: {each.reason}"
    words: str = each.verdict
    if each.metric.unit == "bytes":
        words = {"slower": "larger", "faster": "smaller"}.get(words, words)
    if each.verdict != "no evidence" and each.decisive is not None and each.decisive.rank != 50:
        words += f" (p{each.decisive.rank})"
    return "; ".join([words, *(f"OVER BUDGET: {miss}" for miss in each.over_budget)])


def cells(each: Judged) -> list[tuple[str, str]]:
    """A row below `HEAD`: each cell's figure and its interval."""
    unit, decisive = each.metric.unit, each.decisive
    row = [(each.metric.name, each.metric.title), (str(each.counts[CHANGED]) if each.counts else "-", "")]
    for rank in (50, 95, 99):
        row += [_quantile(each.quantiles.get(side, {}).get(rank), unit) for side in SIDES]
    if decisive is None:
        row += [("-", ""), ("-", "")]
    else:
        effect = decisive.effect
        row.append((f"{effect.share:+.1%}", f"[{effect.interval.low:+.1%}, {effect.interval.high:+.1%}]"))
        row.append((f"{decisive.adjusted:.2g}", ""))
    return [*row, (verdict_words(each), "")]


def text(judged: Sequence[Judged]) -> str:
    """The table for a terminal."""
    rows = [list(HEAD)] + [
        [
            " ".join(filter(None, cell)) if HEAD[place] == "difference" else cell[0]
            for place, cell in enumerate(cells(each))
        ]
        for each in judged
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    last = len(HEAD) - 1
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column in (0, last) else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def markdown(judged: Sequence[Judged], heading: Heading) -> str:
    """The report for a CI job's page."""
    lines = ["### bench: A/B comparison", "", *(f"- {line}" for line in heading.lines), ""]
    lines += [f"| {' | '.join(HEAD)} |", f"|{'---|' * len(HEAD)}"]
    for each in judged:
        row = [f"{figure} {beside}".strip() for figure, beside in cells(each)[1:]]
        words = [each.metric.name, *row]
        lines.append(f"| {' | '.join(word.replace('|', '/').replace(chr(10), ' ') for word in words)} |")
    return "\n".join([*lines, "", f"`{heading.command}`", "", ""])


def page(judged: Sequence[Judged], heading: Heading, pictures: Sequence[Path]) -> str:
    """The report for a browser, one file with its pictures inside."""
    rows = []
    for each in judged:
        kind = "over" if each.over_budget else each.verdict.replace(" ", "-")
        columns = "".join(
            f"<td>{html.escape(figure)}{f'<small>{html.escape(beside)}</small>' if beside else ''}</td>"
            for figure, beside in cells(each)
        )
        rows.append(f'<tr class="{kind}">{columns}</tr>')
    images = "".join(
        f'<h2>{html.escape(path.stem)}</h2><img alt="{html.escape(path.stem)}: distributions, and samples over time" '
        f'src="data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}">'
        for path in pictures
    )
    head = "".join(f"<th>{html.escape(name)}</th>" for name in HEAD)
    lines = "".join(f"<li>{html.escape(line)}</li>" for line in heading.lines)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f"<title>A/B comparison</title><style>{_STYLE}</style></head><body><h1>A/B comparison</h1><ul>{lines}</ul>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>{images}"
        f"<p><code>{html.escape(heading.command)}</code></p></body></html>\n"
    )


def document(samples: Samples, judged: Sequence[Judged], heading: Heading) -> dict[str, Any]:
    """Everything as plain data: each sample in the order in which it was taken, and what was made of them."""
    return {
        "heading": dataclasses.asdict(heading),
        "verdicts": [
            {
                "metric": each.metric.name,
                "unit": each.metric.unit,
                "verdict": each.verdict,
                "reason": each.reason,
                "percentiles": {
                    side: {str(rank): dataclasses.asdict(found) for rank, found in ranks.items()}
                    for side, ranks in each.quantiles.items()
                },
                "tested": [dataclasses.asdict(tested) for tested in each.tested],
                "over_budget": list(each.over_budget),
            }
            for each in judged
        ],
        "failures": samples.failures,
        "problems": samples.problems,
        "blocks": [
            {
                "metric": block.metric,
                "side": block.side,
                "epoch": block.epoch,
                "pair": block.pair,
                "order": block.order,
                "readings": [reading.plain() for reading in block.readings],
            }
            for block in samples.blocks
        ],
    }


def write(
    directory: Path, judged: Sequence[Judged], samples: Samples, heading: Heading, pictures: Sequence[Path]
) -> None:
    """Write report.md, report.html and samples.json, each of them whole or not at all."""
    write_atomically(
        directory / "samples.json",
        json.dumps(document(samples, judged, heading), indent=1, default=dict) + "\n",
    )
    write_atomically(directory / "report.md", markdown(judged, heading))
    write_atomically(directory / "report.html", page(judged, heading, pictures))
