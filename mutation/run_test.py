"""The gate on a small repository of its own: one service, one suite, real processes, real pytest runs."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from seatrial import until
from seatrial.results import reports

HERE = Path(__file__).resolve().parent
PRICE = '''"""The service: prints what so many pieces cost."""

import sys

PRICE = 2
SHIPPING = 1


def price(pieces: int) -> int:
    return PRICE * pieces + SHIPPING


print(price(int(sys.argv[1])))
'''
SUITE = """import os
import subprocess
import sys
from pathlib import Path

import pytest

from seatrial.errors import ProcessDied

LOG = Path(__file__).parents[2] / "ran.log"
PLAIN = "plain" in os.environ["SEATRIAL_SERVICES"]


def ask(pieces: int) -> int:
    program = Path(os.environ["SEATRIAL_SERVICES"]) / "shop" / "shop" / "price.py"
    ran = subprocess.run([sys.executable, program, str(pieces)], capture_output=True, text=True, check=False)
    if ran.returncode:
        raise ProcessDied(f"shop ended with {ran.returncode}")
    return int(ran.stdout)


@pytest.fixture(autouse=True)
def noted(request: pytest.FixtureRequest) -> None:
    with LOG.open("a") as log:
        log.write(f"{request.node.name} {'plain' if PLAIN else 'mutated'}\\n")


def test_the_first_one() -> None:
    assert ask(1) == 3


def test_several() -> None:
    assert ask(3) == 7
"""
TIERS = """
[environment.integration]

[tier.quick]
purpose = "the suite"
triggers = ["push"]
budget = "1 min"

[[tier.quick.run]]
environment = "integration"
paths = ["integration"]
"""
SUITES = """
[suite.shop_suite]
path = "integration/shop_suite"
tier = "quick"
services = ["shop"]
"""
FILES = {
    "services/shop/shop/price.py": PRICE,
    "services/servicekit/servicekit/kit.py": "",
    "requirements/shop.txt": "",
    "integration/shop_suite/price_test.py": SUITE,
    "pyproject.toml": '[tool.pytest.ini_options]\npython_files = ["*_test.py"]\n',
    "tiers.toml": TIERS,
    "mutation/suites.toml": SUITES,
}
FIRST = "integration/shop_suite/price_test.py::test_the_first_one"
SEVERAL = "integration/shop_suite/price_test.py::test_several"


@dataclass(frozen=True)
class Repository:
    """A checkout with a mutation gate."""

    root: Path

    def write(self, path: str, text: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def mutant(self, name: str, was: str, becomes: str) -> None:
        """A mutant of one line."""
        line = PRICE.splitlines().index(was) + 1
        header = 'breaks = "A wrong price."\npromise = "Prices are right."\nboundary = "integration/shop_suite"\n\n'
        diff = "--- a/shop/shop/price.py\n+++ b/shop/shop/price.py\n"
        hunk = f"@@ -{line},1 +{line},1 @@\n-{was}\n+{becomes}\n"
        self.write(f"mutation/mutants/shop/{name}.patch", header + diff + hunk)

    def killers(self, tests: Mapping[str, str]) -> None:
        """What is on record: a test for each mutant."""
        lines = (f'{name} = "{test}"\n' for name, test in tests.items())
        self.write("mutation/killers.toml", "[shop]\n" + "".join(lines))

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """The gate, in a process of its own."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PYTEST_", "GITHUB_", "SEATRIAL_"))
        }
        (self.root / "tmp").mkdir(exist_ok=True)
        program = f"import pathlib, run; raise SystemExit(run.main({list(arguments)!r}, home=pathlib.Path('mutation').resolve()))"
        return subprocess.Popen(
            [sys.executable, "-c", program],
            cwd=self.root,
            env={
                **kept,
                "PYTHONPATH": str(HERE),
                "TMPDIR": str(self.root / "tmp"),
                "GITHUB_STEP_SUMMARY": str(self.root / "job.md"),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """Its exit status, and what it said."""
        process = self.start(*arguments)
        said, complained = process.communicate()
        assert list((self.root / "tmp").iterdir()) == []
        return process.returncode, said, complained

    @property
    def verdicts(self) -> dict[str, dict[str, Any]]:
        """What became of each mutant, by name."""
        document = json.loads((self.root / "reports" / "mutation" / "mutants.json").read_text())
        return {each["mutant"].partition("/")[2]: each for each in document["mutants"]}

    @property
    def ran(self) -> Sequence[str]:
        """Which tests ran on what, in order."""
        return (self.root / "ran.log").read_text().splitlines()

    @property
    def state(self) -> str:
        """The tier's state, as `seatrial tiers` reads it."""
        result = reports.load(self.root / "reports", "mutation")
        assert result is not None
        return result.state


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(tmp_path)
    for path, text in FILES.items():
        made.write(path, text)
    return made


def test_a_mutant_that_a_test_sees_is_killed_and_told_everywhere(repository: Repository) -> None:
    repository.mutant("free-shipping", "SHIPPING = 1", "SHIPPING = 0")
    status, said, _ = repository.run()
    assert status == 0
    (verdict,) = repository.verdicts.values()
    assert (verdict["fate"], verdict["suite"]) == ("killed", "shop_suite")
    assert verdict["test"] in (FIRST, SEVERAL)
    assert "assert" in verdict["message"]
    assert repository.state == "passed"
    page = (repository.root / "reports" / "mutation" / "mutants.md").read_text()
    for text in (said, page, (repository.root / "job.md").read_text()):
        assert "shop/free-shipping" in text
        assert "killed" in text
    assert (repository.root / "services" / "shop" / "shop" / "price.py").read_text() == PRICE


def test_a_survivor_is_red_and_names_what_no_test_holds(repository: Repository) -> None:
    repository.mutant("unseen", "PRICE = 2", "PRICE = 2 + 0")
    repository.mutant("seen", "PRICE = 2", "PRICE = 3")
    status, said, _ = repository.run()
    assert status == 1
    assert {name: each["fate"] for name, each in repository.verdicts.items()} == {
        "unseen": "survived",
        "seen": "killed",
    }
    assert (
        "SURVIVED shop/unseen: no test of shop_suite fails: integration/shop_suite has none for: Prices are right."
        in said
    )
    assert repository.state == "failed"


def test_a_patch_that_no_longer_applies_is_red(repository: Repository) -> None:
    repository.mutant("stale", "SHIPPING = 1", "SHIPPING = 0")
    repository.write("services/shop/shop/price.py", PRICE.replace("SHIPPING = 1", "SHIPPING = 2 - 1"))
    assert repository.run()[0] == 1
    assert repository.verdicts["stale"]["fate"] == "stale"
    assert "make the patch anew" in repository.verdicts["stale"]["message"]


def test_a_service_that_does_not_start_is_not_killed(repository: Repository) -> None:
    for number, becomes in enumerate(("PRICE = ", "PRICE = 1 / 0", "raise SystemExit(70)")):
        repository.mutant(f"dead-{number}", "PRICE = 2", becomes)
    assert repository.run()[0] == 1
    for verdict in repository.verdicts.values():
        assert verdict["fate"] == "broken"
        assert "a service was not there (ProcessDied)" in verdict["message"]


def test_tests_that_cannot_be_collected_kill_nothing(repository: Repository) -> None:
    repository.mutant("seen", "PRICE = 2", "PRICE = 3")
    repository.write("integration/shop_suite/other_test.py", "import nothing_of_that_name\n")
    assert repository.run()[0] == 1
    assert "the tests cannot be collected" in repository.verdicts["seen"]["message"]


def test_a_test_that_fails_without_the_mutant_too_kills_nothing(repository: Repository) -> None:
    repository.mutant("unseen", "PRICE = 2", "PRICE = 2 + 0")
    repository.write(
        "integration/shop_suite/price_test.py",
        SUITE + "\n\ndef test_wrong() -> None:\n    assert ask(1) == 9\n",
    )
    assert repository.run()[0] == 1
    verdict = repository.verdicts["unseen"]
    assert verdict["fate"] == "broken"
    assert "fails without the mutant too" in verdict["message"]


def test_a_test_that_fails_once_and_then_not_kills_nothing(repository: Repository) -> None:
    flaky = """

def test_sometimes() -> None:
    seen = LOG.with_name("seen")
    if not PLAIN and not seen.exists():
        seen.touch()
        raise AssertionError("this time")
"""
    repository.mutant("unseen", "PRICE = 2", "PRICE = 2 + 0")
    repository.write("integration/shop_suite/price_test.py", SUITE + flaky)
    assert repository.run()[0] == 1
    verdict = repository.verdicts["unseen"]
    assert verdict["fate"] == "broken"
    assert "failed once, and then not" in verdict["message"]


def test_a_killer_that_fails_without_a_mutant_ends_the_gate(repository: Repository) -> None:
    repository.mutant("seen", "PRICE = 2", "PRICE = 3")
    repository.killers({"seen": SEVERAL})
    repository.write("integration/shop_suite/price_test.py", SUITE.replace("== 7", "== 8"))
    status, _, complained = repository.run()
    assert status == 1
    assert f"without a mutant: {SEVERAL}" in complained
    assert repository.state == "failed"


def test_the_test_that_killed_it_last_time_is_tried_first_and_alone(repository: Repository) -> None:
    repository.mutant("seen", "PRICE = 2", "PRICE = 3")
    repository.killers({"seen": SEVERAL})
    assert repository.run()[0] == 0
    assert repository.ran == ["test_several plain", "test_several mutated"]
    assert repository.verdicts["seen"]["test"] == SEVERAL


def test_a_killer_that_is_gone_leaves_the_suites_to_speak(repository: Repository) -> None:
    gone = {"renamed": f"{SEVERAL}_pieces", "moved": "integration/gone/a_test.py::test_a"}
    for name in gone:
        repository.mutant(name, "PRICE = 2", "PRICE = 3")
    repository.killers(gone)
    assert repository.run()[0] == 0
    assert {verdict["fate"] for verdict in repository.verdicts.values()} == {"killed"}


def test_what_killed_is_recorded_for_the_next_time(repository: Repository) -> None:
    repository.mutant("seen", "PRICE = 2", "PRICE = 3")
    repository.killers({"removed-since": SEVERAL})
    assert repository.run("--record")[0] == 0
    recorded = (repository.root / "mutation" / "killers.toml").read_text()
    assert f'seen = "{repository.verdicts["seen"]["test"]}"' in recorded
    assert "removed-since" not in recorded


def test_mutants_are_listed_and_chosen(repository: Repository) -> None:
    repository.mutant("one", "PRICE = 2", "PRICE = 3")
    repository.mutant("two", "PRICE = 2", "PRICE = 4")
    assert repository.run("--list", "shop/o*")[1].split()[0] == "shop/one"
    assert repository.run("two")[0] == 0
    assert list(repository.verdicts) == ["two"]
    for wrong in (["nobody"], ["--service", "nobody"]):
        status, _, complained = repository.run(*wrong)
        assert (status, "nobody" in complained, "Traceback" in complained) == (2, True, False)


def test_a_workers_number_that_is_none_is_the_user_s_mistake(repository: Repository) -> None:
    assert repository.run("--workers", "0")[0] == 2


@pytest.mark.parametrize(("when", "number"), [("plain", signal.SIGTERM), ("mutated", signal.SIGINT)])
def test_an_interrupted_gate_leaves_nothing(
    repository: Repository, number: signal.Signals, when: str
) -> None:
    hanging = "PRICE = __import__('signal').pause()"
    if when == "plain":
        repository.mutant("unseen", "PRICE = 2", "PRICE = 2 + 0")
        repository.killers({"unseen": SEVERAL})
        repository.write("services/shop/shop/price.py", PRICE.replace("SHIPPING = 1", hanging))
    else:
        repository.mutant("hangs", "PRICE = 2", hanging)
    process = repository.start()
    until(
        "a test to hang",
        lambda: any("price.py" in line for line in left_behind(repository.root / "tmp")),
        timeout=90.0,
    )
    process.send_signal(number)
    process.communicate(timeout=60.0)
    assert process.returncode == 130
    assert list((repository.root / "tmp").iterdir()) == []
    assert left_behind(repository.root / "tmp") == []
    assert repository.state == "interrupted"


def left_behind(folder: Path) -> list[str]:
    """The command lines that name a folder, of everything that runs."""
    lines = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = file.read_text(errors="replace")
        except OSError:
            continue  # it ended meanwhile
        lines += [line] if str(folder) in line else []
    return lines
