"""The plan of a run: its tier, seed and places, decided once and shared with every worker."""

import os
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest

from seatrial import tier
from seatrial.containers import ownership
from seatrial.failures import repro
from seatrial.failures.artifacts import RunArtifacts, new_run_name
from seatrial.results.reports import LOCAL_TIER, RunResult
from seatrial.rules import quarantine, seed
from seatrial.rules.order import Order
from seatrial.rules.quarantine import QuarantineError, Quarantines
from seatrial.tier import Lane, Tier, TierError, Tiers

_KEPT_OPTIONS: Final = (
    "--seatrial-",
    "--timeout",
    "--import-mode",
    "--rootdir",
    "--confcutdir",
    "--override-ini",
)
_KEPT_SHORT: Final = ("-p", "-o", "-c", "-W")
_OWN_OPTIONS: Final = ("--seatrial-seed", "--seatrial-run")


def add_options(parser: pytest.Parser) -> None:
    """The plugin's command line options and ini values."""
    group = parser.getgroup("seatrial")
    group.addoption(
        "--seatrial-tier", metavar="NAME", help="the tier of tiers.toml that this run is (part of)"
    )
    group.addoption("--seatrial-tiers", metavar="FILE", help="default: tiers.toml in the root directory")
    group.addoption(
        "--seatrial-run",
        metavar="NAME",
        help="which of the tier's runs this is, for a caller that runs the whole tier and closes it with one table",
    )
    group.addoption(
        "--seatrial-seed", metavar="N", type=int, help="repeat a run's random choices; default: a new seed"
    )
    group.addoption(
        "--seatrial-order",
        choices=list(Order),
        default=Order.DEFINED,
        help="random: shuffle modules, their classes and their tests by the seed",
    )
    group.addoption("--seatrial-reports", metavar="DIR", help="where result files go; default: reports")
    group.addoption("--seatrial-artifacts", metavar="DIR", help="default: <reports>/<tier>/artifacts")
    parser.addini("seatrial_reports", "where result files go", default="reports")
    parser.addini("seatrial_artifacts", "where failures leave their artifacts", default="")
    parser.addini("seatrial_quarantine", "which tests may fail until when", default=quarantine.FILE_NAME)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is known of a run before its first test."""

    root: Path
    tiers: Tiers | None
    tier: Tier | None
    lane: Lane
    run: str | None
    seed: int
    order: Order
    quarantines: Quarantines
    reports: Path
    artifacts: RunArtifacts
    worker: str | None
    """The name of this pytest-xdist worker; None in the controller and in a run without workers."""
    options: tuple[str, ...]
    """The options of this run that a repetition of one test needs."""
    variables: Mapping[str, str]
    """The environment when the run began: what a test changes in it does not belong into its repetition."""
    revision: str | None
    """The checkout's git commit; None outside one."""
    directory: Path
    """Where pytest was started."""
    invocation: tuple[str, ...]
    """Everything that it was told there."""
    started_at: str
    """RFC 3339, UTC."""
    started: float
    """On the monotonic clock, in seconds."""

    @property
    def tier_name(self) -> str:
        """The tier's name, `local` for a run that is part of none."""
        return self.tier.name if self.tier else LOCAL_TIER

    @property
    def python(self) -> str:
        """This interpreter, as it can be called from where pytest was started."""
        path = Path(sys.executable)
        return str(path.relative_to(self.directory)) if path.is_relative_to(self.directory) else str(path)

    def mandatory(self, capability: str) -> bool:
        """Whether the absence of a capability is red in this run."""
        return any(tier.mandatory(capability, self.lane) for tier in self._tiers())

    def lists(self, capability: str) -> bool:
        """Whether tests of this run may require a capability at all."""
        return self.tier is None or any(capability in tier.capabilities for tier in self._tiers())

    def _tiers(self) -> Sequence[Tier]:
        if self.tier is None or self.tiers is None:
            return ()
        return (self.tier, *(self.tiers[name] for name in self.tier.includes))

    def command(self, nodeid: str) -> str:
        """The command that repeats one test."""
        path, separator, name = nodeid.partition("::")
        here = os.path.relpath(self.root / path, self.directory)
        return repro.command(
            f"{here}{separator}{name}", options=self.options, environment=self.variables, python=self.python
        )

    def repro_text(self, nodeid: str) -> str:
        """The whole of a test's REPRO.txt."""
        written = repro.text(
            nodeid,
            line=self.command(nodeid),
            directory=self.directory,
            seed=self.seed,
            tier=self.tier_name,
            revision=self.revision,
            environment=self.variables,
        )
        if self.order is Order.RANDOM:
            written += (
                f"# Among the other tests of its run, in the same random order:\n# {self.run_command()}\n"
            )
        return written

    def run_command(self) -> str:
        """The command that repeats the whole run."""
        options = _with_seed(self.invocation, self.seed)
        return repro.command(None, options=options, environment=self.variables, python=self.python)

    def shared(self) -> dict[str, Any]:
        """What a worker must know, as plain data."""
        return {
            "seed": self.seed,
            "revision": self.revision,
            "artifacts": self.artifacts.path.name,
            "directory": str(self.directory),
            "invocation": list(self.invocation),
            "leader": str(ownership.run()),
        }

    def beginning(self) -> RunResult:
        """The result of a run that has only begun."""
        return RunResult(
            tier=self.tier_name,
            state="running",
            started_at=self.started_at,
            budget_s=self.tier.budget if self.tier else None,
            skip_budget=self.tier.skips if self.tier else None,
            seed=self.seed,
            revision=self.revision,
            python=repro.python_version(),
            command=shlex.join(["pytest", *self.invocation]),
            artifacts=self.shown(self.artifacts.path),
            pid=os.getpid(),
        )

    def shown(self, path: Path) -> str:
        """A path as a person reads it: relative to the root when it lies below."""
        return str(path.relative_to(self.root) if path.is_relative_to(self.root) else path)


def now() -> str:
    """The time as result files have it: RFC 3339, UTC, with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def make(config: pytest.Config) -> Plan:
    """The plan of this run; raises UsageError for options or a tiers file that make none."""
    shared: dict[str, Any] | None = getattr(config, "workerinput", {}).get("seatrial")
    if shared is None:
        number: int | None = config.getoption("seatrial_seed")
        shared = {
            "seed": seed.new_seed() if number is None else number,
            "revision": repro.revision(config.rootpath),
            "directory": str(config.invocation_params.dir),
            "invocation": list(map(str, config.invocation_params.args)),
        }
    if "leader" in shared:
        ownership.join(shared["leader"])
    tiers, chosen = _tier(config)
    reports = config.rootpath / (config.getoption("seatrial_reports") or config.getini("seatrial_reports"))
    where = config.getoption("seatrial_artifacts") or config.getini("seatrial_artifacts")
    root = (
        config.rootpath / where if where else reports / (chosen.name if chosen else LOCAL_TIER) / "artifacts"
    )
    return Plan(
        root=config.rootpath,
        tiers=tiers,
        tier=chosen,
        lane=Lane.current(),
        run=config.getoption("seatrial_run"),
        seed=shared["seed"],
        order=Order(config.getoption("seatrial_order")),
        quarantines=_quarantines(config),
        reports=reports,
        artifacts=RunArtifacts(root, shared.get("artifacts") or new_run_name()),
        worker=getattr(config, "workerinput", {}).get("workerid"),
        options=_kept(shared["invocation"], shared["seed"]),
        variables=dict(os.environ),
        revision=shared["revision"],
        directory=Path(shared["directory"]),
        invocation=tuple(shared["invocation"]),
        started_at=now(),
        started=time.monotonic(),
    )


def _tier(config: pytest.Config) -> tuple[Tiers | None, Tier | None]:
    name = config.getoption("seatrial_tier")
    if name is None:
        return None, None
    try:
        tiers = tier.load(config.rootpath / (config.getoption("seatrial_tiers") or tier.FILE_NAME))
        return tiers, tiers[name]
    except TierError as error:
        raise pytest.UsageError(str(error)) from None


def _quarantines(config: pytest.Config) -> Quarantines:
    try:
        return quarantine.load(config.rootpath / config.getini("seatrial_quarantine"))
    except QuarantineError as error:
        raise pytest.UsageError(str(error)) from None


def _kept(arguments: Sequence[str], number: int) -> tuple[str, ...]:
    """Of a command line the options that change what one test does; the seed is always named."""
    kept: list[str] = []
    *words, own_seed = _with_seed(arguments, number)
    rest = iter(words)
    for word in rest:
        if word.startswith(_KEPT_OPTIONS) or word in _KEPT_SHORT:
            kept.append(word)
            if "=" not in word:
                kept.append(next(rest, ""))
        elif word.startswith(_KEPT_SHORT) and not word.startswith("--"):
            kept.append(word)
    return (*kept, own_seed)


def _with_seed(arguments: Sequence[str], number: int) -> tuple[str, ...]:
    """A command line with the seed named at its end, and without the run's place among others."""
    kept: list[str] = []
    words = iter(arguments)
    for word in map(str, words):
        if not word.startswith(_OWN_OPTIONS):
            kept.append(word)
        elif "=" not in word:
            next(words, None)
    return (*kept, f"--seatrial-seed={number}")
