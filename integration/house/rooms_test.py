"""The walls between the rooms stand: each ban exists, is alive, gives its reason, and names something that exists."""

import ast
import importlib.util
import json
import subprocess
import sys
import tomllib
from pathlib import Path, PurePosixPath
from typing import Final

import pytest

from house import tree
from house.rooms import LIBRARY, Room, forbidden, fuzz_targets, packages, rooms, services

ROOT: Final = Path(__file__).parents[2]
RUFF: Final = (
    sys.executable,
    "-m",
    "ruff",
    "check",
    "--select",
    "TID251",
    "--output-format",
    "json",
    "--no-cache",
)
ROOMS: Final = list(rooms(ROOT))
TESTING_ROOMS: Final = [room for room in ROOMS if not room.folder.startswith("services/")]


def findings(room: Room, source: str) -> dict[str, str]:
    """What ruff says of a file in that room: the banned name -> the whole message."""
    ran = subprocess.run(
        [*RUFF, "--stdin-filename", f"{room.folder}/room_check.py", "-"],
        cwd=ROOT,
        input=source,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode in (0, 1), ran.stderr
    messages = [finding["message"] for finding in json.loads(ran.stdout)]
    return {message.split("`")[1]: message for message in messages}


def bans(room: Room) -> dict[str, str]:
    """The room's list: banned name -> reason."""
    document = tomllib.loads((ROOT / room.folder / "ruff.toml").read_text())
    return {
        name: entry["msg"] for name, entry in document["lint"]["flake8-tidy-imports"]["banned-api"].items()
    }


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.folder)
def test_a_room_bans_exactly_the_packages_that_it_must_not_know(room: Room) -> None:
    listed = {name for name in bans(room) if "." not in name}
    assert listed == forbidden(ROOT, room)


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.folder)
def test_a_forbidden_import_is_red_and_told_why(room: Room) -> None:
    source = "".join(
        f"import {name}.part\nfrom {name} import part\n" for name in sorted(forbidden(ROOT, room))
    )
    found = findings(room, source)
    assert found.keys() == forbidden(ROOT, room)
    for name, message in found.items():
        assert bans(room)[name] in message


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.folder)
def test_what_a_room_may_know_is_not_red(room: Room) -> None:
    allowed = {*room.known, *filter(None, [room.package])}
    assert findings(room, "".join(f"import {name}\n" for name in sorted(allowed))) == {}


@pytest.mark.parametrize("room", TESTING_ROOMS, ids=lambda room: room.folder)
@pytest.mark.parametrize(
    "source",
    [
        "import importlib\nimportlib.import_module('gateway')\n",
        "from importlib import import_module\nimport_module('gateway')\n",
        "import importlib.util\nimportlib.util.spec_from_file_location('gateway', 'services/gateway')\n",
        "import runpy\nrunpy.run_module('gateway')\n",
        "import runpy\nrunpy.run_path('services/gateway')\n",
    ],
)
def test_a_black_box_is_not_opened_by_name_either(room: Room, source: str) -> None:
    assert "an import by name hides what a file knows" in " ".join(findings(room, source).values())


@pytest.mark.parametrize("room", TESTING_ROOMS, ids=lambda room: room.folder)
@pytest.mark.parametrize("module", ["time", "asyncio"])
def test_a_sleep_is_red_and_sent_to_the_one_waiting_helper(room: Room, module: str) -> None:
    assert "seatrial.until" in findings(room, f"import {module}\n{module}.sleep(1)\n")[f"{module}.sleep"]


def test_the_suites_environment_does_not_contain_the_services() -> None:
    assert services(ROOT)
    assert [name for name in services(ROOT) if importlib.util.find_spec(name)] == []


def test_every_folder_of_services_and_integration_is_a_room() -> None:
    paths = [PurePosixPath(name) for name in tree.files(ROOT)]
    folders = {"/".join(path.parts[:2]) for path in paths if len(path.parts) > 2}
    there = {folder for folder in folders if folder.startswith(("services/", "integration/"))}
    assert there - {room.folder for room in ROOMS} == set()


def test_a_services_folder_is_named_for_its_package() -> None:
    assert [
        name for name in services(ROOT) if not (ROOT / "services" / name / name / "__init__.py").is_file()
    ] == []


@pytest.mark.parametrize("file", fuzz_targets(ROOT), ids=lambda file: file.stem)
def test_a_fuzz_target_imports_what_its_name_says_and_what_all_services_share_at_most(file: Path) -> None:
    nodes = list(ast.walk(ast.parse(file.read_text())))
    names = {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    names |= {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    known = {name.partition(".")[0] for name in names} & packages(ROOT)
    package = file.name.partition("_")[0]
    # Some targets say what must hold in a module beside them: which parser they mean, they say themselves.
    assert known - {LIBRARY} == {package} - {LIBRARY}


def test_every_corpus_has_a_target_and_every_target_a_corpus() -> None:
    corpora = {path.name for path in (ROOT / "fuzz" / "corpus").iterdir()}
    assert corpora == {file.stem for file in fuzz_targets(ROOT)}
