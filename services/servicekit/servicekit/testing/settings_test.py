"""Variables are tried, and READMEs held to them."""

from pathlib import Path

import pytest

from sample.service import SERVICE, Config
from servicekit.config import ConfigError
from servicekit.conftest import KEY
from servicekit.testing.settings import Settings, check_readme

SETTINGS = Settings(Config, "SAMPLE", {"SAMPLE_KEY": KEY})


def test_changes_are_named_without_the_prefix() -> None:
    assert SETTINGS.load().start == "well"
    assert SETTINGS.load(START="badly").start == "badly"
    with pytest.raises(ConfigError):
        SETTINGS.load(START="up")


def test_problems_are_given() -> None:
    assert SETTINGS.problems(START="up") == ["SAMPLE_START: 'up' is unknown (give one of well, badly, never)"]
    assert SETTINGS.missing() == ["SAMPLE_KEY"]
    with pytest.raises(AssertionError, match="nothing is wrong"):
        SETTINGS.problems()


def test_a_table_that_is_not_the_configuration_is_told(tmp_path: Path) -> None:
    from servicekit.config import usage

    rows = [
        f"| `{name}` | {f'`{state[8:]}`' if state.startswith('default ') else state} | {text} |"
        for name, state, text in usage(Config, "SAMPLE")
    ]
    rows += [f"| `{each.variable('SAMPLE')}` | `{each.default}` | |" for each in SERVICE.listeners]
    readme = tmp_path / "README.md"
    readme.write_text("\n".join([*rows, "| `OTHER` | what another table says | |"]))
    check_readme(readme, SERVICE)
    for wrong in (
        rows[1:],
        [*rows, "| `SAMPLE_MORE` | required | |"],
        [rows[0].replace("5000", "1"), *rows[1:]],
    ):
        readme.write_text("\n".join(wrong))
        with pytest.raises(AssertionError, match="does not list the variables as they are: .*SAMPLE_"):
            check_readme(readme, SERVICE)
