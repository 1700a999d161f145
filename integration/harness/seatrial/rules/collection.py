"""The house's rules for tests, enforced while they are collected: what breaks one is a collection error."""

from collections.abc import Generator, Iterator

import pytest

from seatrial.rules import capability, quarantine, reruns, skips
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
            violations = [*_in_module(collector), *self._on_items(report)]
            if violations:
                _fail(report, [str(violation) for violation in violations])
        return report

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
                yield from quarantine.on_item(node)
                yield from self._requirements(node)

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
