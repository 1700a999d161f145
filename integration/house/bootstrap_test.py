"""What `make` does on a fresh machine: which interpreter it takes, and what it says when there is none."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
PROGRAMS: Final = ("sh", "make", "awk", "sed", "dirname", "rm", "touch", "mkdir", "cat", "echo")

# The machine's interpreter, made to believe that it is another one before it runs what it was told to.
PRETENDER: Final = """#!/bin/sh
if [ "$1" = -c ]; then
    exec {python} -c 'import sys
{pretence}
exec(sys.argv[1])' "$2"
fi
echo "$0 $*" >> {log}
{rest}
"""


class Machine:
    """A PATH with a few ordinary programs and the interpreters that a test puts there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.programs = folder / "bin"
        self.programs.mkdir()
        self.log = folder / "log"
        self.tools = folder / "tools"
        for name in PROGRAMS:
            found = shutil.which(name)
            assert found, f"{name} is missing"
            (self.programs / name).symlink_to(found)

    def interpreter(self, path: Path, *, pretence: str = "", rest: str = "") -> Path:
        text = PRETENDER.format(python=sys.executable, pretence=pretence, log=self.log, rest=rest)
        return self.script(path, text)

    def good_interpreter(self, path: Path) -> Path:
        """One whose `-m venv FOLDER` makes an environment of pretenders."""
        inner = f'#!/bin/sh\necho "tools $*" >> {self.log}\n'
        rest = f'mkdir -p "$3/bin"\ncat > "$3/bin/python" <<\'END\'\n{inner}END\n{shutil.which("chmod")} +x "$3/bin/python"'
        return self.interpreter(path, rest=rest)

    def script(self, path: Path, text: str) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
        return path

    def make(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": str(self.programs), "HOME": str(self.folder / "home")}
        return subprocess.run(
            [self.programs / "make", "-C", ROOT, "--no-print-directory", f"TOOLS={self.tools}", *arguments],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def said(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []

    def bootstrap(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.make(f"{self.tools}/ready", *arguments)

    def refused(self, *arguments: str) -> str:
        """The one line that a bootstrap says when it cannot work."""
        ran = self.bootstrap(*arguments)
        assert ran.returncode != 0
        ours = [line for line in ran.stderr.splitlines() if not line.startswith("make: ***")]
        assert len(ours) == 1, ran.stderr
        assert not self.tools.exists()
        return ours[0]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_without_any_python_the_remedy_is_one_line(machine: Machine) -> None:
    assert machine.refused() == (
        "seatrial: no Python found: install Python 3.11 or newer (or name another interpreter: make PYTHON=/path/to/python3)"
    )


def test_a_too_old_python_is_named_with_its_version(machine: Machine) -> None:
    machine.interpreter(machine.programs / "python3", pretence="sys.version_info = (3, 9, 2)")
    assert machine.refused().startswith(
        "seatrial: python3 is Python 3.9, 3.11 or newer is needed: install one"
    )


def test_a_python_without_venv_is_told_which_package_has_it(machine: Machine) -> None:
    pretence = 'sys.version_info = (3, 12, 1); sys.modules["venv"] = None'
    machine.interpreter(machine.programs / "python3", pretence=pretence)
    assert machine.refused().startswith("seatrial: python3 has no venv module: install python3.12-venv")


def test_a_python_without_ensurepip_cannot_make_environments_either(machine: Machine) -> None:
    pretence = 'sys.version_info = (3, 11, 2); sys.modules["ensurepip"] = None'
    machine.interpreter(machine.programs / "python3", pretence=pretence)
    assert machine.refused().startswith("seatrial: python3 has no venv module: install python3.11-venv")


def test_a_named_interpreter_that_does_not_run_is_named(machine: Machine) -> None:
    machine.good_interpreter(machine.programs / "python3")
    assert machine.refused("PYTHON=/nowhere/python").startswith(
        "seatrial: PYTHON=/nowhere/python does not run: correct it"
    )


def test_an_old_one_first_does_not_hide_a_good_one_after_it(machine: Machine) -> None:
    machine.interpreter(machine.programs / "python3", pretence="sys.version_info = (3, 9, 2)")
    good = machine.good_interpreter(machine.programs / "python3.12")
    ran = machine.bootstrap()
    assert ran.returncode == 0, ran.stderr
    assert machine.said()[0] == f"{good} -m venv {machine.tools}"


def test_a_shim_that_fails_does_not_hide_what_the_version_manager_has(machine: Machine) -> None:
    machine.script(machine.programs / "python3.13", "#!/bin/sh\necho 'command not found' >&2\nexit 127\n")
    good = machine.good_interpreter(machine.folder / "home/.pyenv/versions/3.13.0/bin/python3")
    ran = machine.bootstrap()
    assert ran.returncode == 0, ran.stderr
    assert machine.said()[0] == f"{good} -m venv {machine.tools}"


def test_the_tools_are_installed_by_hash_from_wheels_and_only_once(machine: Machine) -> None:
    machine.good_interpreter(machine.programs / "python3")
    assert machine.bootstrap().returncode == 0
    install = machine.said()[1]
    assert install.startswith("tools -m pip install ")
    assert "--require-hashes" in install
    assert "--only-binary :all:" in install
    assert install.endswith("requirements/tools.txt")
    assert machine.bootstrap().returncode == 0
    assert len(machine.said()) == 2


def test_a_failed_installation_is_not_taken_for_done(machine: Machine) -> None:
    machine.interpreter(machine.programs / "python3", rest="exit 3")
    ran = machine.bootstrap()
    assert ran.returncode != 0
    assert "cannot make a virtual environment" in ran.stderr
    assert not (machine.tools / "ready").exists()


def test_make_alone_needs_no_python_and_prints_one_line_a_target(machine: Machine) -> None:
    ran = machine.make()
    assert ran.returncode == 0
    assert ran.stderr == ""
    assert all(line[:18].strip() and line[19:].strip() for line in ran.stdout.splitlines())
    assert machine.said() == []
