import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from seatrial.cli.timeline import render
from seatrial.timeline import archive

ONE, OTHER = "suite/one_test.py::test_one", "suite/one_test.py::test_one_more"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository whose last run left the timelines of two tests."""
    (tmp_path / "pyproject.toml").write_text("")
    for nodeid in (ONE, OTHER):
        events = [
            {
                "ts": "2026-11-21T10:00:00.000Z",
                "at_s": 0.0,
                "source": "test",
                "event": "start",
                "detail": nodeid,
            },
            {
                "ts": "2026-11-21T10:00:01.000Z",
                "at_s": 1.0,
                "source": "test",
                "event": "end",
                "outcome": "passed",
            },
        ]
        lines = "".join(json.dumps(event) + "\n" for event in events)
        archive.keep(
            tmp_path / "reports" / "local" / "timelines" / "20261121T100000-1", nodeid.split("::")[1], lines
        )
    return tmp_path


def seatrial(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from seatrial.cli.main import main; main()", *arguments],
        cwd=root,
        env={**os.environ, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_a_test_that_passed_has_a_page_of_its_own(root: Path) -> None:
    ran = seatrial(root, "timeline", "one_more")
    assert ran.returncode == 0, ran.stderr
    (page,) = root.glob("reports/local/timelines/*/*.html")
    assert str(page) in ran.stdout
    assert OTHER in page.read_text(encoding="utf-8")


def test_the_whole_node_id_names_one_test(root: Path) -> None:
    assert ONE in render(root / "reports", ONE).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ("test_one", f"'test_one' is in the names of 2 tests; give more of one:\n  {ONE}\n  {OTHER}\n"),
        ("nothing", "no timeline of a test with 'nothing' in its name"),
    ],
)
def test_words_that_name_no_test_are_a_mistake(root: Path, words: str, complaint: str) -> None:
    ran = seatrial(root, "timeline", words)
    assert ran.returncode == 2
    assert ran.stderr.startswith("error: ")
    assert complaint in ran.stderr
    assert "Traceback" not in ran.stderr
    assert not list(root.glob("reports/local/timelines/*/*.html"))
