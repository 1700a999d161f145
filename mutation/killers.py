"""Which test killed each mutant last time, kept in the tree: it is tried first."""

import tomllib
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from seatrial.results.reports import write_atomically

FILE: Final = "killers.toml"
_HEAD: Final = (
    "# The test that killed each mutant last time; it is tried first. Written by `run.py --record`.\n"
)

Killers = Mapping[str, str]
"""Node ids by `<service>/<name>`."""


class KillersError(Exception):
    """killers.toml is not what was written; the text says why and what to do."""


def load(file: Path) -> dict[str, str]:
    """The killers; none where there is no file. Raises KillersError."""
    if not file.exists():
        return {}
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8"))
        return {
            f"{service}/{name}": str(test)
            for service, tests in tables.items()
            for name, test in tests.items()
        }
    except (tomllib.TOMLDecodeError, AttributeError) as error:
        raise KillersError(f"{file}: {error} (remove it and run with --record)") from None


def save(file: Path, killers: Killers) -> None:
    """Write them, by service and name, in one step."""
    services: defaultdict[str, list[str]] = defaultdict(list)
    for mutant, test in sorted(killers.items()):
        service, _, name = mutant.partition("/")
        services[service].append(f'{name} = "{_escaped(test)}"')
    tables = (f"\n[{service}]\n" + "\n".join(lines) + "\n" for service, lines in services.items())
    write_atomically(file, _HEAD + "".join(tables))


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
