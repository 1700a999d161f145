from pathlib import Path

import pytest
from servicekit.testing.settings import Settings, check_readme

from lobby.config import PREFIX, Config
from lobby.service import SERVICE

README = Path(__file__).parents[1] / "README.md"
GOOD = {
    "LOBBY_POSTGRES_DSN": "postgresql://lobby:s3cret@127.0.0.1:5432/lobby",
    "LOBBY_REDIS_URL": "redis://127.0.0.1:6379/0",
}
SETTINGS = Settings(Config, PREFIX, GOOD)


def test_what_is_missing_is_named_all_at_once() -> None:
    assert SETTINGS.missing() == ["LOBBY_POSTGRES_DSN", "LOBBY_REDIS_URL"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("POSTGRES_DSN", "mysql://127.0.0.1/lobby"),
        ("POSTGRES_DSN", "postgresql://127.0.0.1:5432"),
        ("REDIS_URL", "http://127.0.0.1:6379"),
        ("REDIS_URL", "redis://127.0.0.1/first"),
        ("INSTANCE_ID", "a b"),
        ("INSTANCE_ID", "-"),
        ("TICK_MS", "0"),
        ("START_TIMEOUT_MS", "-1"),
        ("INVITE_TTL_MS", "1.5"),
        ("POSTGRES_MAX_CONNECTIONS", "1"),
    ],
)
def test_what_makes_no_sense_is_refused(name: str, value: str) -> None:
    (problem,) = SETTINGS.problems(**{name: value})
    assert problem.startswith(f"LOBBY_{name}: ")
    assert problem.endswith(")")


def test_a_password_is_never_quoted() -> None:
    (problem,) = SETTINGS.problems(POSTGRES_DSN="mysql://lobby:s3cret@127.0.0.1/lobby")
    assert "s3cret" not in problem


def test_the_readme_lists_every_variable_with_its_default() -> None:
    check_readme(README, SERVICE)
