"""What a tier that shows pages needs before its tests: a browser, installed where that is allowed."""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from seatrial.rules import browser

CAPABILITY: Final = "browser"
"""A tier that has it needs a browser."""

_PACKAGE: Final = "chromium"
_LAST_LINES: Final = 15
_OPTIONS: Final = (
    "--quiet=2",
    *("-o", "DPkg::Lock::Timeout=300"),
    *("-o", "Acquire::Retries=3"),
    *("-o", "Acquire::http::Timeout=30"),
    *("-o", "Acquire::https::Timeout=30"),
)
_BY_HAND: Final = (
    f"install Debian's package {_PACKAGE} or Google Chrome, or name a program by {browser.VARIABLE}"
)


class BrowserFault(Exception):
    """No browser, and none can be installed; names the reason and the remedy."""


def find_or_install(root: Path) -> Path:
    """A browser that works; as root on a system with apt it is installed where there is none. Raises BrowserFault.

    `root` is the repository: sessions that need it at the same time install it once.
    """
    try:
        return browser.find()
    except browser.NoBrowser as absent:
        problem = str(absent)
    if os.environ.get(browser.VARIABLE):
        raise BrowserFault(f"no browser: {problem}; correct {browser.VARIABLE}, or unset it")
    if shutil.which("apt-get") is None:
        raise BrowserFault(f"no browser: {problem}, and there is no apt here; {_BY_HAND}")
    if os.geteuid() != 0:
        remedy = f"run `sudo apt-get install {_PACKAGE}`, or {_BY_HAND}"
        raise BrowserFault(f"no browser: {problem}; only root can install one: {remedy}")
    with _alone(root):
        try:
            return browser.find()  # another session has installed it meanwhile
        except browser.NoBrowser:
            return _install()


def _install() -> Path:
    sys.stderr.write(f"seatrial: installing {_PACKAGE} (no browser is here); it takes a minute or two\n")
    # A repository that fails need not be the one that is wanted: what install says decides
    _apt("update")
    status, said = _apt("install", "--yes", "--no-install-recommends", _PACKAGE)
    if status:
        raise BrowserFault(
            f"`apt-get install {_PACKAGE}` ended with {status}; {_BY_HAND}. Its last lines:\n{said}"
        )
    try:
        return browser.find()
    except browser.NoBrowser as absent:
        raise BrowserFault(
            f"the package {_PACKAGE} brought no browser that works: {absent}; {_BY_HAND}"
        ) from None


def _apt(*arguments: str) -> tuple[int, str]:
    """Run apt-get; its exit status and last lines."""
    ran = subprocess.run(
        ["apt-get", *_OPTIONS, *arguments],
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    lines = ran.stdout.decode(errors="replace").strip().splitlines()
    return ran.returncode, "\n".join(lines[-_LAST_LINES:])


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Keep other sessions from installing at the same time."""
    folder = root / ".seatrial"
    folder.mkdir(exist_ok=True)
    with (folder / "browser.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
