"""When the test runner is killed with SIGKILL, how long does anything that it started live on?"""

import json
import os
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from seatrial import until
from series import Target

RUNNER = Path(__file__).parent / "runners" / "doomed.py"
ROUNDS = 100
GIVE_UP_S = 10.0


def _until_all_ended(pidfds: list[int]) -> None:
    """Block until every process has ended; a pidfd becomes readable when its process does."""
    poll = select.poll()
    for pidfd in pidfds:
        poll.register(pidfd, select.POLLIN)
    alive = set(pidfds)
    deadline = time.monotonic() + GIVE_UP_S
    while alive:
        left = deadline - time.monotonic()
        assert left > 0, (
            f"{len(alive)} of {len(pidfds)} processes live {GIVE_UP_S} s after their runner was killed"
        )
        for pidfd, _ in poll.poll(left * 1000):
            poll.unregister(pidfd)
            alive.discard(pidfd)


def _until_removed(directory: Path) -> None:
    until(f"{directory} is gone", lambda: not directory.exists())


def test_sigkill_of_the_runner_to_all_children_gone(record: Any, rounds: Any) -> None:
    """Three servers, a parent and its daemonised child, counted from the signal to the end of the last."""
    samples: list[float] = []
    for _ in rounds(ROUNDS):
        with subprocess.Popen([sys.executable, str(RUNNER)], stdout=subprocess.PIPE) as runner:
            assert runner.stdout is not None
            story = json.loads(runner.stdout.readline())
            pidfds = [os.pidfd_open(pid) for pid in story["pids"]]
            try:
                killed_at = time.monotonic_ns()
                runner.kill()
                _until_all_ended(pidfds)
                samples.append((time.monotonic_ns() - killed_at) / 1e6)
            finally:
                for pidfd in pidfds:
                    os.close(pidfd)
        _until_removed(Path(story["directory"]))
    within = sum(sample <= 1000 for sample in samples)
    one = record("SIGKILL of the runner to all children gone", "seatrial", samples, Target(p99=1000))
    assert within == len(one.samples), f"within one second: {within} of {len(one.samples)}"
