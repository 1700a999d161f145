"""A repository with flaky and steady modules, and the gate in it: what the gate's own tests drive."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from house.flakes.conftest import Repository
from seatrial.results import reports
from seatrial.results.reports import Failure, RunResult

TIMEOUT_S: Final = 300
"""A gate is a dozen pytest runs and more."""

INTEGRATION: Final = Path(__file__).parents[2]
TIERS: Final = """
[environment.integration]
plugins = ["seatrial.plugin", "pytest_timeout"]

[tier.quick]
purpose = "p"
triggers = ["push"]
budget = "1 min"
[[tier.quick.run]]
environment = "integration"
paths = ["suite"]
workers = 2

[tier.boxes]
purpose = "p"
triggers = ["push"]
budget = "1 min"
capabilities = { docker = ["local", "ci"] }
[[tier.boxes.run]]
environment = "integration"
paths = ["boxes"]
"""
PYTEST: Final = "[pytest]\npython_files = *_test.py\n"

SEED: Final = "3"
"""Of two runs it puts the tests of RELIES_ON_ORDER into the wrong order in the first, and into the right one in the second."""

STEADY = "def test_a(): ...\ndef test_b(): ...\n"
RELIES_ON_ORDER = """
seen = []

def test_first():
    seen.append(1)

def test_second():
    assert seen, "nobody was here before"
"""
# A run that has the address keeps it until another one has asked for it as well.
RELIES_ON_BEING_ALONE = """
import os, pathlib, socket
from seatrial import until

HERE = pathlib.Path(__file__).parent
ADDRESS = f"\\0{HERE}"

def asked():
    return len(list(HERE.glob("*.asked")))

def test_takes_the_one_address():
    with socket.socket(socket.AF_UNIX) as listener:
        try:
            listener.bind(ADDRESS)
        finally:
            (HERE / f"{os.getpid()}.asked").touch()
        until("another run to ask", lambda: asked() % 2 == 0, timeout=60)
"""
CANNOT_BE_COLLECTED = "import no_such_module\n"
DIES = "import os, signal\ndef test_a():\n    print('last words', flush=True)\n    os.kill(os.getpid(), signal.SIGKILL)\n"
QUARANTINED = "def test_a(): ...\ndef test_flaky():\n    raise AssertionError\n"
ENTRY = """
[[quarantined]]
test = "suite/quarantined_test.py::test_flaky"
reason = "r"
link = "https://tracker.test/1"
until = {today}
"""


def environment(**variables: str) -> dict[str, str]:
    """That of a person's machine."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("CI", "GITHUB_", "PYTEST", "PYTHON", "SEATRIAL_"))
    }
    path = os.pathsep.join(map(str, (INTEGRATION, INTEGRATION / "harness")))
    return {**kept, "PYTHONPATH": path, **variables}


class Gate:
    """A repository, and the gate in it."""

    def __init__(self, repository: Repository) -> None:
        self.root = repository.root
        self.repository = repository
        self.status = -1
        self.output = ""
        self._result: RunResult | None = None

    def prepare(self) -> "Gate":
        """Make the repository one that has tiers, and a module that is two days old."""
        ignored = "reports/\n*.asked\n"
        for name, text in (("tiers.toml", TIERS), ("pytest.ini", PYTEST), (".gitignore", ignored)):
            self.repository.write(name, text)
        self.repository.write("suite/steady_test.py", STEADY)
        self.repository.commit(hours=48)
        return self

    def command(self, *arguments: str) -> list[str]:
        """How it is called."""
        return [sys.executable, "-m", "house.flakes", *arguments]

    def run(self, *arguments: str, variables: Mapping[str, str] | None = None) -> "Gate":
        """Run it to its end."""
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.root,
            env=environment(**(variables or {})),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        self.status, self.output, self._result = done.returncode, done.stdout, self.read()
        return self

    def read(self) -> RunResult | None:
        """The result file, as it is now."""
        return reports.load(self.root / "reports", "flakes")

    @property
    def result(self) -> RunResult:
        """What the run left, whatever others left since."""
        if self._result is None:
            raise AssertionError(f"no result was left:\n{self.output}")
        return self._result

    def failure(self, nodeid: str) -> Failure:
        """The one failure of a test or module."""
        (found,) = (failure for failure in self.result.failures if failure.nodeid == nodeid)
        return found

    def row(self, module: str) -> list[str]:
        """A module's row of the closing table, its times left out."""
        (row,) = re.findall(rf"^{re.escape(module)} {{2,}}(.*)$", self.output, re.MULTILINE)
        return re.split(r" {2,}", row.strip())[:2]

    def left(self) -> list[str]:
        """What it kept of runs."""
        return sorted(
            path.name for path in self.root.glob("reports/flakes/artifacts/*/*") if path.name != ".running"
        )
