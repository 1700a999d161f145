import re
from pathlib import Path

import pytest
from servicekit.config import variables

from gateway.config import Config
from gateway.service import SERVICE

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def test_the_readme_lists_every_variable_with_its_default() -> None:
    table = dict(re.findall(r"^\| `(GATEWAY_[A-Z_]+)` \| ([^|]+) \|", README, re.MULTILINE))
    declared = {
        declared.name: "required"
        if declared.required
        else f"`{declared.default}`"
        if declared.default
        else "-"
        for _, declared in variables(Config, "GATEWAY")
    }
    addresses = {f"GATEWAY_{each.name.upper()}_ADDR": f"`{each.default}`" for each in SERVICE.listeners}
    assert {name: default.strip() for name, default in table.items()} == declared | addresses


def test_the_readme_names_every_file_variable() -> None:
    for _, declared in variables(Config, "GATEWAY"):
        if declared.file_name is not None:
            assert declared.file_name in README


def test_a_redis_that_its_client_refuses_is_a_wrong_configuration() -> None:
    redis = next(declared for field, declared in variables(Config, "GATEWAY") if field == "redis_url")
    with pytest.raises(ValueError, match="first"):
        redis.parse("redis://127.0.0.1/first")
