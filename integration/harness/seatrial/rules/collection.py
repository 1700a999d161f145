"""The house's rules for tests, enforced while they are collected: what breaks one is a collection error."""

from collections.abc import Generator, Iterator

import pytest

from seatrial.rules import capability, order, quarantine, reruns, skips
from seatrial.rules.order import Order
from seatrial.rules.plan import Plan
from seatrial.rules.skips import REQUIRES, Violation


class Rules:
    """A pytest plugin object."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_make_collect_report(
        self, collector: pytest.Collector
    ) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        """Turn the report of a module or class with a test that breaks a rule into an error."""
        report = yield
        if report.skipped:
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
            _fail(report, [f"{report.nodeid}: {skips.bare_skip_message(reason.removeprefix('Skipped: '))}"])
        elif report.passed:
            violations = [
                *_in_module(collector),
                *self._on_items(report),
                *self._on_quarantine(collector, report),
            ]
            if violations:
                _fail(report, [str(violation) for violation in violations])
        return report

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Put the tests into the run's order."""
        if self._plan.order is Order.RANDOM:
            items.sort(key=lambda item: order.place(self._plan.seed, item.nodeid))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Fail or skip a test before any fixture is made when a capability is absent."""
        for name in required(item):
            absence = capability.probe(name)
            if absence is None:
                continue
            if self._plan.mandatory(name):
                lane = self._plan.lane
                pytest.fail(
                    f"{absence}; mandatory in tier {self._plan.tier_name}, lane {lane}", pytrace=False
                )
            item.stash[skips.ABSENT] = absence
            pytest.skip(f"requires {name}: {absence.reason}")

    def _on_items(self, report: pytest.CollectReport) -> Iterator[Violation]:
        for node in report.result:
            if isinstance(node, pytest.Item):
                yield from skips.on_item(node)
                yield from reruns.on_item(node)
                yield from self._requirements(node)

    def _on_quarantine(
        self, collector: pytest.Collector, report: pytest.CollectReport
    ) -> Iterator[Violation]:
        """Entries that are over, or that name a test which this module or class does not have."""
        for entry in self._plan.quarantines.entries:
            if isinstance(collector, pytest.Module) and str(entry.file) == collector.nodeid and entry.over():
                yield Violation(
                    entry.test,
                    f"its quarantine ended on {entry.until}: {entry.reason} ({entry.link})",
                    f"fix the test and remove its entry from {quarantine.FILE_NAME}, or delete the test",
                )
            within, _, name = entry.test.partition(f"{collector.nodeid}::")
            if not within and name and not any(_leads_to(node, name) for node in report.result):
                yield Violation(
                    entry.test,
                    f"{quarantine.FILE_NAME} names it, and there is no such test",
                    "correct the entry, or remove it",
                )

    def _requirements(self, item: pytest.Item) -> Iterator[Violation]:
        for mark in item.iter_markers(REQUIRES):
            if not mark.args or mark.kwargs or not all(isinstance(name, str) for name in mark.args):
                yield Violation(
                    item.nodeid, f"@pytest.mark.{REQUIRES} names no capability", f'write {REQUIRES}("ipv6")'
                )
                continue
            for name in mark.args:
                if name not in capability.registry():
                    yield Violation(item.nodeid, *_split(capability.UnknownCapability(name)))
                elif not self._plan.lists(name):
                    yield Violation(
                        item.nodeid,
                        f"tier {self._plan.tier_name} does not list the capability {name!r}",
                        "add it to the tier's capabilities in tiers.toml, with the lanes where it is mandatory",
                    )


def required(item: pytest.Item) -> list[str]:
    """The capabilities that a test requires, those of its module and class included."""
    return list(dict.fromkeys(str(name) for mark in item.iter_markers(REQUIRES) for name in mark.args))


def _leads_to(node: pytest.Item | pytest.Collector, name: str) -> bool:
    """Whether a node is the test of that name, one of its cases, or a class around it."""
    names = {node.name, getattr(node, "originalname", node.name)}
    return name in names or name.startswith(f"{node.name}::")


def _split(error: capability.UnknownCapability) -> tuple[str, str]:
    what, _, remedy = str(error).partition(" (")
    return what, remedy.removesuffix(")")


def _in_module(collector: pytest.Collector) -> list[Violation]:
    if not isinstance(collector, pytest.Module):
        return []
    source = collector.path.read_text(encoding="utf-8", errors="replace")
    return skips.in_source(source, collector.nodeid)


def _fail(report: pytest.CollectReport, messages: list[str]) -> None:
    report.outcome = "failed"
    report.longrepr = "\n".join(dict.fromkeys(messages))
    report.result = []
