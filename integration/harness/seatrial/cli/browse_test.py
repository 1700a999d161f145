"""`seatrial why` on a terminal and in a pipe, with a browser that writes down what it was given."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from seatrial.results.reports import Counts, Failure, RunResult, write

NAMES = ("test_bread", "test_cake", "test_tea")


def failure(name: str) -> Failure:
    return Failure(
        nodeid=f"shop_test.py::{name}",
        when="call",
        message="AssertionError",
        repro="pytest",
        artifacts=f"reports/quick/artifacts/1/{name}",
    )


class Desk:
    """A repository with a run that failed, and a browser."""

    def __init__(self, folder: Path, failures: int) -> None:
        self.root = folder / "repository"
        self.root.mkdir()
        (self.root / "pyproject.toml").write_text("")
        self.opened_file = folder / "opened"
        self.browser = folder / "browser"
        self.answers(0)
        found = tuple(map(failure, NAMES[:failures]))
        result = RunResult(
            tier="quick",
            state="failed",
            started_at="2026-01-02T03:04:05Z",
            counts=Counts(failed=failures),
            failures=found,
        )
        write(result, self.root / "reports")
        self.pages = [self.root / str(each.artifacts) / "timeline.html" for each in found]
        for page in self.pages:
            page.parent.mkdir(parents=True)
            page.write_text("<!doctype html>")

    def answers(self, status: int) -> None:
        self.browser.write_text(f'#!/bin/sh\necho "$1" >> {self.opened_file}\nexit {status}\n')
        self.browser.chmod(0o755)

    @property
    def opened(self) -> list[str]:
        return self.opened_file.read_text().splitlines() if self.opened_file.exists() else []

    def why(self, *arguments: str, terminal: bool = True, display: str = ":99") -> str:
        """What `seatrial why` prints; it ends with 1, as there is a failure."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if name not in ("CI", "DISPLAY", "WAYLAND_DISPLAY")
        }
        ours, theirs = pty.openpty() if terminal else os.pipe()
        with open(ours, "rb", closefd=True) as output:
            process = subprocess.Popen(
                [sys.executable, "-c", "from seatrial.cli.main import main; main()", "why", *arguments],
                cwd=self.root,
                env=kept
                # No program of the machine's is found: neither its browser nor its desktop
                | {"BROWSER": f"{self.browser} %s", "DISPLAY": display, "TERM": "dumb", "PATH": "/nowhere"},
                stdin=subprocess.DEVNULL,
                stdout=theirs,
            )
            os.close(theirs)
            said = b""
            while part := _read(output.fileno()):
                said += part
            assert process.wait(30) == 1
        return said.decode().replace("\r\n", "\n")


def _read(descriptor: int) -> bytes:
    """What a terminal or a pipe gives next; nothing when its other end is closed, which a terminal calls an error."""
    try:
        return os.read(descriptor, 4096)
    except OSError:
        return b""


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path, 1)


def test_the_page_of_the_failure_is_named_and_opened(desk: Desk) -> None:
    assert f"timeline: {desk.pages[0]}\n" in desk.why()
    assert desk.opened == [desk.pages[0].as_uri()]


def test_of_several_the_first_is_opened_and_all_are_named(tmp_path: Path) -> None:
    desk = Desk(tmp_path, 3)
    said = desk.why()
    assert [line for line in said.splitlines() if line.startswith("timeline:")] == [
        f"timeline: {page}" for page in desk.pages
    ]
    assert desk.opened == [desk.pages[0].as_uri()]


def test_a_failure_whose_page_is_gone_makes_room_for_the_next(tmp_path: Path) -> None:
    desk = Desk(tmp_path, 2)
    desk.pages[0].unlink()
    assert str(desk.pages[0]) not in desk.why()
    assert desk.opened == [desk.pages[1].as_uri()]


@pytest.mark.parametrize("reason", ["asked", "pipe", "display"])
def test_where_nobody_can_see_it_or_wants_to_it_is_only_named(desk: Desk, reason: str) -> None:
    said = desk.why(
        *(["--no-open"] if reason == "asked" else []),
        terminal=reason != "pipe",
        display="" if reason == "display" else ":99",
    )
    assert f"timeline: {desk.pages[0]}\n" in said
    assert desk.opened == []


def test_a_browser_that_does_not_start_is_told(desk: Desk) -> None:
    desk.answers(1)
    assert "no browser could be started: open the page by hand, or set BROWSER" in desk.why()
    assert desk.opened == [desk.pages[0].as_uri()]
