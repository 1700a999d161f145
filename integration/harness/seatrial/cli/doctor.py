"""`seatrial doctor`: what this machine can run, and the remedy for what it cannot."""

import platform
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from seatrial.cli.output import styled
from seatrial.errors import SeatrialError
from seatrial.processes.spawn import dies_with_parent
from seatrial.rules.capability import UnknownCapability, probe
from seatrial.tier import Lane, Tier, Tiers, Trigger


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a tier, or the machine, has or lacks."""

    what: str
    good: bool
    detail: str
    fatal: bool = True
    """Whether nothing runs without it; when not, its absence costs something, and the detail says what."""

    def print(self, console: Console) -> None:
        """One line."""
        mark, style = (
            ("ok", "green") if self.good else ("MISSING", "red") if self.fatal else ("missing", "yellow")
        )
        console.print("  ", styled(f"{mark:8}", style), styled(f"{self.what}: {self.detail}", ""), sep="")


def machine() -> Iterator[Finding]:
    """What the harness itself uses, whatever the tier."""
    version = platform.python_version()
    good = sys.version_info >= (3, 11)
    yield Finding(
        "python", good, f"{version} on {platform.platform()}" if good else f"{version}: install 3.11 or later"
    )
    yield _tool("uv", "services written in Python cannot be built")
    yield _tool("valkey", "environment.valkey cannot be used")
    yield _engine()
    prefix = dies_with_parent()
    lost = "children of a killed runner are ended by the warden alone, within a second; install util-linux for setpriv"
    yield Finding("setpriv", bool(prefix), prefix[0] if prefix else lost, fatal=False)


def _engine() -> Finding:
    from seatrial.containers.wire import EngineError, Wire, find

    try:
        place = find()
        answer = Wire(place, timeout=5.0).ask("GET", "/version").json()
    except EngineError as error:
        return Finding("docker", good=False, detail=f"containers cannot be used: {error}", fatal=False)
    return Finding("docker", good=True, detail=f"{answer['Version']} at {place.url}", fatal=False)


def _tool(name: str, lost: str) -> Finding:
    from seatrial.builds.binary import uv_program
    from seatrial.stores.valkey import server_program

    try:
        return Finding(
            name, good=True, detail=uv_program() if name == "uv" else server_program(), fatal=False
        )
    except SeatrialError as error:
        return Finding(name, good=False, detail=f"{lost}: {error}", fatal=False)


def findings(tiers: Tiers, tier: Tier, lane: Lane) -> Iterator[Finding]:
    """What a tier needs on this machine."""
    every = [tier, *(tiers[name] for name in tier.includes)]
    for environment in dict.fromkeys(run.environment for each in every for run in each.runs):
        lock = tiers.root / tiers.environments[environment].lock
        detail = (
            f"{lock.relative_to(tiers.root)}"
            if lock.is_file()
            else f"{lock} does not exist; run: nox -s lock"
        )
        yield Finding(f"environment {environment}", lock.is_file(), detail)
    for path in dict.fromkeys(path for each in every for run in each.runs for path in run.paths):
        if not (tiers.root / path).exists():
            yield Finding(f"path {path}", good=False, detail=f"does not exist; correct {tiers.file.name}")
    for each in every:
        for name in each.capabilities:
            yield _capability(each, name, lane)


def _capability(tier: Tier, name: str, lane: Lane) -> Finding:
    fatal = tier.mandatory(name, lane)
    try:
        absence = probe(name)
    except UnknownCapability:
        return Finding(name, good=True, detail="known to the suite's conftest.py only; the run will tell")
    if absence is None:
        return Finding(name, good=True, detail="present")
    consequence = f"mandatory in lane {lane}" if fatal else "tests that require it are skipped"
    return Finding(
        name, good=False, detail=f"{absence.reason} ({consequence}); {absence.remedy}", fatal=fatal
    )


def examine(tiers: Tiers, console: Console, lane: Lane) -> bool:
    """Print everything; whether every tier that a push starts can run."""
    console.print(styled("this machine", "bold"), styled(f"lane {lane}, {Path.cwd()}", "dim"))
    basis = list(machine())
    for finding in basis:
        finding.print(console)
    sound = all(finding.good or not finding.fatal for finding in basis)
    fit_for_push = True
    for tier in tiers:
        found = list(findings(tiers, tier, lane))
        can_run = sound and all(finding.good or not finding.fatal for finding in found)
        verdict = styled("can run", "green") if can_run else styled("cannot run", "bold red")
        triggers = ", ".join(sorted(tier.triggers))
        console.print(styled(tier.name, "bold"), verdict, styled(f"[{triggers}] {tier.purpose}", "dim"))
        for finding in found:
            finding.print(console)
        fit_for_push = fit_for_push and (can_run or Trigger.PUSH not in tier.triggers)
    return fit_for_push
