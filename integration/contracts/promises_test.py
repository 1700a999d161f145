"""Whatever a service publishes is promised by a suite, or stands in unpromised.toml with the reason."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from contracts.coverage import published
from contracts.coverage.cell import Cell
from contracts.errors import ContractFileError

INTEGRATION = Path(__file__).parents[1]
NO_SUITES = {"contracts", "harness", "house"}
REPORTER = """
import json, os, pytest
from pathlib import Path

def pytest_sessionstart(session):
    boundaries = session.config.pluginmanager.get_plugin("contracts.coverage.state").boundaries
    Path(os.environ["PROMISES"]).write_text(json.dumps(
        {str(each.directory): [list(cell) for cell in each.promised] for each in boundaries.values()}
    ))
    pytest.exit("no test is needed", returncode=0)
"""


@dataclass(frozen=True)
class Promises:
    suites: set[Path]
    """Every folder with tests that is a boundary suite."""
    by_suite: dict[Path, set[Cell]]

    @property
    def cells(self) -> set[Cell]:
        return set().union(*self.by_suite.values())


@pytest.fixture(scope="module")
def promises(tmp_path_factory: pytest.TempPathFactory) -> Promises:
    """What the suites of this repository tell the plugin, by their own conftests."""
    folder = tmp_path_factory.mktemp("promises")
    (folder / "reporter.py").write_text(REPORTER)
    suites = {file.parent for file in INTEGRATION.glob("*/*_test.py")}
    suites = {suite for suite in suites if suite.name not in NO_SUITES}
    paths = [folder, INTEGRATION, INTEGRATION / "harness"]
    variables = {
        **os.environ,
        "PROMISES": str(folder / "promises.json"),
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    plugins = [
        "-p",
        "seatrial.plugin",
        "-p",
        "contracts.coverage",
        "-p",
        "reporter",
        "-p",
        "no:cacheprovider",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *plugins, "--collect-only", "-q", *map(str, sorted(suites))],
        cwd=INTEGRATION.parent, env=variables, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((folder / "promises.json").read_text())
    return Promises(suites, {Path(suite): {Cell(*cell) for cell in cells} for suite, cells in found.items()})


def test_every_suite_answers_for_contracts(promises: Promises) -> None:
    assert promises.by_suite.keys() == promises.suites
    assert all(promises.by_suite.values())


def test_what_is_promised_is_published(promises: Promises) -> None:
    assert promises.cells - published.cells() == set()


def test_what_is_published_is_promised_or_there_is_a_reason(promises: Promises) -> None:
    found = published.unpromised(promises.cells)
    assert found.bare == (), (
        "promised by no suite (promise it in a conftest.py, or say why in unpromised.toml)"
    )
    assert found.stale == (), "in unpromised.toml, but promised by a suite or not published (drop it)"


def test_every_document_is_read() -> None:
    names = {cell.contract for cell in published.cells()}
    assert names == {
        "admin http", "authsession adapters", "authsession http", "engine http", "gateway grpc", "gateway http",
        "lobby commands", "lobby http", "notification adapters", "notification http", "redis", "rtmanager http",
    }  # fmt: skip


REASONS = """
[[unpromised]]
reason = "because"
what = {what}
"""


@pytest.mark.parametrize(
    ("what", "bare", "stale"),
    [
        ('["admin http"]', 0, ()),
        ('["admin http getHealth"]', 7, ()),
        ('["admin http getMetrics: 200"]', 9, ()),
        ('["admin http", "admin http nothing"]', 0, ("admin http nothing",)),
        ('["gateway http"]', 10, ("gateway http",)),
    ],
)
def test_a_reason_is_for_a_contract_an_operation_or_an_outcome(
    tmp_path: Path, what: str, bare: int, stale: tuple[str, ...]
) -> None:
    file = tmp_path / "unpromised.toml"
    file.write_text(REASONS.format(what=what))
    promised = {cell for cell in published.cells() if cell.contract != "admin http"}
    found = published.unpromised(promised, file)
    assert (len(found.bare), found.stale) == (bare, stale)
    assert set(found.excused.values()) <= {"because"}
    assert len(found.excused) + len(found.bare) == 10


@pytest.mark.parametrize(
    "text", ["", "[[unpromised]]\nwhat = ['x']", "[[unpromised]]\nreason = ' '\nwhat = ['x']", "[[unpromised"]
)
def test_a_file_without_reasons_is_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "unpromised.toml"
    file.write_text(text)
    with pytest.raises(ContractFileError, match=r"unpromised\.toml"):
        published.unpromised((), file)
