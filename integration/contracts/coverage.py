"""Which documented outcomes a run exercised: operation x status (x error code), over all of its workers.

A pytest plugin. A boundary suite says in its conftest which contracts it holds:

    def pytest_configure(config):
        coverage.hold(config, coverage.Boundary("gateway_authsession", Path(__file__).parent, cells, exempt))

Contract clients call `exercised(cell)`. At the end the plugin prints what was never exercised. When the whole suite ran
and passed, a hole is red: exit status 1. With pytest-xdist the workers hand their cells to the controller, which judges.
The controller imports no conftest below its arguments: integration/conftest.py is where it finds the plugin.
"""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

import pytest

from contracts.errors import ContractFileError

if TYPE_CHECKING:  # every run below integration/ imports this module: it must be cheap
    from contracts.openapi import Contract

PLUGIN: Final = "contracts.coverage"


class Cell(NamedTuple):
    """One documented outcome; `contract` and `operation` as their documents call them."""

    contract: str
    operation: str
    outcome: str

    def __str__(self) -> str:
        return f"{self.contract} {self.operation}: {self.outcome}"


_exercised: Final[set[Cell]] = set()


def exercised(cell: Cell) -> None:
    """Notes that this process saw `cell` happen. Thread-safe (a set's `add` is atomic)."""
    _exercised.add(cell)


def cells_of(*contracts: "Contract") -> frozenset[Cell]:
    """Every outcome that OpenAPI documents promise."""
    return frozenset(
        Cell(contract.name, operation.id, outcome)
        for contract in contracts
        for operation in contract.operations.values()
        for outcome in operation.outcomes
    )


@dataclass(frozen=True)
class Boundary:
    """A suite and the outcomes that it promises to exercise.

    `exempt` maps a cell's text to the reason why the suite cannot exercise it.
    """

    name: str
    directory: Path
    promised: frozenset[Cell]
    exempt: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        stale = self.exempt.keys() - {str(cell) for cell in self.promised}
        if stale:
            raise ContractFileError(f"{self.name}: exempt, but no contract promises it: {sorted(stale)}")


def exemptions(path: Path) -> dict[str, str]:
    """The table `[exempt]` of a TOML file, `"<cell>" = "<reason>"`. Raises ContractFileError."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))["exempt"]
    except (OSError, tomllib.TOMLDecodeError, KeyError) as error:
        raise ContractFileError(
            f"{path}: expected a table [exempt] of cells and reasons: {error!r}"
        ) from error
    empty = [cell for cell, reason in table.items() if not (isinstance(reason, str) and reason.strip())]
    if empty:
        raise ContractFileError(f"{path}: without a reason: {empty}")
    return dict(table)


@dataclass
class _Tally:
    """What is known of one boundary; travels from a worker to the controller as plain data."""

    promised: set[Cell] = field(default_factory=set)
    exempt: dict[str, str] = field(default_factory=dict)
    whole: bool = True


class _Worker(Protocol):
    """The part of xdist's WorkerController that is read here."""

    workeroutput: dict[str, Any]


class Coverage:
    """The plugin's state in one process."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._boundaries: dict[str, Boundary] = {}
        self._tallies: dict[str, _Tally] = {}
        self._deselected = 0
        self._failed = False

    def add(self, boundary: Boundary) -> None:
        """Holds `boundary` in this run."""
        self._boundaries[boundary.name] = boundary

    @pytest.hookimpl
    def pytest_deselected(self, items: Iterable[pytest.Item]) -> None:
        """Notes that a part of the suite does not run."""
        self._deselected += len(list(items))

    @pytest.hookimpl
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Notes what each boundary promises, and whether all of it is about to run."""
        for boundary in self._boundaries.values():
            collected = {item.path for item in session.items}
            files = set(boundary.directory.rglob("*_test.py"))
            if not files & collected:
                continue
            narrowed = any(not self._covers(argument, boundary.directory) for argument in self._config.args)
            tally = self._tally(boundary.name)
            tally.promised |= boundary.promised
            tally.exempt |= boundary.exempt
            tally.whole = not (
                narrowed or self._deselected or files - collected or self._config.option.collectonly
            )

    def _covers(self, argument: str, directory: Path) -> bool:
        """Whether a command line argument takes in all of `directory`, or has nothing to do with it."""
        path = (self._config.invocation_params.dir / argument.partition("::")[0]).resolve()
        return "::" not in argument and not (path != directory and path.is_relative_to(directory))

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Hands what was exercised to the controller, or judges it."""
        output: dict[str, Any] | None = getattr(self._config, "workeroutput", None)
        if output is not None:
            output[PLUGIN] = {
                "exercised": [tuple(cell) for cell in _exercised],
                "tallies": {
                    name: ([tuple(cell) for cell in tally.promised], tally.exempt, tally.whole)
                    for name, tally in self._tallies.items()
                },
            }
        elif self._must_fail(exitstatus):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _must_fail(self, exitstatus: int) -> bool:
        self._failed = exitstatus != pytest.ExitCode.OK
        return not self._failed and any(
            tally.whole and self._holes(tally) for tally in self._tallies.values()
        )

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: _Worker, error: object) -> None:  # noqa: ARG002  (the hook's signature)
        """Takes what a worker exercised."""
        report = getattr(node, "workeroutput", {}).get(PLUGIN)
        if report is None:
            return
        _exercised.update(Cell(*cell) for cell in report["exercised"])
        for name, (promised, exempt, whole) in report["tallies"].items():
            tally = self._tally(name)
            tally.promised.update(Cell(*cell) for cell in promised)
            tally.exempt.update(exempt)
            tally.whole &= whole

    def _tally(self, name: str) -> _Tally:
        return self._tallies.setdefault(name, _Tally())

    def _holes(self, tally: _Tally) -> list[str]:
        """What makes a whole run red, one line each."""
        missing = sorted(cell for cell in tally.promised - _exercised if str(cell) not in tally.exempt)
        stale = sorted(cell for cell in map(str, tally.promised & _exercised) if cell in tally.exempt)
        return [
            *(f"never exercised  {cell}" for cell in missing),
            *(f"exempt, but exercised (drop the exemption)  {cell}" for cell in stale),
        ]

    @pytest.hookimpl
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Prints the figures, the exemptions and the holes."""
        for name, tally in sorted(self._tallies.items()):
            holes = self._holes(tally)
            red = tally.whole and bool(holes) and not self._failed
            why = "" if tally.whole else " (only a part of the suite ran)"
            terminalreporter.section(f"contract coverage of {name}", red=red, green=not holes)
            terminalreporter.write_line(
                f"{len(tally.promised & _exercised)} of {len(tally.promised)} documented outcomes exercised, "
                f"{len(tally.exempt)} exempt{why}"
            )
            for cell, reason in sorted(tally.exempt.items()):
                terminalreporter.write_line(f"exempt           {cell} ({reason})")
            if tally.whole:
                for hole in holes:
                    terminalreporter.write_line(hole, red=True)


def hold(config: pytest.Config, boundary: Boundary) -> None:
    """Makes the run answer for `boundary`; registers the plugin when the command line did not."""
    plugin = config.pluginmanager.get_plugin(f"{PLUGIN}.state")
    if plugin is None:
        plugin = Coverage(config)
        config.pluginmanager.register(plugin, f"{PLUGIN}.state")
    plugin.add(boundary)


def pytest_configure(config: pytest.Config) -> None:
    """Registers the state; the hook of `-p contracts.coverage`."""
    if config.pluginmanager.get_plugin(f"{PLUGIN}.state") is None:
        config.pluginmanager.register(Coverage(config), f"{PLUGIN}.state")
