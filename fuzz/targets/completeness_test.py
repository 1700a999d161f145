"""Whatever the published contracts let strangers send has a target, and each target the corpus that it needs."""

import ast
import json
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from runner.room import BAD, GOOD, Room, package

ROOM: Final = Room(Path(__file__).parents[1])
SERVICES: Final = ROOM.folder.parent / "services"
JSON: Final = "application/json"


def operations() -> list[tuple[str, str]]:
    """Service and first line of an input, for each operation with a JSON body, and for each with a query."""
    found = []
    for file in sorted(SERVICES.glob("*/api/openapi.yaml")):
        document: dict[str, Any] = yaml.safe_load(file.read_text())
        for path in document["paths"].values():
            for operation in path.values():
                service, name = file.parents[1].name, operation["operationId"]
                if JSON in operation.get("requestBody", {}).get("content", {}):
                    found.append((service, name))
                if any(parameter["in"] == "query" for parameter in operation.get("parameters", ())):
                    found.append((service, f"{name}?"))
    return found


def read_keys() -> list[tuple[str, str]]:
    """Service and key of Redis, for each that a contract says it reads."""
    found = set()
    services = {file.parent.name for file in SERVICES.glob("*/pyproject.toml")}
    for file in SERVICES.glob("*/api/streams.schema.json"):
        for key, entry in json.loads(file.read_text())["x-keys"].items():
            found |= {(reader, key) for reader in entry["reader"].split(", ") if reader in services}
    return sorted(found)


def title(target: str) -> str:
    """The first line of a target's documentation: what it parses."""
    tree = ast.parse((ROOM.folder / "targets" / f"{target}.py").read_text())
    return (ast.get_docstring(tree) or "").partition("\n")[0]


def test_the_contracts_are_found() -> None:
    assert {service for service, _ in operations()} == {
        "authsession", "engine", "gateway", "lobby", "notification", "rtmanager"
    }  # fmt: skip
    assert len(read_keys()) >= 8


@pytest.mark.parametrize(("service", "line"), operations())
def test_every_body_and_query_of_an_operation_has_inputs_that_are_accepted_and_such_that_are_not(
    service: str, line: str
) -> None:
    inputs = ROOM.inputs(f"{service}_bodies")
    begin = f"{line}\n".encode()
    assert {GOOD, BAD} <= {
        file.name.partition("_")[0] for file in inputs if file.read_bytes().startswith(begin)
    }


@pytest.mark.parametrize(("service", "key"), read_keys())
def test_every_stream_and_key_that_a_service_reads_has_a_target_that_names_it(service: str, key: str) -> None:
    assert [target for target in ROOM.targets() if package(target) == service and f"`{key}`" in title(target)]


def test_every_service_has_a_target_for_its_configuration() -> None:
    assert {f"{file.parents[1].name}_config" for file in SERVICES.glob("*/*/config.py")} - set(
        ROOM.targets()
    ) == {
        "servicekit_config"  # the parsers themselves: servicekit_setting
    }


def test_every_target_says_what_it_parses_and_the_readme_lists_it() -> None:
    text = (ROOM.folder / "README.md").read_text()
    assert [target for target in ROOM.targets() if not title(target).startswith("Target: ")] == []
    assert [target for target in ROOM.targets() if f"| `{target}` |" not in text] == []


def test_every_corpus_belongs_to_a_target() -> None:
    assert {folder.name for folder in (ROOM.folder / "corpus").iterdir()} == set(ROOM.targets())
