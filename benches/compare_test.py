"""The program as it is called, and whole comparisons of the real services, small ones."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import pytest

from compare import MISTAKE
from seatrial import until
from verdict import budgets, catalog, session, trees
from verdict.comparison import BASE, CHANGED, SIDES
from verdict.progress import Progress
from verdict.side import DriverFailed

PROGRAM = Path(__file__).with_name("compare.py")
EPOCHS = 6
"""The fewest of which anything can be said: these tests are about the way, not about the verdict."""


def called(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(PROGRAM), *words],
        env={**os.environ, "GITHUB_STEP_SUMMARY": ""},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "one of the arguments --against --identical --slow-down --list is required"),
        (["--against", "no-such-ref"], "--against no-such-ref: there is no such branch, tag or commit here"),
        (
            ["--identical", "--metric", "speed"],
            "--metric speed: there is no such metric (one of: boot_cold_gateway",
        ),
        (["--identical", "--against", "HEAD"], "not allowed with argument"),
        (["--against", "HEAD", "--prove", "2"], "--prove needs --identical or --slow-down"),
        (["--slow-down", "0"], "argument --slow-down: invalid"),
        (["--identical", "--prove", "0"], "argument --prove: invalid"),
        (["--identical", "--samples", "many"], "argument --samples: invalid"),
    ],
)
def test_a_mistake_is_named_with_status_2_and_without_a_stack(words: Sequence[str], said: str) -> None:
    done = called(*words)
    assert done.returncode == MISTAKE
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_the_metrics_are_listed() -> None:
    done = called("--list")
    assert done.returncode == 0
    assert [line.split()[0] for line in done.stdout.splitlines()] == [
        metric.name for metric in catalog.METRICS
    ]


def _small(names: Sequence[str], folder: Path, *, slower_ms: float = 0) -> dict[str, str]:
    """The verdicts of a comparison of the working tree with itself."""
    wanted = catalog.choose(names)
    found = session.plan(wanted, samples=EPOCHS * 8)
    planned = session.Plan(found.metrics, found.refused, EPOCHS, found.capabilities)
    versions = {side: trees.of_working_tree(session.ROOT, folder / side) for side in SIDES}
    if slower_ms:
        versions[CHANGED] = trees.slow_down(versions[CHANGED], slower_ms)
    with (
        (folder / "progress").open("w") as out,
        session.drivers(versions, folder / "artifacts", planned, Progress(out).say) as sides,
    ):
        samples, judged = session.compare(sides, planned, budgets.load(), seed=1, progress=Progress(out))
    assert samples.failures == {}
    assert samples.problems == []
    assert {side: len(samples.epochs(names[0], side)) for side in SIDES} == {BASE: EPOCHS, CHANGED: EPOCHS}
    return {
        each.metric.name: "slower"
        if each.tested[0].effect.interval.low > each.tested[0].least
        else "not sure"
        for each in judged
    }


def test_both_versions_are_booted_and_sampled_with_every_check_of_the_harness(tmp_path: Path) -> None:
    names = ["sign_in", "command", "push_10", "intent_push", "intent_mail"]
    names += [f"memory_{state}_{part}" for part in catalog.IN_PLATFORM for state in ("rest", "load")]
    assert _small(names, tmp_path).keys() == set(names)


def test_commands_that_are_much_slower_are_seen_in_a_handful_of_epochs(tmp_path: Path) -> None:
    assert _small(["command"], tmp_path, slower_ms=200) == {"command": "slower"}


def test_each_version_is_driven_by_a_process_with_its_own_tree_and_a_dead_one_is_named(
    tmp_path: Path,
) -> None:
    versions = {side: trees.of_working_tree(session.ROOT, tmp_path / side) for side in SIDES}
    planned = session.plan(catalog.choose(["command"]))
    with session.drivers(versions, tmp_path / "artifacts", planned, lambda _line: None) as sides:
        for side in SIDES:
            environment = Path(f"/proc/{sides[side].pid}/environ").read_bytes().split(b"\0")
            assert f"SEATRIAL_SERVICES={tmp_path / side / 'services'}".encode() in environment
        sides[CHANGED].open("platform")
        os.kill(sides[CHANGED].pid, signal.SIGKILL)
        with pytest.raises(DriverFailed, match="B: its driver ended by SIGKILL when it was asked to prepare"):
            sides[CHANGED].prepare("command", 0)


def test_ctrl_c_ends_both_versions_and_leaves_no_trees() -> None:
    """Booted versions and their trees are gone when the program is, and the result says why."""
    with subprocess.Popen(
        [sys.executable, str(PROGRAM), "--identical", "--metric", "command"],
        stdout=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdout is not None
        _read_until(program.stdout, "epoch 1 of")
        children = _children(program.pid)
        assert len(children) == len(SIDES)
        environments = [Path(f"/proc/{pid}/environ").read_bytes().split(b"\0") for pid in children]
        found = [word for words in environments for word in words if word.startswith(b"SEATRIAL_SERVICES=")]
        places = [Path(os.fsdecode(word.partition(b"=")[2])).parent for word in found]
        assert all(place.exists() for place in places)
        program.send_signal(signal.SIGINT)
        program.stdout.read()
    assert program.returncode == 130
    assert [place for place in places if place.exists()] == []
    until("both drivers to be gone", lambda: not any(Path(f"/proc/{pid}").exists() for pid in children))
    result = json.loads((session.ROOT / "reports" / "bench" / "result.json").read_text())
    assert result["state"] == "interrupted"


def _read_until(out: IO[str], start: str) -> None:
    for line in out:
        if line.startswith(start):
            return
    raise AssertionError(f"no line begins with {start!r}")


def _children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
