"""No retries: a test that is run again until it passes proves nothing."""

from collections.abc import Iterator
from typing import Final

import pytest

from seatrial.rules.skips import Violation

_PLUGINS: Final = {
    "pytest_rerunfailures": "pytest-rerunfailures",
    "rerunfailures": "pytest-rerunfailures",
    "flaky.flaky_pytest_plugin": "flaky",
    "flaky": "flaky",
    "pytest_retry": "pytest-retry",
    "pytest_retry.retry_plugin": "pytest-retry",
    "pytest-retry": "pytest-retry",
    "pytest_flakefinder": "pytest-flakefinder",
}
_MARKS: Final = ("flaky", "rerun")
_REMEDY: Final = "fix the cause; a test that must wait for its fix is quarantined with a link and a day"


def refuse(config: pytest.Config) -> None:
    """Raise UsageError when a plugin that repeats failed tests is active."""
    for name, distribution in _PLUGINS.items():
        if config.pluginmanager.hasplugin(name):
            raise pytest.UsageError(
                f"{distribution} is active: retries are refused (load pytest with -p no:{name}; {_REMEDY})"
            )


def on_item(item: pytest.Item) -> Iterator[Violation]:
    """Marks by which such plugins repeat a test."""
    for name in _MARKS:
        if item.get_closest_marker(name) is not None:
            yield Violation(item.nodeid, f"@pytest.mark.{name}: retries are refused", _REMEDY)
