"""What the README, the Makefile and .ci/run say is what happens."""

import re
import subprocess
from pathlib import Path
from typing import Final

from house import tree
from seatrial import tier
from seatrial.rules import quarantine

ROOT: Final = Path(__file__).parents[2]
TIERS: Final = tier.load(ROOT / tier.FILE_NAME)
README: Final = (ROOT / "README.md").read_text(encoding="utf-8")
LINK: Final = re.compile(r"\]\((?!https?:)([^)#\s]+)")


def make(*arguments: str) -> str:
    """What make prints in this repository."""
    command = ["make", "--no-print-directory", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def make_help() -> dict[str, str]:
    """What `make` alone prints: target -> explanation."""
    return {target: text.strip() for target, _, text in (line.partition(" ") for line in make().splitlines())}


def recipe(target: str) -> str:
    """What make would run for a target whose tools are there."""
    return make("--dry-run", "--old-file", ".seatrial/tools/ready", target)


def test_the_readme_has_the_table_of_tiers() -> None:
    entries = quarantine.load(ROOT / quarantine.FILE_NAME).entries
    table = tier.table(TIERS, [entry.file for entry in entries])
    assert table in README, f"README.md needs this table:\n{table}"


def test_make_alone_lists_every_tier_with_its_purpose() -> None:
    printed = make_help()
    assert {each.name: printed.get(each.name) for each in TIERS} == {
        each.name: each.purpose for each in TIERS
    }


def test_every_target_that_make_lists_can_be_made() -> None:
    assert [target for target in make_help() if not recipe(target)] == []


def test_every_tier_is_a_target_that_runs_the_session_of_its_name() -> None:
    assert [each.name for each in TIERS if f" -s {each.name} " not in recipe(each.name)] == []


def test_the_readme_starts_with_the_two_commands_and_make_has_both() -> None:
    commands = re.findall(r"^    (make \w+)", README, flags=re.MULTILINE)
    assert commands[:2] == ["make integration", "make test"]
    assert "-s integration_quick" in recipe("integration")
    assert "-s lint unit integration_quick docker_quick" in recipe("test")


def test_every_target_that_the_readme_names_exists() -> None:
    named = set(re.findall(r"\bmake ([a-z]\w*)", README))
    assert named - set(make_help()) == set()


def test_continuous_integration_runs_what_the_readme_says() -> None:
    lines = (ROOT / ".ci" / "run").read_text().splitlines()
    assert [line for line in lines if "make " in line] == ["make test || status=$?"]


def test_links_between_files_lead_somewhere() -> None:
    missing = []
    for name in tree.files(ROOT):
        if name.endswith(".md"):
            text = (ROOT / name).read_text(encoding="utf-8")
            missing += [
                (name, link)
                for link in LINK.findall(text)
                if not (ROOT / name).parent.joinpath(link).exists()
            ]
    assert missing == []
