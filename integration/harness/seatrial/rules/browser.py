"""Browser: a Chromium or Chrome of this machine that tests can drive."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

from seatrial.errors import SeatrialError

VARIABLE: Final = "SEATRIAL_BROWSER"
"""Names another program than those that are looked for."""
PROGRAMS: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
"""What it is called by Debian, Ubuntu, Google, and others; the first one that works is taken."""
_ANSWER_S: Final = 20.0
"""A browser that was never started on this machine reads some hundred megabytes first."""


class NoBrowser(SeatrialError):
    """No browser works here; says which were tried, and what each said."""


def find() -> Path:
    """The browser that `SEATRIAL_BROWSER` names, else the first one in PATH; raises `NoBrowser`.

    Each is asked for its version: Ubuntu has a `chromium-browser` that only says where to get one.
    """
    named = os.environ.get(VARIABLE)
    found = [path for name in ([named] if named else PROGRAMS) if (path := shutil.which(name))]
    if not found:
        raise NoBrowser(
            f"{VARIABLE}={named} is no program" if named else f"none of {', '.join(PROGRAMS)} is in PATH"
        )
    said = []
    for path in found:
        problem = _problem(path)
        if problem is None:
            return Path(path)
        said.append(problem)
    raise NoBrowser("; ".join(said))


def _problem(path: str) -> str | None:
    """Why a program is no browser that works; None when it is one."""
    try:
        ran = subprocess.run(
            [path, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_ANSWER_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"`{path} --version` did not end within {_ANSWER_S:g} s"
    except OSError as error:
        return f"{path} cannot be executed: {error.strerror}"
    words = (ran.stdout or ran.stderr).split("\n", 1)[0].strip()
    if ran.returncode:
        return f"`{path} --version` exited with {ran.returncode}: {words or 'no output'}"
    if not any(name in words for name in ("Chrom", "chrom")):
        return f"{path} is no Chromium or Chrome: its version is {words or 'nothing'!r}"
    return None
