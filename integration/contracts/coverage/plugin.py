"""The pytest plugin: which outcomes a run promised and saw, over all of its workers, and what is missing."""

import fcntl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import pytest

from contracts.coverage.boundary import Boundary
from contracts.coverage.cell import SEEN
from contracts.coverage.record import Promise, Record, read, read_seen, seen_document

if TYPE_CHECKING:
    from seatrial.results.tally import Tally

PLUGIN: Final = "contracts.coverage"
_STATE: Final = f"{PLUGIN}.state"


class _Worker(Protocol):
    """The part of xdist's WorkerController that is read here."""

    workeroutput: dict[str, Any]


class Coverage:
    """The plugin's state in one process."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._deselected = 0
        self._promises: dict[str, Promise] = {}
        self.boundaries: dict[str, Boundary] = {}
        self.record: Record | None = None
        """What the run came to, once it is over; None while it runs, and for one without a boundary."""

    @pytest.hookimpl
    def pytest_deselected(self, items: Iterable[pytest.Item]) -> None:
        """Notes that a part of the suite does not run."""
        self._deselected += len(list(items))

    @pytest.hookimpl
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Notes what each boundary promises, and whether all of it is about to run."""
        collected = {item.path for item in session.items}
        for boundary in self.boundaries.values():
            files = set(boundary.directory.rglob("*_test.py"))
            if not files & collected:
                continue
            narrowed = any(not self._covers(argument, boundary.directory) for argument in self._config.args)
            part = narrowed or self._deselected or files - collected or self._config.option.collectonly
            self._join(
                Promise(
                    boundary=boundary.name,
                    folder=boundary.directory.relative_to(self._config.rootpath).as_posix(),
                    cells=boundary.promised,
                    exempt=boundary.exempt,
                    whole=not part,
                )
            )

    def _covers(self, argument: str, directory: Path) -> bool:
        """Whether a command line argument takes in all of `directory`, or has nothing to do with it."""
        path = (self._config.invocation_params.dir / argument.partition("::")[0]).resolve()
        return "::" not in argument and not (path != directory and path.is_relative_to(directory))

    def _join(self, promise: Promise) -> None:
        known = self._promises.get(promise.boundary)
        self._promises[promise.boundary] = promise if known is None else known.joined(promise)

    @pytest.hookimpl
    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Notes which test runs."""
        SEEN.test = nodeid

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Hands what was exercised to the controller, or judges it."""
        output: dict[str, Any] | None = getattr(self._config, "workeroutput", None)
        if output is not None:
            output[PLUGIN] = {
                "seen": seen_document(SEEN.by_cell()),
                "promises": [promise.document() for promise in self._promises.values()],
            }
        elif self._promises:
            self._judge(session, passed=exitstatus == pytest.ExitCode.OK)

    def _judge(self, session: pytest.Session, *, passed: bool) -> None:
        from seatrial.results.tally import TALLY

        tally = self._config.stash.get(TALLY, None)
        result = tally.result if tally else None
        self.record = Record(
            tier=result.tier if result else "",
            run=tally.run if tally else "",
            finished_at=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            revision=(result.revision or "") if result else "",
            passed=passed,
            promises=tuple(self._promises[name] for name in sorted(self._promises)),
            seen=SEEN.by_cell(),
        )
        if passed and self.record.holes:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
            if tally:
                for boundary, holes in self.record.holes.items():
                    tally.problem(f"contract coverage of {boundary}: {'; '.join(holes)}")
        if tally and not self._config.option.collectonly:
            self._write(self.record, tally)

    def _write(self, record: Record, tally: "Tally") -> None:
        """Keeps the record, and makes the page of all records of the tier anew."""
        from contracts.coverage import page
        from seatrial.results.reports import write_atomically

        name = f"coverage-{record.run}.json" if record.run else "coverage.json"
        with _alone(tally.folder):
            write_atomically(tally.folder / name, record.text())
            records = [read(path) for path in sorted(tally.folder.glob("coverage*.json"))]
            write_atomically(
                tally.folder / "coverage.html", page.of(records, title=f"Contract coverage of {record.tier}")
            )

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: _Worker, error: object) -> None:  # noqa: ARG002  (the hook's signature)
        """Takes what a worker exercised."""
        report = getattr(node, "workeroutput", {}).get(PLUGIN)
        if report is None:
            return
        for cell, tests in read_seen(report["seen"]).items():
            SEEN.add(cell, tests)
        for promise in report["promises"]:
            self._join(Promise.read(promise))

    @pytest.hookimpl
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Prints the figures, the exemptions and the holes."""
        if self.record is None:
            return
        terminalreporter.section("contract coverage", red=self.record.passed and bool(self.record.holes))
        for promise in self.record.promises:
            seen = promise.cells - promise.missing(self.record.seen)
            seen -= {cell for cell in seen if str(cell) in promise.exempt}
            why = "" if promise.whole else " (only a part of the suite ran)"
            terminalreporter.write_line(
                f"{promise.boundary}: {len(seen)} of {len(promise.cells)} documented outcomes exercised, "
                f"{len(promise.exempt)} exempt{why}"
            )
            for cell, reason in sorted(promise.exempt.items()):
                terminalreporter.write_line(f"  exempt           {cell} ({reason})")
            for hole in self.record.holes.get(promise.boundary, ()):
                terminalreporter.write_line(f"  {hole}", red=True)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """While the block runs, no other run of the tier makes the page: it would miss what this one wrote."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".coverage.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def state_of(config: pytest.Config) -> Coverage:
    """The plugin's state in a run; registers it when the command line did not."""
    plugin: Coverage | None = config.pluginmanager.get_plugin(_STATE)
    if plugin is None:
        plugin = Coverage(config)
        config.pluginmanager.register(plugin, _STATE)
    return plugin


def hold(config: pytest.Config, boundary: Boundary) -> None:
    """Makes the run answer for `boundary`."""
    state_of(config).boundaries[boundary.name] = boundary


def pytest_configure(config: pytest.Config) -> None:
    """Registers the state; the hook of `-p contracts.coverage`."""
    state_of(config)
