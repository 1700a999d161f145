"""The program as it is run: small probes of a real platform, by real Locust processes."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import own
from seatrial import Environment, until
from seatrial.processes.listener import Reservation
from swarm import HERE, variables
from words import EXECUTE, OK

# No verdict may depend on how busy this machine is.
LENIENT = ["--p99-ms", "60000", "--max-errors", "1", "--follow", "0"]
RAMP = ["--from", "60", "--to", "80", "--steps", "2", "--warm-up", "0.5", "--measure", "2.5"]
STEP = ["--from", "60", "--to", "60", "--steps", "1", "--warm-up", "0", "--measure", "2.5"]

# Only there to end what hangs.
_LIMIT_S = 600
pytestmark = pytest.mark.timeout(_LIMIT_S + 60)

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts load/run.py in an empty directory."""
    running: list[subprocess.Popen[str]] = []

    def started(*words: str) -> "subprocess.Popen[str]":
        output = (tmp_path / f"output-{len(running)}").open("w")
        process = subprocess.Popen(
            [sys.executable, HERE / "run.py", *words],
            cwd=tmp_path,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **variables()},
            text=True,
        )
        output.close()
        running.append(process)
        return process

    yield started
    for process in running:
        if process.poll() is None:
            process.kill()
            process.wait()


def ended(process: "subprocess.Popen[str]", tmp_path: Path) -> int:
    """Waits for its end; the output of all that were started goes to the terminal of a failed test."""
    status = process.wait(_LIMIT_S)
    for file in sorted(tmp_path.glob("output-*")):
        sys.stdout.write(file.read_text())
    return status


def left_behind(tmp_path: Path) -> list[str]:
    """The processes of runs in this directory that are still there: each of them writes its log below it."""
    found = []
    for output in Path("/proc").glob("[0-9]*/fd/1"):
        with contextlib.suppress(OSError):  # one that ends meanwhile, or is somebody else's
            if output.readlink().is_relative_to(tmp_path):
                found.append((output.parents[1] / "cmdline").read_text().replace("\0", " "))
    return found


def document(tmp_path: Path) -> dict[str, Any]:
    """The figures of the only run."""
    (file,) = tmp_path.glob("reports/load/*/steps.json")
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def answered(figures: dict[str, Any]) -> int:
    """The commands that the workers had answered."""
    return sum(t["count"] for t in figures["totals"] if (t["type"], t["outcome"]) == (EXECUTE, OK))


def test_a_ramp_with_a_worker_that_joined_by_address(start: Start, tmp_path: Path) -> None:
    reservation = Reservation("127.0.0.2")
    address = str(reservation.address)
    words = ["--workers", "1", "--expect-workers", "1", "--bind", address, "--listen", "127.0.0.2"]
    run = start(*RAMP, *LENIENT, "--users", "4", *words)
    joined = start("worker", "--master", address)
    assert ended(run, tmp_path) == 0
    assert joined.wait(60) == 0, "the master sends its workers home"
    reservation.close()

    figures = document(tmp_path)
    assert figures["state"] == "passed"
    assert [(step["rate_per_s"], step["kind"], step["workers"]) for step in figures["steps"]] == [
        (60, "ramp", 2),
        (80, "ramp", 2),
        (60, "recovery", 2),
    ]
    for step in figures["steps"]:
        assert step["due"] == pytest.approx(
            step["rate_per_s"] * 2.5, abs=6 * (step["rate_per_s"] * 2.5) ** 0.5
        )
        assert step["samples"] >= 100
        assert step["failed"] < step["due"]
    # What the workers say was answered is what the gateway says that it answered; only what a busy machine left
    # under way at the very end may differ.
    counted = {(row["operation"], row["code"]): row["count"] for row in figures["gateway_counted"]}
    under_way = figures["steps"][-1]["failures"].get("not done", 0)
    assert 200 < answered(figures) <= counted[EXECUTE, "ok"] <= answered(figures) + under_way
    (folder,) = tmp_path.glob("reports/load/*/")
    assert {path.name for path in folder.glob("report.*")} == {"report.html", "report.md"}
    assert (folder / "throughput.png").stat().st_size > 5000
    names = {line.split(",")[1] for line in (folder / "processes.csv").read_text().splitlines()[1:]}
    assert {"gateway", "lobby", "valkey", "postgres", "locust-worker"} <= names
    result = json.loads((tmp_path / "reports/load/result.json").read_text())
    assert (result["state"], result["counts"]["passed"], result["problems"]) == ("passed", 2, [])
    assert not left_behind(tmp_path)


def test_an_interrupted_run_reports_and_leaves_nothing(start: Start, tmp_path: Path) -> None:
    run = start("--from", "30", "--to", "90", "--measure", "6", "--warm-up", "0", "--users", "2", *LENIENT)
    until(
        "the first step to begin",
        lambda: any(
            '"event": "step"' in file.read_text() for file in tmp_path.glob("reports/load/*/records.jsonl")
        ),
        timeout=_LIMIT_S,
    )
    begun = time.monotonic()
    until("some of it to be measured", lambda: time.monotonic() - begun > 2, timeout=10)
    run.send_signal(signal.SIGINT)
    assert ended(run, tmp_path) == 130
    figures = document(tmp_path)
    assert figures["state"] == "interrupted"
    assert figures["steps"][-1]["cut"]
    assert 0 < figures["steps"][-1]["measured_s"] < 6
    assert figures["steps"][-1]["due"] > 0
    assert json.loads((tmp_path / "reports/load/result.json").read_text())["state"] == "interrupted"
    assert list(tmp_path.glob("reports/load/*/report.html"))
    assert not left_behind(tmp_path)


def test_a_worker_that_never_comes(start: Start, tmp_path: Path) -> None:
    reservation = Reservation("127.0.0.1")
    words = [
        "--workers",
        "1",
        "--expect-workers",
        "1",
        "--bind",
        str(reservation.address),
        "--join-timeout",
        "1",
    ]
    assert ended(start(*STEP, *LENIENT, "--users", "4", *words), tmp_path) == 1
    reservation.close()
    (problem,) = document(tmp_path)["problems"]
    assert problem.startswith(("1 of 2 workers did join within 1 s", "0 of 2 workers did join within 1 s"))
    assert str(reservation.address) in problem
    assert not left_behind(tmp_path)


def test_somebody_else_s_platform_if_it_is_named(
    start: Start, tmp_path: Path, environment: Environment
) -> None:
    theirs = own.boot(environment, "127.0.0.1")
    (tmp_path / "devices.json").write_text(json.dumps({"devices": own.devices(theirs, 4, lambda _: None)}))
    before = own.calls_counted(theirs)
    target = [
        "--target",
        theirs.target.http,
        "--target-grpc",
        theirs.target.grpc,
        "--devices",
        "devices.json",
    ]
    permission = ["--i-may-load", theirs.target.http]
    run = start(
        *STEP, *LENIENT, "--scenario", "events", "--users", "2", "--workers", "1", *target, *permission
    )
    assert ended(run, tmp_path) == 0
    figures = document(tmp_path)
    after = own.calls_counted(theirs)
    assert figures["gateway_counted"] is None, "nobody reads their metrics"
    assert answered(figures) <= after[EXECUTE, "ok"] - before.get((EXECUTE, "ok"), 0)
    counts = {(total["call"], total["outcome"]): total["count"] for total in figures["totals"]}
    assert counts["lobby.application_submitted", OK] > 5
    assert not left_behind(tmp_path)


def test_sign_in(start: Start, tmp_path: Path) -> None:
    run = start(*STEP, *LENIENT, "--scenario", "sign_in", "--users", "8", "--workers", "1")
    assert ended(run, tmp_path) == 0
    counts = {(total["call"], total["outcome"]): total["count"] for total in document(tmp_path)["totals"]}
    assert counts["confirmEmailCode", OK] > 20
    assert counts["sendEmailCode", OK] >= counts["the code's way", OK] >= counts["confirmEmailCode", OK]
    assert not left_behind(tmp_path)
