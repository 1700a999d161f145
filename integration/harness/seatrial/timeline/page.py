"""Page: a timeline as one self-contained HTML file that explains a failed test, offline, in any browser of today.

The events are data in the page, never markup: a line of a log cannot become a tag or a script of it. A Content Security Policy
(W3C, level 3) says the same once more, by the digests of the page's own script and style, and forbids every connection.
"""

import base64
import hashlib
import html
import json
import math
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from seatrial.errors import shortened
from seatrial.results.reports import write_atomically

SCRIPTS: Final = (
    "text.js",
    "events.js",
    "picture.js",
    "state.js",
    "scale.js",
    "drawing.js",
    "pointer.js",
    "list.js",
    "details.js",
    "controls.js",
    "main.js",
)
"""The parts of the script, in the order in which they are joined: each uses only those before it."""
_ASSETS: Final = "page_assets"
_SLOT: Final = re.compile(r"\{\{(\w+)\}\}")
_LONGEST_EXACT: Final = 15
"""Digits of a whole number that JavaScript keeps exactly, whatever they are."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A line that is no event: its number from 1, the reason, and the line itself."""

    line: int
    reason: str
    text: str


def write(jsonl: Path, page: Path, *, title: str) -> None:
    """Render the events of a JSONL file as a page, in one atomic step.

    Lines that are no events, because the writer was killed for example, are named in the page. Raises OSError when the
    file cannot be read or the page cannot be written.
    """
    events, problems = read(jsonl.read_bytes())
    write_atomically(page, render(events, problems, title=title))


def read(document: bytes) -> tuple[list[dict[str, Any]], list[Problem]]:
    """The events of a JSONL document in the order of time, and the lines that are none."""
    events, problems = [], []
    for number, line in enumerate(document.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            events.append(_event(line))
        except (ValueError, RecursionError) as error:
            reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
            text = shortened(line.decode("utf-8", errors="backslashreplace"))
            problems.append(Problem(number, reason, text))
    return sorted(events, key=lambda event: float(event["at_s"])), problems


def render(events: list[dict[str, Any]], problems: list[Problem], *, title: str) -> str:
    """The page of these events."""
    title = title.encode("utf-8", errors="replace").decode()
    style = _asset("page.css")
    script = '"use strict";\n' + "".join(map(_asset, SCRIPTS))
    data = {"title": title, "events": events, "problems": [asdict(each) for each in problems]}
    slots = {
        "title": html.escape(title),
        "policy": html.escape("; ".join(_policy(script, style))),
        "style": style,
        "script": script,
        "data": _embedded(data),
    }
    # In one pass: what is put in is not looked at again
    return _SLOT.sub(lambda slot: slots[slot[1]], _asset("page.html"))


def _event(line: bytes) -> dict[str, Any]:
    """The event of a line; raises ValueError with the reason when it is none."""
    try:
        event = json.loads(line.decode(), parse_int=_whole, parse_float=_fraction, parse_constant=str)
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8: {error.reason} at byte {error.start + 1}") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg} at character {error.colno}") from None
    if not isinstance(event, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004  (of the document, not of an argument)
    at = event.get("at_s")
    if not isinstance(at, int | float) or isinstance(at, bool) or not math.isfinite(at):
        raise ValueError("at_s is no number of seconds")
    for name in ("source", "event"):
        if not isinstance(event.get(name), str):
            raise ValueError(f"{name} is no text")  # noqa: TRY004
    return event


def _whole(digits: str) -> int | str:
    """A whole number; as text where JavaScript would round it."""
    return int(digits) if len(digits.lstrip("-")) <= _LONGEST_EXACT else digits


def _fraction(digits: str) -> float | str:
    """Another number; as text where it is beyond any that JavaScript has."""
    return number if math.isfinite(number := float(digits)) else digits


def _asset(name: str) -> str:
    return (files("seatrial.timeline") / _ASSETS / name).read_text(encoding="utf-8")


def _embedded(data: object) -> str:
    """JSON that is safe inside a script element, in which only `<` could begin or end anything (HTML standard, 4.12.1.3)."""
    return json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def _policy(script: str, style: str) -> Iterator[str]:
    yield "default-src 'none'"
    yield f"script-src {_digest(script)}"
    yield f"style-src {_digest(style)}"
    yield "base-uri 'none'"
    yield "form-action 'none'"


def _digest(text: str) -> str:
    """The source expression of an inline script or style: its SHA-256."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
