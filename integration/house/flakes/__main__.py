"""The tier `flakes`: `python -m house.flakes` in a repository with a tiers.toml.

Each test module of whose files one changed runs twenty times, several copies at once, in random order, each run with a seed of
its own. Nothing is ever tried again: one failure in twenty is a failure. The exit status is 0 when every run of every module
passed, 1 when one failed or the time was up before all were made, 2 for a mistake of the caller, 130 for Ctrl-C.
"""

import argparse
import math
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from house.environments import EnvironmentFault
from house.flakes import verdict
from house.flakes.changes import ChangesFault
from house.flakes.gate import INTERRUPTED, Gate, Mistake, Request
from seatrial import tier
from seatrial.rules.quarantine import QuarantineError
from seatrial.tier import TierError, Tiers

TIMES: Final = 20
"""How many runs a module has: what fails once in ten is found in seven of eight nights."""
MINUTES: Final = 30.0


def _request(given: Sequence[str]) -> Request:
    parser = argparse.ArgumentParser(
        prog=verdict.COMMAND,
        description="run changed test modules many times beside themselves, in random order",
    )
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument(
        "--since",
        metavar="REF",
        help="what changed since this branch left REF (default: main's upstream; in CI, or without one: since 24 hours)",
    )
    chosen.add_argument("--all", action="store_true", dest="everything", help="every module")
    chosen.add_argument("paths", nargs="*", default=[], help="these modules, or all in these folders")
    parser.add_argument("--times", type=_count, default=TIMES, help=f"runs of each module (default {TIMES})")
    parser.add_argument(
        "--beside",
        type=_count,
        default=2 * (os.cpu_count() or 1),
        help="how many at once (default: two for each core)",
    )
    parser.add_argument(
        "--minutes", type=_minutes, default=MINUTES, help=f"how long at most (default {MINUTES:g})"
    )
    parser.add_argument("--seed", type=int, default=None, help="repeat another gate's seeds")
    asked = vars(parser.parse_args(given))
    return Request(**{**asked, "paths": tuple(asked["paths"])})


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 up")
    return int(text)


def _minutes(text: str) -> float:
    try:
        minutes = float(text)
    except ValueError:
        minutes = 0.0
    if not 0 < minutes < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of minutes above 0")
    return minutes


def main(given: Sequence[str]) -> int:
    """Run the gate in the repository around the current directory; returns the exit status."""
    # A shell makes its background jobs deaf to SIGINT; a workflow's job is cancelled by SIGTERM.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    request = _request(given)
    try:
        return Gate(_tiers(), request).run()
    except (Mistake, ChangesFault, TierError, QuarantineError, EnvironmentFault) as error:
        sys.stderr.write(f"{verdict.COMMAND}: {error}\n")
        return 2
    except KeyboardInterrupt:
        return INTERRUPTED


def _tiers() -> Tiers:
    file = tier.find(Path.cwd())
    if file is None:
        raise Mistake(f"{Path.cwd()} is in no repository with a {tier.FILE_NAME} (change to one)")
    return tier.load(file)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
