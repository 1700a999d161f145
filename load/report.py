"""What a probe leaves: report.html (self-contained), report.md, plots, and every figure as JSON and CSV."""

import csv
import dataclasses
import io
import json
import os
import sys
from base64 import b64encode
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any, Final

import plots
from outcome import Outcome
from plan import Objective
from seatrial.results.reports import write_atomically
from step import Measured

HEADER: Final = "  step    offered/s  achieved/s  samples   p50 ms   p95 ms   p99 ms  errors  verdict"
_COLUMNS: Final = ("step", "rate/s", "offered/s", "achieved/s", "samples", "p50 ms", "p90 ms", "p95 ms", "p99 ms", "max ms",
                   "failed", "verdict")  # fmt: skip
_STYLE: Final = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1b1b1b; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: .2rem } h2 { font-size: 1.15rem; margin-top: 2.2rem }
.verdict { font-size: 1.15rem; padding: .8rem 1rem; border-left: .35rem solid #009e73; background: #eef8f4; }
.verdict.failed { border-color: #b00020; background: #fdf0f1 } .verdict.interrupted { border-color: #e69f00; background: #fff8e8 }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; width: 100%; font-size: .9rem }
th, td { padding: .25rem .6rem; text-align: right; border-bottom: 1px solid #e3e3e3; vertical-align: top }
th { background: #f6f6f6 } td.text, th.text { text-align: left } tr.knee td { background: #eef8f4; font-weight: 600 }
tr.out td { color: #8a1222 } img { width: 100%; height: auto; margin: .4rem 0 } .scroll { overflow-x: auto }
footer { color: #666; font-size: .85rem; margin-top: 3rem }
"""


def write(outcome: Outcome, folder: Path) -> None:
    """Everything that there is to tell into `folder`, each file in one step."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = plots.draw(outcome, folder)
    write_atomically(folder / "steps.json", json.dumps(document(outcome), indent=2) + "\n")
    write_atomically(folder / "steps.csv", _csv([step.row(outcome.objective) for step in outcome.steps]))
    write_atomically(folder / "calls.csv", _csv(_call_rows(outcome.steps)))
    write_atomically(folder / "processes.csv", _csv([dataclasses.asdict(each) for each in outcome.samples]))
    write_atomically(folder / "report.md", markdown(outcome, drawn))
    pictures = {name: (folder / f"{name}.png").read_bytes() for name in drawn}
    write_atomically(folder / "report.html", html(outcome, pictures))


def document(outcome: Outcome) -> dict[str, Any]:
    """Every figure, histograms included (HdrHistogram, compressed, base64; values in microseconds)."""
    return {
        "format": 1,
        "state": outcome.state,
        "command": outcome.command,
        "started_at": outcome.started_at,
        "duration_s": round(outcome.duration_s, 3),
        "facts": dict(outcome.facts),
        "objective": dataclasses.asdict(outcome.objective),
        "knee": _knee(outcome),
        "problems": outcome.problems,
        "notes": outcome.notes,
        "steps": [
            {
                **step.row(outcome.objective),
                "misses": step.misses(outcome.objective),
                "failures": dict(step.failures),
                "calls": [{"call": n, "outcome": how, "count": c} for n, how, c in step.call_outcomes],
                "histograms": {
                    "response": step.response.encoded(),
                    "service": step.service.encoded(),
                    "generator_lateness": step.lateness.encoded(),
                    "calls": {name: each.encoded() for name, each in step.calls.items()},
                },
            }
            for step in outcome.steps
        ],
        "totals": [
            {"type": kind, "call": name, "outcome": how, "count": count}
            for (kind, name, how), count in sorted(outcome.calls.items())
        ],
        "gateway_counted": None
        if outcome.counted is None
        else [
            {"operation": name, "code": code, "count": n}
            for (name, code), n in sorted(outcome.counted.items())
        ],
    }


def _knee(outcome: Outcome) -> dict[str, Any]:
    knee = outcome.knee
    return {
        "sustained_per_s": knee.sustained.step.rate if knee.sustained else None,
        "first_beyond_per_s": knee.broken.step.rate if knee.broken else None,
        "saturation": dataclasses.asdict(knee.saturation) if knee.saturation else None,
    }


def verdict(outcome: Outcome) -> str:
    """The answer in a sentence or two."""
    knee, objective = outcome.knee, outcome.objective
    if not outcome.ramp:
        return "No step was measured to its end."
    if knee.sustained is None:
        return f"No rate was sustained: the first one, {outcome.ramp[0].step.rate:g}/s, missed the objective."
    good = knee.sustained
    p99 = good.percentile(99.0)
    figures = (
        f"p99 {p99:.0f} ms (objective {objective.p99_ms:g}), errors {good.error_share:.2%}, n={len(good.response)}"
        if p99 is not None
        else ""
    )
    if knee.broken is None:
        text = f"No knee up to {good.step.rate:g} actions/s: every rate was sustained; there {figures}."
    else:
        text = (
            f"The knee is at {good.step.rate:g} actions/s: {figures}. "
            f"{knee.broken.step.rate:g}/s was not sustained: {'; '.join(knee.broken.misses(objective))}."
        )
    if knee.saturation is not None:
        text += (
            f" By two-phase regression throughput saturates at {knee.saturation.rate:.0f} actions/s"
            f" (slope {knee.saturation.slope:.2f} behind it)."
        )
    return text


def line(step: Measured, objective: Objective) -> str:
    """A step as one line below HEADER."""
    name = "back" if step.step.recovery else f"{step.step.index + 1}"
    return (
        f"  {name:>4}  {step.offered:10.1f}  {step.achieved:10.1f}  {len(step.response):7}"
        f"  {_ms(step.percentile(50)):>7}  {_ms(step.percentile(95)):>7}  {_ms(step.percentile(99)):>7}"
        f"  {step.error_share:6.2%}  {_judged(step, objective)}"
    )


def summarise(outcome: Outcome, folder: Path) -> None:
    """The closing lines on the terminal, and the whole report in the job summary of GitHub Actions, if there is one."""
    words = [f"load {outcome.state} in {outcome.duration_s:.0f} s. {verdict(outcome)}"]
    words += [f"note: {note}" for note in outcome.notes]
    words += [f"PROBLEM: {problem}" for problem in outcome.problems]
    words.append(f"report: {folder / 'report.html'}")
    sys.stdout.write("\n".join(["", *words, ""]))
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        with Path(summary).open("a", encoding="utf-8") as file:
            file.write(markdown(outcome, ()) + "\n")


def markdown(outcome: Outcome, drawn: Sequence[str]) -> str:
    """The report as text, with the plots beside it."""
    parts = [f"# Load: {outcome.scenario}, {outcome.state}", verdict(outcome)]
    parts += [f"**Problem:** {problem}" for problem in outcome.problems]
    parts += [f"*Note:* {note}." for note in outcome.notes]
    parts.append("## Steps\n\n" + _table(_COLUMNS, _step_cells(outcome)))
    parts += [f"![{plots.TITLES[name]}]({name}.png)" for name in drawn]
    at, rows = _calls(outcome)
    parts.append(
        f"## Calls at {at}\n\n" + _table(("call", "outcome", "count", "p50 ms", "p95 ms", "p99 ms"), rows)
    )
    if outcome.counted is not None:
        parts.append("## Counted on both sides\n\n" + _table(("what", "count"), _both_sides(outcome)))
    parts.append("## Set-up\n\n" + _table(("", ""), [[*fact] for fact in outcome.facts.items()]))
    parts.append("\n\n".join(_EXPLAINED) + f"\n\n`{outcome.command}`")
    return "\n\n".join(parts) + "\n"


def html(outcome: Outcome, pictures: dict[str, bytes]) -> str:
    """The report as one page that needs nothing else."""
    problems = "".join(f"<li><b>Problem:</b> {escape(each)}</li>" for each in outcome.problems)
    notes = "".join(f"<li>{escape(each)}.</li>" for each in outcome.notes)
    at, calls = _calls(outcome)
    figures = "".join(
        f'<img alt="{escape(plots.TITLES[name])}" src="data:image/png;base64,{b64encode(data).decode()}">'
        for name, data in pictures.items()
    )
    both = (
        "<h2>Counted on both sides</h2>" + _html_table(("what", "count"), _both_sides(outcome))
        if outcome.counted is not None
        else ""
    )
    explained = "".join(f"<p>{escape(text)}</p>" for text in _EXPLAINED)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Load: {escape(outcome.scenario)}</title><style>{_STYLE}</style></head><body>
<h1>Load: {escape(outcome.scenario)}, {outcome.state}</h1>
<p>{escape(outcome.started_at)}, {outcome.duration_s:.0f} s, {escape(outcome.target)}</p>
<p class="verdict {outcome.state}">{escape(verdict(outcome))}</p>
<ul>{problems}{notes}</ul>
<h2>Steps</h2>{_html_table(_COLUMNS, _step_cells(outcome), _step_classes(outcome))}
<h2>Plots</h2>{figures}
<h2>Calls at {escape(at)}</h2>{_html_table(("call", "outcome", "count", "p50 ms", "p95 ms", "p99 ms"), calls)}
{both}<h2>Set-up</h2>{_html_table(("", ""), [[*fact] for fact in outcome.facts.items()], text=True)}
<h2>How it was measured</h2>{explained}
<footer><code>{escape(outcome.command)}</code></footer></body></html>
"""


_EXPLAINED: Final = (
    """Actions fall due as a Poisson process and wait for a free player (an open workload), and response times count from when
an action was due: a slow answer delays no arrival, and what it makes late is measured as late (no coordinated omission).
What no player could begin counts as failed, with the time that it had waited.""",
    """A step is sustained when p99, errors and throughput keep the objective. The knee is the highest rate that was sustained
with all those below it. Saturation is where the two lines of a two-phase regression of the achieved on the offered rate meet.
A p99 of fewer than 100 samples is not given.""",
)


def _ms(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.1f}" if value < 100 else f"{value:.0f}"


def _judged(step: Measured, objective: Objective) -> str:
    if step.cut:
        return "cut off"
    return "; ".join(step.misses(objective)) or "sustained"


def _step_cells(outcome: Outcome) -> list[list[str]]:
    return [
        [
            "back" if step.step.recovery else str(step.step.index + 1),
            f"{step.step.rate:g}",
            f"{step.offered:.1f}",
            f"{step.achieved:.1f}",
            str(len(step.response)),
            *(_ms(step.percentile(rank)) for rank in (50, 90, 95, 99)),
            _ms(step.response.largest if len(step.response) else None),
            f"{step.error_share:.2%}",
            _judged(step, outcome.objective),
        ]
        for step in outcome.steps
    ]


def _step_classes(outcome: Outcome) -> list[str]:
    knee = outcome.knee
    return [
        "knee"
        if step is knee.sustained and knee.broken is not None
        else "out"
        if step.misses(outcome.objective)
        else ""
        for step in outcome.steps
    ]


def _calls(outcome: Outcome) -> tuple[str, list[list[str]]]:
    """The calls of the step that says most: the knee, else the first one."""
    step = outcome.knee.sustained or next(iter(outcome.steps), None)
    if step is None:
        return "no step", []
    rows = []
    for name, how, count in step.call_outcomes:
        durations = step.calls[name] if how == "OK" else None
        ranks = (50.0, 95.0, 99.0)
        cells = [_ms(step.percentile(rank, durations)) if durations else "" for rank in ranks]
        rows.append([name, how, str(count), *cells])
    return f"{step.step.rate:g}/s", rows


def _both_sides(outcome: Outcome) -> list[list[str]]:
    answered = sum(
        n for (kind, _, how), n in outcome.calls.items() if (kind, how) == ("ExecuteCommand", "OK")
    )
    rows = [["commands answered, say the workers", str(answered)]]
    for (operation, code), count in sorted((outcome.counted or {}).items()):
        if count:
            rows.append([f"{operation} {code}, says the gateway", str(count)])
    return rows


def _call_rows(steps: Sequence[Measured]) -> list[dict[str, Any]]:
    return [
        {
            "step": step.step.index + 1,
            "rate_per_s": step.step.rate,
            "call": name,
            "outcome": how,
            "count": count,
        }
        for step in steps
        for name, how, count in step.call_outcomes
    ]


def _csv(rows: Sequence[dict[str, Any]]) -> str:
    text = io.StringIO()
    if rows:
        writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return text.getvalue()


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |" for row in lines)


def _html_table(
    head: Sequence[str], rows: Sequence[Sequence[str]], classes: Sequence[str] = (), *, text: bool = False
) -> str:
    worded = {
        index for index, name in enumerate(head) if text or name in ("call", "outcome", "verdict", "what")
    }

    def cells(row: Sequence[str], tag: str) -> str:
        return "".join(
            f"<{tag}{' class=text' if index in worded else ''}>{escape(str(cell))}</{tag}>"
            for index, cell in enumerate(row)
        )

    body = "".join(
        f'<tr class="{classes[index] if classes else ""}">{cells(row, "td")}</tr>'
        for index, row in enumerate(rows)
    )
    top = f"<tr>{cells(head, 'th')}</tr>" if any(head) else ""
    return f'<div class="scroll"><table>{top}{body}</table></div>'
