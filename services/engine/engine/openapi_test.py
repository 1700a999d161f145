import re
from pathlib import Path

import yaml
from servicekit.config import usage

from engine import openapi
from engine.config import PREFIX, Config
from engine.operations import OPERATIONS
from engine.service import SERVICE

README = Path(__file__).parents[1] / "README.md"


def test_the_published_file_is_what_the_code_says() -> None:
    assert openapi.PATH.read_text() == openapi.text(), "run `python -m engine.openapi`"


def test_every_operation_is_published_with_its_codes() -> None:
    paths = yaml.safe_load(openapi.PATH.read_text())["paths"]
    for operation in OPERATIONS:
        published = paths[operation.path][operation.method.lower()]["responses"]
        for status, codes in operation.errors.items():
            assert set(codes) <= set(published[str(status)]["x-error-codes"])
    assert sum(len(item) for item in paths.values()) == len(OPERATIONS)


def test_the_readme_lists_every_variable_with_its_default() -> None:
    rows = dict(re.findall(r"^\| `((?:ENGINE|GAME)_[A-Z_]+)` \| (.*?) \|", README.read_text(), re.MULTILINE))
    expected = {name: re.sub(r"^default (.*)$", r"`\1`", state) for name, state, _ in usage(Config, PREFIX)}
    for listener in SERVICE.listeners:
        expected[f"{PREFIX}_{listener.name.upper()}_ADDR"] = f"`{listener.default}`"
    assert rows == expected


def test_the_readme_names_every_error_code() -> None:
    text = README.read_text()
    for operation in OPERATIONS:
        for codes in operation.errors.values():
            for code in codes:
                assert f"`{code}`" in text, code
