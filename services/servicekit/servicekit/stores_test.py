"""The variables of stores are those that services publish."""

from dataclasses import dataclass

import pytest

from servicekit import stores
from servicekit.config import ServiceConfig, usage
from servicekit.testing.settings import Settings


@dataclass(frozen=True, kw_only=True, slots=True)
class Config(ServiceConfig):
    """Every variable of stores."""

    postgres_dsn: str = stores.postgres_dsn("The database")
    postgres_timeout_ms: int = stores.postgres_timeout_ms()
    redis_url: str = stores.redis_url("The Redis")
    redis_timeout_ms: int = stores.redis_timeout_ms()
    instance_id: str | None = stores.instance_id()
    claim_idle_ms: int = stores.claim_idle_ms()


SETTINGS = Settings(
    Config, "P", {"P_POSTGRES_DSN": "postgresql://u:s3cret@h/d", "P_REDIS_URL": "redis://h:6379/0"}
)


def test_the_defaults() -> None:
    config = SETTINGS.load()
    assert (config.postgres_timeout_ms, config.redis_timeout_ms, config.claim_idle_ms) == (2000, 1000, 30000)
    assert config.instance_id is None
    assert SETTINGS.missing() == list(SETTINGS.good)


def test_what_help_says() -> None:
    said = {name: text for name, _, text in usage(Config, "P")}
    assert said["P_POSTGRES_DSN"] == "The database"
    assert said["P_POSTGRES_DSN_FILE"] == "File that holds P_POSTGRES_DSN"
    assert said["P_REDIS_URL"] == "The Redis, such as redis://127.0.0.1:6379/0; not a cluster"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("POSTGRES_DSN", "mysql://u:s3cret@h/d"),
        ("POSTGRES_TIMEOUT_MS", "0"),
        ("REDIS_URL", "http://h"),
        ("REDIS_URL", "redis://h/first"),
        ("REDIS_TIMEOUT_MS", "1.5"),
        ("INSTANCE_ID", "a b"),
        ("CLAIM_IDLE_MS", "0"),
    ],
)
def test_a_wrong_value_is_named_with_a_remedy(name: str, value: str) -> None:
    (problem,) = SETTINGS.problems(**{name: value})
    assert problem.startswith(f"P_{name}: ")
    assert problem.endswith(")")
    assert "s3cret" not in problem
