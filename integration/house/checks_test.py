"""Checks all run, whatever fails, and each says what it found."""

import os
import sys
from pathlib import Path

import pytest

from house import checks
from house.checks import Check


def check(name: str, code: str, remedy: str = "") -> Check:
    return Check(name, [sys.executable, "-c", code], Path.cwd(), remedy)


def run(*all_of_them: Check) -> dict[str, int]:
    return {outcome.check.name: outcome.status for outcome in checks.run(all_of_them, os.environ, jobs=2)}


def test_every_check_runs_and_outcomes_keep_the_order(capfd: pytest.CaptureFixture[str]) -> None:
    outcomes = run(
        check("first", "raise SystemExit(3)"), check("second", ""), check("third", "raise SystemExit(1)")
    )
    assert list(outcomes.items()) == [("first", 3), ("second", 0), ("third", 1)]
    said = capfd.readouterr().out
    assert said.count("FAILED") == 2
    assert "ok     second" in said


def test_a_failure_shows_what_was_said_and_the_remedy(capfd: pytest.CaptureFixture[str]) -> None:
    code = "import sys; print('out'); sys.stdout.flush(); print('err', file=sys.stderr); sys.exit(1)"
    run(check("bad", code, "mend it"), check("good", "print('chatter')", "never shown"))
    said = capfd.readouterr().out
    assert "    out\n    err\n    remedy: mend it\n" in said
    assert "chatter" not in said
    assert "never shown" not in said


def test_a_program_that_is_not_there_is_a_failure_that_names_it(capfd: pytest.CaptureFixture[str]) -> None:
    missing = Check("missing", ["/nowhere/linter"], Path.cwd())
    assert run(missing) == {"missing": 127}
    assert "/nowhere/linter: No such file or directory" in capfd.readouterr().out
