"""The runner finds what was planted, keeps it as a named regression, and leaves nothing behind."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import pytest
from seatrial import tier
from seatrial.results import reports
from seatrial.waiting import until

from runner import command, report
from runner.room import Room

FUZZ: Final = Path(__file__).parents[1]
SEED: Final = b"seed"
CLEAN: Final = "def parse(data):\n    return len(data) > 3\n"
# Each comparison is a branch of its own: coverage leads to the crash.
CRASH: Final = """
def parse(data):
    if data[:1] == b"B":
        if data[1:2] == b"U":
            raise OverflowError("the planted bug")
    return len(data) > 3
"""
HANG: Final = """
def parse(data):
    while data[:1] == b"s":
        pass
    return False
"""
GREED: Final = """
kept = []
def parse(data):
    kept.append(bytearray(b"x" * (16 << 20)))
    return False
"""


class Planted:
    """A room with one target, and its runs."""

    name = "planted_parser"

    def __init__(self, folder: Path) -> None:
        self.room = folder / "room"
        self.reports = folder / "reports"
        self.temporary = folder / "tmp"
        self.corpus = self.room / "corpus" / self.name
        for each in (self.room / "targets", self.room / "planted", self.corpus, self.temporary):
            each.mkdir(parents=True)
        (self.room / "planted" / "__init__.py").touch()
        (self.room / "targets" / "__init__.py").touch()
        (self.corpus / "good_seed").write_bytes(SEED)
        self.target("from planted.parser import parse\n\n\ndef check(data):\n    return parse(data)\n")

    def target(self, text: str) -> None:
        (self.room / "targets" / f"{self.name}.py").write_text(text)

    def parser(self, text: str) -> None:
        (self.room / "planted" / "parser.py").write_text(text)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        environment = {
            **os.environ,
            "TMPDIR": str(self.temporary),
            "SEATRIAL_CACHE": str(self.room / "cache"),
            "GITHUB_STEP_SUMMARY": str(self.room / "page.md"),
        }
        limits = ["--minimise-seconds", "3", "--memory", "400"]
        places = ["--room", str(self.room), "--reports", str(self.reports)]
        return subprocess.Popen(
            [sys.executable, str(FUZZ / "run.py"), *places, *limits, *arguments],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str) -> tuple[int, str]:
        with self.start(*arguments) as process:
            said, _ = process.communicate(timeout=110)
            return process.returncode, said

    def crashers(self) -> list[Path]:
        return sorted(self.corpus.glob("crash_*"))

    def result(self) -> reports.RunResult:
        return reports.read(self.reports / "fuzz" / reports.RESULT_FILE)

    def raw(self) -> dict[str, Any]:
        (found,) = json.loads((self.reports / "fuzz" / "fuzz.json").read_text())["targets"]
        return dict(found)


@pytest.fixture
def planted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Planted]:
    planted = Planted(tmp_path_factory.mktemp("fuzz"))
    yield planted
    assert list(planted.temporary.iterdir()) == [], "the runner left files"


def replay(planted: Planted) -> str:
    """What the replay says of the room: the same file of tests, beside this room's targets."""
    for folder, file in (("runner", "__init__.py"), ("runner", "room.py"), ("targets", "replay_test.py")):
        (planted.room / folder).mkdir(exist_ok=True)
        (planted.room / folder / file).write_text((FUZZ / folder / file).read_text())
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-c", os.devnull, "-o", "python_files=*_test.py", "targets"],
        cwd=planted.room,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    ).stdout


def test_a_planted_crash_is_found_minimised_named_and_red_until_it_is_mended(planted: Planted) -> None:
    planted.parser(CRASH)
    status, said = planted.run("--seconds", "60")
    assert status == command.RED, said
    (crasher,) = planted.crashers()
    assert re.fullmatch(r"crash_overflowerror_parse_[0-9a-f]{8}", crasher.name)
    assert crasher.read_bytes() == b"BU"
    assert "OverflowError: the planted bug" in said
    result = planted.result()
    assert (result.tier, result.state, result.counts.failed) == ("fuzz", "failed", 1)
    assert "the planted bug" in result.failures[0].message
    assert (
        "the planted bug"
        in Path(result.failures[0].artifacts or "").joinpath(f"{crasher.name}.txt").read_text()
    )
    assert planted.raw()["crasher"] == f"corpus/{planted.name}/{crasher.name}"
    assert crasher.name in (planted.room / "page.md").read_text()
    assert "the planted bug" in replay(planted)
    planted.parser(CLEAN)
    assert "the planted bug" not in replay(planted)


def test_a_clean_target_is_green_with_its_figures_and_gives_what_it_has_found(planted: Planted) -> None:
    planted.parser(CRASH.replace('raise OverflowError("the planted bug")', "return False"))
    status, said = planted.run("--seconds", "3", "--keep")
    assert status == command.GREEN, said
    assert planted.result().state == "passed"
    figures = planted.raw()
    assert figures["executions"] > 1000
    assert figures["executions_per_s"] > 0
    assert figures["features"] > figures["features_of_corpus"] > 0
    assert figures["kept"]
    assert all((planted.corpus / name).read_bytes()[:1] == b"B" for name in figures["kept"])
    assert {name.partition("_")[0] for name in figures["kept"]} <= {"good", "bad"}
    assert "1 targets" in said
    again, said = planted.run("--seconds", "1", "--keep")
    assert again == command.GREEN, said
    assert planted.raw()["kept"] == []


@pytest.mark.parametrize(
    ("parser", "input_s", "kind"), [(HANG, "1", "hang"), (GREED, "60", "memory")], ids=["hang", "memory"]
)
def test_what_never_ends_and_what_takes_all_memory_is_a_crasher(
    planted: Planted, parser: str, input_s: str, kind: str
) -> None:
    planted.parser(parser)
    status, said = planted.run("--seconds", "60", "--input-seconds", input_s)
    assert status == command.RED, said
    (crasher,) = planted.crashers()
    assert crasher.name.startswith(f"crash_{kind}_")


def test_a_target_without_any_code_of_its_package_is_an_error_and_not_guessed_at(planted: Planted) -> None:
    planted.target("def check(data):\n    return False\n")
    status, said = planted.run("--seconds", "5")
    assert status == command.RED
    assert "is not instrumented: no module of planted could be instrumented" in said
    assert planted.raw()["executions"] == 0


def test_a_target_that_cannot_be_imported_is_red_and_told_why(planted: Planted) -> None:
    planted.target("import nothing_of_the_kind\n")
    status, said = planted.run("--seconds", "5")
    assert status == command.RED
    assert "No module named 'nothing_of_the_kind'" in said


def test_ctrl_c_leaves_no_process_and_no_file(planted: Planted) -> None:
    planted.parser(CLEAN)
    with planted.start("--seconds", "60") as process:
        assert process.stdout is not None
        process.stdout.readline()
        until("the target is being started", lambda: list(planted.temporary.glob("*/*/launch")), 60)
        children = until("the target runs", lambda: child_of(process.pid), 60)
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=60)
        assert process.returncode == command.INTERRUPTED, said
    assert "interrupted" in said
    assert planted.result().state == "interrupted"
    assert [pid for pid in children if lives(pid)] == []


def child_of(pid: int) -> list[int]:
    """The children of all threads of a process."""
    found: list[int] = []
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(FileNotFoundError, ProcessLookupError):
            found += map(int, file.read_text().split())
    return found


def lives(pid: int) -> bool:
    """Whether there is such a process."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_an_unknown_target_is_a_mistake_that_names_those_that_there_are(
    planted: Planted, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["--room", str(planted.room), "nobodys_parser"]) == command.MISTAKE
    assert "no target nobodys_parser" in (said := capsys.readouterr().err)
    assert planted.name in said


@pytest.mark.parametrize("arguments", [["--seconds", "0"], ["--jobs", "two"], ["--seconds", "-1"]])
def test_a_number_that_is_none_is_a_mistake(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main(arguments)
    assert ended.value.code == command.MISTAKE
    assert "is not a whole number from 1 up" in capsys.readouterr().err


def test_without_atheris_there_is_a_remedy(
    planted: Planted, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "atheris", None)
    assert command.main(["--room", str(planted.room)]) == command.MISTAKE
    assert "atheris is not installed" in (said := capsys.readouterr().err)
    assert "replay_test.py" in said


def test_the_replay_needs_no_atheris() -> None:
    files = [FUZZ / "runner" / "room.py", *(FUZZ / "targets").glob("*.py")]
    assert [file for file in files if "atheris" in file.read_text()] == []


def test_all_targets_fit_into_the_tiers_budget() -> None:
    targets = Room(FUZZ).targets()
    budget = command.BUDGET_S
    file = tier.find(FUZZ)
    assert file is not None
    if report.TIER in tier.load(file).tiers:
        budget = tier.load(file)[report.TIER].budget
    box = command.box_s(budget, len(targets), 2)
    assert box > command.LEAST_S
    assert len(targets) * (box + command.OVERHEAD_S) / 2 <= budget


def test_the_targets_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--list"]) == command.GREEN
    assert capsys.readouterr().out.split() == Room(FUZZ).targets()
