"""Configuration from an environment."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from servicekit.config import ConfigError, ServiceConfig, load, optional, usage, variable
from servicekit.parsers import base64_key, integer, text

KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="


@dataclass(frozen=True, kw_only=True, slots=True)
class Config(ServiceConfig):
    name: str = variable(text(maximum=10), help="A name")
    count: int = variable(integer(1, 9), default="3", unit="pieces", help="A count")
    note: str | None = optional(text(), help="A note")
    key: bytes | None = optional(base64_key(32), secret=True, help="A key")
    token: str | None = optional(text(pattern="t-[0-9]+"), secret=True, help="A token")


@dataclass(frozen=True, kw_only=True, slots=True)
class Shared(ServiceConfig):
    place: str = variable(text(), name="STATE_PATH", help="The same in every service")


def read(**environment: str) -> Config:
    return load(Config, "X", {f"X_{name}": value for name, value in environment.items()})


def problems(**environment: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read(**environment)
    return caught.value.problems


def test_defaults_go_through_the_same_parser() -> None:
    config = read(NAME="a")
    assert (config.name, config.count, config.note, config.key) == ("a", 3, None, None)
    assert (config.stop_timeout_ms, config.log_level, config.body_limit_bytes) == (5000, "INFO", 16384)


def test_a_configuration_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        read(NAME="a").name = "b"  # type: ignore[misc]


def test_an_empty_variable_counts_as_absent() -> None:
    assert read(NAME="a", COUNT="", NOTE="").count == 3
    assert problems(NAME="") == ["X_NAME: is missing (set it: A name)"]


def test_a_variable_with_a_name_of_its_own_has_no_prefix() -> None:
    assert load(Shared, "X", {"STATE_PATH": "/state", "X_PLACE": "/other"}).place == "/state"
    assert "STATE_PATH" in [name for name, _, _ in usage(Shared, "X")]


def test_every_problem_is_reported() -> None:
    found = problems(COUNT="10", LOG_LEVEL="debug")
    assert found == [
        "X_LOG_LEVEL: 'debug' is unknown (give one of DEBUG, INFO, WARNING, ERROR)",
        "X_NAME: is missing (set it: A name)",
        "X_COUNT: 10 is out of range (give a whole number from 1 to 9)",
    ]


def test_a_secret_is_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(KEY + "\n")
    assert read(NAME="a", KEY_FILE=str(file)).key == b"01234567890123456789012345678901"


def test_only_secrets_are_read_from_files(tmp_path: Path) -> None:
    (tmp_path / "note").write_text("from a file")
    assert read(NAME="a", NOTE_FILE=str(tmp_path / "note")).note is None


def test_a_secret_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    assert "No such file or directory" in problems(NAME="a", KEY_FILE=str(tmp_path / "none"))[0]
    assert "Is a directory" in problems(NAME="a", KEY_FILE=str(tmp_path))[0]
    assert "empty" in problems(NAME="a", KEY_FILE=str(tmp_path / "empty"))[0]
    assert "not UTF-8" in problems(NAME="a", KEY_FILE=str(tmp_path / "binary"))[0]


def test_a_secret_given_twice_is_a_problem() -> None:
    assert problems(NAME="a", KEY=KEY, KEY_FILE="/x") == [
        "X_KEY: is set together with X_KEY_FILE (set one of them)"
    ]


def test_a_malformed_secret_is_not_quoted() -> None:
    (problem,) = problems(NAME="a", TOKEN="t-secret")
    assert "t-secret" not in problem
    assert problem.startswith("X_TOKEN: '[redacted]' has another form")


def test_secrets_are_told_to_who_must_hide_them(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t-1")
    told: list[str] = []
    load(Config, "X", {"X_NAME": "a", "X_KEY": KEY, "X_TOKEN_FILE": str(tmp_path / "token")}, told.append)
    assert told == [KEY, "t-1"]


def test_usage_lists_every_variable_with_its_state_and_unit() -> None:
    rows = {name: (state, text) for name, state, text in usage(Config, "X")}
    assert rows["X_NAME"] == ("required", "A name")
    assert rows["X_COUNT"] == ("default 3", "A count [pieces]")
    assert rows["X_KEY"] == ("optional", "A key")
    assert rows["X_KEY_FILE"] == ("optional", "File that holds X_KEY")
    assert "X_NOTE_FILE" not in rows
    assert "X_STOP_TIMEOUT_MS" in rows


def test_a_field_that_is_no_variable_is_a_defect() -> None:
    @dataclass(frozen=True, kw_only=True, slots=True)
    class Wrong(ServiceConfig):
        plain: int = 1

    with pytest.raises(TypeError, match=r"Wrong\.plain"):
        load(Wrong, "X", {})
