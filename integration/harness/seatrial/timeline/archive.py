"""Archive: where the timeline of every test is kept, whether it passed or failed, for the newest runs.

`<reports>/<tier>/timelines/<run>/<safe name of the node id>.jsonl`. The first line of each file is the start of its test.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from seatrial.errors import SeatrialError
from seatrial.results.reports import write_atomically

VARIABLE: Final = "SEATRIAL_TIMELINE"
"""`off` switches off everything about timelines, to measure what they cost; anything else but `on` is an error."""
KEPT_RUNS: Final = 3
"""How many runs' timelines are kept beside the current one's."""
FOLDER: Final = "timelines"
_SUFFIX: Final = ".jsonl"


def recording() -> bool:
    """Whether this run records timelines: `SEATRIAL_TIMELINE`; raises SeatrialError for a word that it does not know."""
    word = os.environ.get(VARIABLE, "on")
    if word not in ("on", "off"):
        raise SeatrialError(
            f"{VARIABLE} is {word!r}; write off to measure what timelines cost, or leave it out"
        )
    return word == "on"


@dataclass(frozen=True, slots=True)
class Kept:
    """The timeline of one test of one run."""

    nodeid: str
    path: Path
    written: float
    """When, in Unix seconds."""


class NoTimeline(SeatrialError):
    """No timeline is kept of such a test, or the words fit several tests; names what there is."""


def keep(run: Path, name: str, lines: str) -> Path:
    """Write the timeline of a test into the directory of its run, in one atomic step; answers the file.

    A test that runs again in the same run replaces its timeline.
    """
    path = run / f"{name}{_SUFFIX}"
    write_atomically(path, lines)
    return path


def newest(reports: Path, words: str) -> Kept:
    """The newest timeline of the test whose node id is `words`, or of the only one that has `words` in it.

    Raises NoTimeline.
    """
    kept: dict[str, Kept] = {}
    for each in _all(reports):
        if words in each.nodeid and (each.nodeid not in kept or kept[each.nodeid].written < each.written):
            kept[each.nodeid] = each
    if words in kept:
        return kept[words]
    if not kept:
        raise NoTimeline(
            f"no timeline of a test with {words!r} in its name below {reports}: run it, then ask again"
        )
    if len(kept) > 1:
        shown = sorted(kept)
        rest = [f"and {len(shown) - _SHOWN} more"] if len(shown) > _SHOWN else []
        names = "".join(f"\n  {name}" for name in [*shown[:_SHOWN], *rest])
        raise NoTimeline(f"{words!r} is in the names of {len(kept)} tests; give more of one:{names}")
    return next(iter(kept.values()))


_SHOWN: Final = 20


def _all(reports: Path) -> Iterator[Kept]:
    for path in reports.glob(f"*/{FOLDER}/*/*{_SUFFIX}"):
        try:
            with path.open(encoding="utf-8") as file:
                start = json.loads(file.readline())
                yield Kept(start["detail"], path, path.stat().st_mtime)
        except (OSError, ValueError, KeyError):  # pruned meanwhile, or not of our making
            continue
