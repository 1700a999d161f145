"""Which test modules a change concerns: a module is itself, its conftest.py, and what it imports from its folder."""

from pathlib import Path, PurePosixPath

import pytest

from house.flakes import modules
from seatrial import tier
from seatrial.tier import Tiers

TIERS = """
[environment.suite]
plugins = ["seatrial.plugin"]
[environment.plain]
plugins = ["xdist.plugin"]

[tier.quick]
purpose = "p"
triggers = ["push"]
budget = "1 min"
[[tier.quick.run]]
environment = "suite"
paths = ["suites"]
exclude = ["suites/slow"]
[[tier.quick.run]]
environment = "plain"
paths = ["services"]

[tier.night]
purpose = "p"
triggers = ["nightly"]
budget = "1 min"
[[tier.night.run]]
environment = "suite"
paths = ["suites/slow"]
"""
FILES = {
    "suites/shop/__init__.py": "",
    "suites/shop/conftest.py": "from shop import topology\n",
    "suites/shop/topology.py": "from shop.ports import PORTS\n",
    "suites/shop/ports.py": "PORTS = 1\n",
    "suites/shop/clients.py": "from contracts import ports\n",
    "suites/shop/a_test.py": "from shop.clients import Client\n",
    "suites/shop/b_test.py": "import json, shop.traffic\n",
    "suites/shop/traffic.py": "from shop import a_test\n",
    "suites/shop/broken_test.py": "def (",
    "suites/other/a_test.py": "from shop.clients import Client\nimport near\n",
    "suites/other/near.py": "",
    "suites/other/clients.py": "",
    "suites/slow/c_test.py": "",
    "services/d_test.py": "",
}


@pytest.fixture
def tiers(tmp_path: Path) -> Tiers:
    for name, text in {**FILES, tier.FILE_NAME: TIERS}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tier.load(tmp_path / tier.FILE_NAME)


def test_they_are_those_that_a_push_runs_with_the_plugin(tiers: Tiers) -> None:
    found = modules.every(tiers, FILES)
    assert [str(module) for module in found] == [
        "suites/other/a_test.py",
        "suites/shop/a_test.py",
        "suites/shop/b_test.py",
        "suites/shop/broken_test.py",
    ]
    assert {(module.tier, module.run.environment) for module in found} == {("quick", "suite")}


@pytest.mark.parametrize(
    ("module", "files"),
    [
        ("shop/a_test.py", "shop/a_test.py shop/clients.py shop/conftest.py shop/topology.py shop/ports.py"),
        (
            "shop/b_test.py",
            "shop/b_test.py shop/traffic.py shop/a_test.py shop/clients.py shop/conftest.py shop/topology.py shop/ports.py",
        ),
        ("shop/broken_test.py", "shop/broken_test.py shop/conftest.py shop/topology.py shop/ports.py"),
        ("other/a_test.py", "other/a_test.py other/near.py"),
    ],
)
def test_a_module_is_made_of_what_it_imports_from_its_folder(tiers: Tiers, module: str, files: str) -> None:
    made_of = modules.made_of(tiers.root, PurePosixPath("suites", module))
    assert {str(file.relative_to("suites")) for file in made_of} == set(files.split())


def test_a_change_concerns_the_modules_that_are_made_of_it_the_last_changed_first(tiers: Tiers) -> None:
    every = modules.every(tiers, FILES)

    def concerned(**times: float) -> list[str]:
        changes = {PurePosixPath("suites", name.replace("__", "/") + ".py"): at for name, at in times.items()}
        return [
            str(module.file.relative_to("suites")) for module in modules.changed(tiers.root, every, changes)
        ]

    assert concerned() == []
    assert concerned(slow__c_test=1.0) == []
    assert concerned(shop__traffic=1.0) == ["shop/b_test.py"]
    assert concerned(shop__traffic=1.0, shop__clients=2.0, other__near=3.0) == [
        "other/a_test.py",
        "shop/a_test.py",
        "shop/b_test.py",
    ]
    assert concerned(shop__ports=1.0) == ["shop/a_test.py", "shop/b_test.py", "shop/broken_test.py"]
