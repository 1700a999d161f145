"""Tiers: which tests run together, when, on what machine and in what time.

`tiers.toml` at the root of a repository is the only place where a tier is described. This module reads it, strictly, with
the standard library alone, so that `noxfile.py`, the pytest plugin and the command line share one reading of it.

A file looks like this:

    [environment.integration]                    # requirements/integration.txt, plus these projects in editable mode
    install = ["integration/harness"]
    plugins = ["seatrial.plugin", "xdist.plugin"]

    [tier.integration_quick]
    purpose = "every boundary suite on embedded stores"
    triggers = ["push", "nightly"]               # push, nightly or manual
    budget = "60 s"                              # s, min or h
    skips = 0                                    # how many tests may be skipped
    capabilities = { valkey = ["local", "ci"] }  # in these lanes its absence is red, elsewhere a counted skip

    [[tier.integration_quick.run]]
    environment = "integration"
    paths = ["integration"]
    exclude = ["integration/harness"]

A run that is no pytest run has a `command` instead of paths: what the environment's interpreter is given.

    [[tier.fuzz.run]]
    environment = "fuzz"
    command = ["fuzz/run.py"]
"""

import os
import re
import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Final

from seatrial.tiertable import Table, TierError

__all__ = (
    "FILE_NAME", "Environment", "Lane", "Run", "Tier", "TierError", "Tiers", "Trigger", "duration", "find", "load", "table",
)  # fmt: skip

FILE_NAME: Final = "tiers.toml"

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_ENVIRONMENT_NAME = re.compile(r"[a-z][a-z0-9_-]*")


class Lane(StrEnum):
    """Where a run takes place."""

    LOCAL = "local"
    CI = "ci"

    @classmethod
    def current(cls, environment: Mapping[str, str] = os.environ) -> "Lane":
        """The lane of this process: `ci` where `CI` is set to anything but an empty string, `0` or `false`."""
        return cls.LOCAL if environment.get("CI", "").lower() in {"", "0", "false"} else cls.CI


class Trigger(StrEnum):
    """What starts a tier without being asked for by name; `manual` is for the tiers that nothing starts."""

    PUSH = "push"
    NIGHTLY = "nightly"
    MANUAL = "manual"


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """A Python environment: the lock of its name in `requirements/`, and projects installed in editable mode."""

    name: str
    install: tuple[str, ...] = ()
    plugins: tuple[str, ...] = ()
    """The pytest plugins that its runs load, by module; none is loaded by itself."""

    @property
    def lock(self) -> str:
        """The lock file, relative to the repository."""
        return f"requirements/{self.name}.txt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of a tier: of pytest over the test files below `paths`, less those below `exclude`, or of a program of its own."""

    environment: str
    paths: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    markers: str = ""
    """A pytest marker expression that selects among the tests; empty takes all."""
    workers: int = 0
    """How many pytest-xdist workers share the run; 0 runs it in one process."""
    command: tuple[str, ...] = ()
    """What the environment's interpreter is given instead of pytest; such a run has no paths, and writes its own result."""

    def owns(self, file: PurePosixPath) -> bool:
        """Whether this run collects a test file, given relative to the repository."""
        return any(map(file.is_relative_to, self.paths)) and not any(map(file.is_relative_to, self.exclude))

    def within(self, path: PurePosixPath) -> tuple[str, ...]:
        """What this run has of a file or folder, given relative to the repository: all of it, some of its own paths, nothing."""
        if self.owns(path):
            return (str(path),)
        return tuple(own for own in self.paths if PurePosixPath(own).is_relative_to(path))


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """A tier as described in the file."""

    name: str
    purpose: str
    budget: int
    """How long the tier may take once its environments are made, in seconds."""
    triggers: frozenset[Trigger]
    skips: int = 0
    """How many tests may be skipped for a missing capability."""
    capabilities: Mapping[str, frozenset[Lane]]
    """Every capability its tests may require, with the lanes where its absence is red."""
    includes: tuple[str, ...] = ()
    """Tiers whose runs are part of this one; their test files still belong to them."""
    runs: tuple[Run, ...] = ()
    """Empty for a tier that runs tools instead of tests."""

    def mandatory(self, capability: str, lane: Lane) -> bool:
        """Whether the absence of a capability is red in a lane."""
        return lane in self.capabilities.get(capability, frozenset())

    def owns(self, file: PurePosixPath) -> bool:
        """Whether a test file, given relative to the repository, belongs to this tier (not to one that it includes)."""
        return any(run.owns(file) for run in self.runs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tiers:
    """All tiers and environments of a repository, in the file's order."""

    file: Path
    tiers: Mapping[str, Tier]
    environments: Mapping[str, Environment]

    @property
    def root(self) -> Path:
        """The repository's root folder."""
        return self.file.parent

    def __iter__(self) -> Iterator[Tier]:
        return iter(self.tiers.values())

    def __getitem__(self, name: str) -> Tier:
        """The tier of that name; raises TierError with the known names."""
        try:
            return self.tiers[name]
        except KeyError:
            raise TierError(
                self.file, f"tier.{name}", "no such tier", f"known: {', '.join(self.tiers)}"
            ) from None

    def triggered_by(self, trigger: Trigger) -> tuple[Tier, ...]:
        """The tiers that a trigger starts."""
        return tuple(tier for tier in self if trigger in tier.triggers)

    def owners(self, file: PurePosixPath) -> tuple[Tier, ...]:
        """The tiers that a test file belongs to; exactly one in a healthy repository."""
        return tuple(tier for tier in self if tier.owns(file))


def find(start: Path) -> Path | None:
    """The nearest tiers file in a folder or above it."""
    for folder in (start, *start.parents):
        if (file := folder / FILE_NAME).is_file():
            return file
    return None


def load(file: Path) -> Tiers:
    """Read a tiers file; raises TierError for anything in it that is not understood."""
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise TierError(
            file, "file", error.strerror or str(error), f"write {FILE_NAME} at the root of the repository"
        ) from None
    except UnicodeDecodeError as error:
        raise TierError(file, "file", f"not UTF-8 at byte {error.start}", "save it as UTF-8") from None
    try:
        document = tomllib.loads(text)
    except (
        ValueError,
        RecursionError,
    ) as error:  # tomllib's own are ValueErrors, as are numbers of thousands of digits
        raise TierError(
            file, "syntax", str(error), "a key may be given once only, text needs quotes"
        ) from None
    top = Table(file, "", document)
    environments = {name: _environment(table) for name, table in top.tables("environment", _ENVIRONMENT_NAME)}
    tiers = {name: _tier(table) for name, table in top.tables("tier", _NAME)}
    top.done()
    if not tiers:
        raise TierError(file, "tier", "describes no tier", "add a [tier.NAME] table")
    loaded = Tiers(file=file, tiers=tiers, environments=environments)
    _check_references(loaded)
    return loaded


def duration(seconds: int) -> str:
    """A whole number of seconds as a person writes it: `60 s`, `10 min`, `2 h`."""
    for unit, factor in (("h", 3600), ("min", 60)):
        if seconds > factor and seconds % factor == 0:
            return f"{seconds // factor} {unit}"
    return f"{seconds} s"


def table(tiers: Tiers, quarantined: Collection[PurePosixPath]) -> str:
    """The tiers as a Markdown table, for a README; `quarantined` has the module of each entry of quarantine.toml."""
    rows = ["| tier | what runs | trigger | budget | skips | quarantined |", "|---|---|---|---|---|---|"]
    for tier in tiers:
        triggers = ", ".join(trigger.value for trigger in Trigger if trigger in tier.triggers)
        cells = (tier.purpose, triggers, duration(tier.budget), tier.skips, sum(map(tier.owns, quarantined)))
        rows.append(f"| `{tier.name}` | {' | '.join(map(str, cells))} |")
    return "\n".join(rows) + "\n"


def _environment(table: Table) -> Environment:
    environment = Environment(
        name=table.name, install=table.folders("install"), plugins=table.texts("plugins")
    )
    table.done()
    return environment


def _run(table: Table) -> Run:
    run = Run(
        environment=table.text("environment"),
        paths=table.folders("paths"),
        exclude=table.folders("exclude"),
        markers=table.optional_text("markers"),
        workers=table.count("workers"),
        command=table.texts("command"),
    )
    table.done()
    if run.command and (run.paths or run.exclude or run.markers or run.workers):
        raise table.fail("command", "beside what is for pytest alone", "make it a [[run]] of its own")
    if not run.paths and not run.command:
        raise table.fail(
            "paths", "missing", 'write paths = ["..."], or command = ["..."] for another program'
        )
    return run


def _tier(table: Table) -> Tier:
    triggers = frozenset(Trigger(item) for item in table.choices("triggers", list(Trigger)))
    capabilities = table.table("capabilities")
    tier = Tier(
        name=table.name,
        purpose=table.text("purpose"),
        triggers=triggers,
        budget=table.seconds("budget"),
        skips=table.count("skips"),
        capabilities=MappingProxyType(
            {
                name: frozenset(Lane(lane) for lane in capabilities.choices(name, list(Lane)))
                for name in capabilities.names
            }
        ),
        includes=table.texts("includes"),
        runs=tuple(_run(run) for run in table.array("run")),
    )
    table.done()
    if not triggers:
        raise table.fail("triggers", "missing", f"write any of: {', '.join(Trigger)}")
    if Trigger.MANUAL in triggers and len(triggers) > 1:
        raise table.fail(
            "triggers", "manual beside another trigger", "every tier can be run by hand: leave manual out"
        )
    return tier


def _check_references(tiers: Tiers) -> None:
    """What one part of the file says of another must hold."""
    for tier in tiers:
        for name in tier.includes:
            if name not in tiers.tiers or name == tier.name:
                known = ", ".join(other for other in tiers.tiers if other != tier.name)
                raise TierError(
                    tiers.file, f"tier.{tier.name}.includes", f"no other tier {name!r}", f"known: {known}"
                )
            if tiers.tiers[name].includes:
                raise TierError(
                    tiers.file,
                    f"tier.{tier.name}.includes",
                    f"{name!r} includes others itself",
                    "list every included tier here",
                )
        for index, run in enumerate(tier.runs):
            if run.environment not in tiers.environments:
                raise TierError(
                    tiers.file,
                    f"tier.{tier.name}.run[{index}].environment",
                    f"no environment {run.environment!r}",
                    f"known: {', '.join(tiers.environments)}",
                )
