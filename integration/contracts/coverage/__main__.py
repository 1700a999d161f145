"""`python -m contracts.coverage`: one page of what the last runs of several tiers saw of all contracts.

Exit status: 0 when nothing is missing, 1 for a hole, 2 when there is nothing to make a page of.
"""

import argparse
import sys
from pathlib import Path

from contracts.coverage import matrix, page, published
from contracts.coverage.record import Record, read
from contracts.errors import ContractFileError
from seatrial.results.reports import LOCAL_TIER, write_atomically


def main(arguments: list[str] | None = None) -> int:
    """Makes the page, and says where it is and what is missing."""
    parser = argparse.ArgumentParser(prog="python -m contracts.coverage", description=__doc__)
    parser.add_argument(
        "reports", nargs="*", type=Path, default=[Path("reports")],
        help="where results are: `reports`, or one tier's folder in it; default: reports",
    )  # fmt: skip
    parser.add_argument(
        "--output", type=Path, default=Path("reports/coverage.html"), help="default: reports/coverage.html"
    )
    given = parser.parse_args(arguments)
    try:
        records = _records(given.reports)
        promised = {cell for record in records for promise in record.promises for cell in promise.cells}
        known, reasons = published.cells(), published.unpromised(promised).excused
        text = page.of(records, title="Contract coverage", published=known, unpromised=reasons)
        write_atomically(given.output, text)
    except (ContractFileError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    contracts = matrix.of(records, known, reasons)
    holes = [entry for each in contracts for entry in each.entries.values() if entry.state == "hole"]
    for entry in holes:
        sys.stdout.write(f"{entry.cell}: {'; '.join(entry.faults)}\n")
    counts = {state: sum(each.counts[state] for each in contracts) for state in matrix.STATES}
    tiers = ", ".join(sorted({record.tier for record in records}))
    sys.stdout.write(
        f"{given.output}: {tiers}: {counts['exercised']} outcomes exercised, {counts['exempt']} exempt, "
        f"{counts['unrun']} not run, {counts['hole']} holes\n"
    )
    return 1 if holes else 0


def _records(folders: list[Path]) -> list[Record]:
    """The records of tiers below these folders; those of runs by hand only when their folder is named."""
    found = [
        path
        for folder in folders
        for path in (
            *sorted(folder.glob("coverage*.json")),
            *(path for path in sorted(folder.glob("*/coverage*.json")) if path.parent.name != LOCAL_TIER),
        )
    ]
    if not found:
        raise ContractFileError(
            f"no record of a coverage of contracts in {', '.join(map(str, folders))} (run a tier that has boundary suites)"
        )
    return [read(path) for path in found]


if __name__ == "__main__":
    sys.exit(main())
