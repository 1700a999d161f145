"""The page says of every outcome whether it was seen, by whom, and if not, why; and it needs nothing but itself."""

import json
import re
from collections import Counter
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from contracts.coverage import __main__ as command
from contracts.coverage import matrix, page, published, record
from contracts.coverage.cell import Cell
from contracts.coverage.record import Promise, Record
from contracts.errors import ContractFileError

SEEN, MISSING, EXEMPT, LATER = (Cell("api", "get", outcome) for outcome in ("200", "404 x", "409 y", "503 z"))
STREAM = Cell("redis", "ships <b>", "sunk & lost")
TEST = "pair/one_test.py::test_found[a&b</script>]"


def a_record(
    seen: Mapping[Cell, Mapping[str, int]] | None = None,
    *,
    whole: bool = True,
    tier: str = "quick",
    run: str = "",
) -> Record:
    """A run of the suite `pair`."""
    found = {SEEN: {TEST: 3}} if seen is None else seen
    return Record(
        tier=tier, run=run, finished_at="2026-11-21T10:00:00Z", revision="abc", passed=True,
        promises=(
            Promise(
                boundary="pair", folder="pair", cells=frozenset({SEEN, MISSING, EXEMPT}),
                exempt={str(EXEMPT): "never happens"}, whole=whole,
            ),
        ),
        seen={cell: Counter(tests) for cell, tests in found.items()},
    )  # fmt: skip


def states(*records: Record, **options: Any) -> dict[Cell, str]:
    return {
        cell: entry.state
        for contract in matrix.of(records, **options)
        for cell, entry in contract.entries.items()
    }


def test_an_outcome_is_seen_missing_exempt_or_not_run() -> None:
    assert states(a_record(), published={LATER}) == {
        SEEN: "exercised", MISSING: "hole", EXEMPT: "exempt", LATER: "unrun",
    }  # fmt: skip
    assert states(a_record(whole=False))[MISSING] == "unrun"
    assert states(a_record(), unpromised={LATER: "nobody can"})[LATER] == "exempt"


def test_a_hole_in_one_of_several_runs_is_a_hole() -> None:
    full = a_record({SEEN: {TEST: 1}, MISSING: {TEST: 1}}, run="one")
    assert states(full)[MISSING] == "exercised"
    assert states(full, a_record(run="two"))[MISSING] == "hole"
    assert states(full, a_record(run="two", whole=False))[MISSING] == "exercised"


def test_what_another_suite_saw_fills_no_hole() -> None:
    seen = {SEEN: {TEST: 1}, MISSING: {"pairs/other_test.py::test": 1}}
    assert states(a_record(seen))[MISSING] == "hole"


def test_a_stale_exemption_is_a_hole() -> None:
    assert states(a_record({SEEN: {TEST: 1}, EXEMPT: {TEST: 1}}))[EXEMPT] == "hole"


def test_holes_come_first() -> None:
    contracts = matrix.of(
        [a_record({SEEN: {TEST: 1}, STREAM: {TEST: 1}, Cell("aaa", "a", "200"): {TEST: 1}})]
    )
    assert [contract.name for contract in contracts] == ["api", "aaa", "redis"]


def test_outcomes_are_in_the_order_of_their_statuses() -> None:
    cells = {
        Cell("api", name, outcome)
        for name, outcome in [("a", "404 x"), ("b", "200"), ("a", "OK"), ("b", "409 y")]
    }
    (contract,) = matrix.of([], cells)
    assert contract.outcomes == ["200", "404 x", "409 y", "OK"]


class Reader(HTMLParser):
    """What a browser would make of the page's data, and what it would have to fetch."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self._in_data = False
        self.data = ""
        self.links: list[str] = []
        self.buttons: dict[str, str] = {}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self._in_data = given.get("id") == "data"
        self.links += [str(value) for name, value in attrs if name in ("src", "href")]
        if tag == "button" and given.get("aria-label"):
            self.buttons[str(given["aria-label"])] = str(given.get("class"))

    def handle_data(self, data: str) -> None:
        if self._in_data:
            self.data += data


def test_the_page_needs_nothing_else_and_has_every_cell() -> None:
    text = page.of([a_record({SEEN: {TEST: 3}, STREAM: {TEST: 1}})], title="A <title>")
    read = Reader(text)
    assert read.links == []
    assert not re.search(r"https?://|@import|url\(", text)
    assert read.buttons == {
        "close": "None",
        "get: 200: exercised": "exercised",
        "get: 404 x: hole": "hole",
        "get: 409 y: exempt": "exempt",
        "ships <b>: sunk & lost: exercised": "exercised",
    }
    assert "A &lt;title&gt;" in text
    details = {(each["operation"], each["outcome"]): each for each in json.loads(read.data)}
    seen = details["get", "200"]
    assert (seen["tests"], seen["all_tests"], seen["times"]) == ([[TEST, 3]], 1, 3)
    assert (seen["promised_by"], seen["tiers"]) == (["pair in quick"], ["quick"])
    assert details["get", "409 y"]["reasons"] == ["pair: never happens"]
    assert details["get", "404 x"]["faults"] == [
        "no test of pair in quick exercised it, though all of them ran"
    ]


def test_of_many_tests_the_page_names_a_few() -> None:
    tests = {f"pair/one_test.py::test_{number}": number + 1 for number in range(20)}
    details = json.loads(Reader(page.of([a_record({SEEN: tests})], title="t")).data)[0]
    assert len(details["tests"]) == 5
    assert details["tests"][0] == ["pair/one_test.py::test_19", 20]
    assert (details["all_tests"], details["times"]) == (20, 210)


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    file = tmp_path / "coverage.json"
    file.write_text(a_record().text())
    assert record.read(file) == a_record()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 2}', '{"format": 1, "tier": "x"}'])
def test_what_is_no_record_is_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "coverage.json"
    file.write_text(text)
    with pytest.raises(ContractFileError, match=r"coverage\.json: no record"):
        record.read(file)


def test_the_records_of_several_tiers_make_one_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for tier, run in (("quick", "one"), ("docker", ""), ("local", "")):
        folder = tmp_path / tier
        folder.mkdir()
        seen = {SEEN: {TEST: 1}, MISSING: {TEST: 1}}
        name = f"coverage-{run}.json" if run else "coverage.json"
        (folder / name).write_text(a_record(seen, tier=tier, run=run).text())
    output = tmp_path / "coverage.html"
    assert command.main([str(tmp_path), "--output", str(output)]) == 0
    said = capsys.readouterr().out
    assert "coverage.html: docker, quick: 2 outcomes exercised" in said
    details = json.loads(Reader(output.read_text()).data)
    assert {each["contract"] for each in details} >= {"api", *(cell.contract for cell in published.cells())}
    (tmp_path / "docker" / "coverage.json").write_text(a_record(tier="docker").text())
    assert command.main([str(tmp_path), "--output", str(output)]) == 1
    assert "api get: 404 x: no test of pair in docker exercised it" in capsys.readouterr().out


def test_without_a_record_nothing_is_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main([str(tmp_path), "--output", str(tmp_path / "page.html")]) == 2
    assert "run a tier that has boundary suites" in capsys.readouterr().err
    assert not (tmp_path / "page.html").exists()
