"""Packages of Debian and Ubuntu: an engine, and what drives compose files."""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from told import fail, say, succeeds

ENGINE = ("docker.io", "iptables", "ca-certificates")
COMPOSE = ("docker-compose-v2", "docker-compose")
"""Ubuntu's, where docker-compose is one that its Python cannot run any more, and Debian's."""
SYSTEMD = Path("/run/systemd/system")
"""It is there where systemd runs (sd_booted(3))."""
POLICY = Path("/usr/sbin/policy-rc.d")
"""A program that packages ask before they start a daemon (invoke-rc.d(8)); 101 forbids it."""


def available() -> bool:
    """Whether this machine has apt."""
    return shutil.which("apt-get") is not None


def first_known(*names: str) -> str:
    """The first of them that apt knows; the last of them when it knows none."""
    return next((name for name in names if succeeds("apt-cache", "show", name)), names[-1])


def update() -> None:
    """Fetch apt's lists, which a new machine may lack. A repository that fails need not be the one that is wanted."""
    if said := _apt("update"):
        say(f"apt's lists could not all be fetched: {said.splitlines()[-1]}")


def install(*names: str) -> None:
    """Install packages; ends with what apt said when it cannot."""
    with _nothing_is_started():
        said = _apt("install", "--yes", "--no-install-recommends", *names)
    if said:
        sys.stderr.write(f"{said[-4000:]}\n")
        fail(f"`apt-get install {' '.join(names)}` failed, its last lines are above")


def _apt(*arguments: str) -> str:
    """Run apt-get; gives what it said when it failed, else nothing."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    options = ["DPkg::Lock::Timeout=300", "Acquire::Retries=3"]
    options += [f"Acquire::{scheme}::Timeout=30" for scheme in ("http", "https")]
    command = ["apt-get", "--quiet=2", *(word for option in options for word in ("-o", option)), *arguments]
    ran = subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    said = ran.stdout.decode(errors="replace").strip()
    return (said or f"apt-get ended with {ran.returncode}") if ran.returncode else ""


@contextlib.contextmanager
def _nothing_is_started() -> Iterator[None]:
    """Where no systemd runs, a package would start a daemon by its init script, beside the one that is started here."""
    if SYSTEMD.is_dir() or POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n", encoding="ascii")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink(missing_ok=True)
