"""The command that repeats a test, and all that it depends on."""

import platform
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from seatrial.failures.masking import mask_value

RELEVANT_PREFIXES = ("INTEGRATION_", "SEATRIAL_", "DOCKER_HOST", "PYTEST_DISABLE_PLUGIN_AUTOLOAD")
"""Variables of the runner's environment that change what a test does."""


def environment_that_matters(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that a repetition needs, with secrets masked."""
    names = sorted(name for name in environment if name.startswith(RELEVANT_PREFIXES))
    return {name: mask_value(name, environment[name]) for name in names}


def command(
    nodeid: str | None,
    *,
    options: Sequence[str],
    environment: Mapping[str, str],
    python: str = "python",
) -> str:
    """One shell line that runs one test again, from where pytest was started; without one, what the options name."""
    variables = [
        f"{name}={shlex.quote(value)}" for name, value in environment_that_matters(environment).items()
    ]
    words = [*options, *([] if nodeid is None else [nodeid])]
    return " ".join([*variables, python, "-m", "pytest", *map(shlex.quote, words)])


def python_version() -> str:
    """Implementation and version of this interpreter, as in `CPython 3.11.7`."""
    return f"{platform.python_implementation()} {platform.python_version()}"


def revision(root: Path) -> str | None:
    """The git commit checked out, `+` behind it for uncommitted changes; None outside a checkout."""
    commit = _git(root, "rev-parse", "--short=12", "HEAD")
    if not commit:
        return None
    return commit + ("+" if _git(root, "status", "--porcelain", "--untracked-files=no") else "")


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def text(
    nodeid: str,
    *,
    line: str,
    directory: Path,
    seed: int,
    tier: str,
    revision: str | None,
    environment: Mapping[str, str],
) -> str:
    """The whole of REPRO.txt."""
    variables = environment_that_matters(environment)
    return "\n".join(
        [
            f"# {nodeid}",
            f"# tier {tier}, seed {seed}, {python_version()}, revision {revision or 'unknown'}, {platform.platform()}",
            *(f"# {name}={value}" for name, value in variables.items()),
            f"cd {shlex.quote(str(directory))}",
            line,
            "",
        ]
    )
