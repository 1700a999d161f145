from pathlib import Path

import pytest
from servicekit.testing.settings import Settings, check_readme

from rtmanager.config import PREFIX, Config
from rtmanager.service import SERVICE

README = Path(__file__).parents[1] / "README.md"
GOOD = {
    "RTMANAGER_POSTGRES_DSN": "postgresql://user:password@127.0.0.1:5432/rtmanager",
    "RTMANAGER_REDIS_URL": "redis://127.0.0.1:6379/0",
    "RTMANAGER_NETWORK": "games",
    "RTMANAGER_STATE_ROOT": "/var/lib/rtmanager",
}
SETTINGS = Settings(Config, PREFIX, GOOD)


def test_the_defaults_are_those_of_the_specification() -> None:
    config = SETTINGS.load()
    assert config.reconcile_interval_ms == 5 * 60 * 1000
    assert config.probe_failures == 3
    assert config.stopped_retention_ms == 30 * 24 * 3600 * 1000
    assert config.pull_policy == "if_missing"
    assert (config.instance_id, config.docker_host) == (None, None)


def test_what_is_missing_is_named_all_at_once() -> None:
    assert SETTINGS.missing() == list(GOOD)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("STATE_ROOT", "state"), ("STATE_ROOT", "/var/../etc"), ("STATE_ROOT", "/"), ("STATE_MOUNT", "state"),
        ("PULL_POLICY", "sometimes"), ("NETWORK", "-games"), ("DEPLOYMENT", "a b"), ("INSTANCE_ID", "a/b"),
        ("DEFAULT_CPUS", "0"), ("DEFAULT_CPUS", "half"), ("DEFAULT_MEMORY", "1MiB"), ("DEFAULT_PIDS", "0"),
        ("DOCKER_HOST", "docker.example.test"), ("LEASE_MS", "99"),
        ("CONTAINER_LABELS", "seatrial.rtmanager.deployment=other"), ("CONTAINER_LABELS", "Owner=me"),
        ("POSTGRES_DSN", "mysql://127.0.0.1/rtmanager"), ("REDIS_URL", "redis://127.0.0.1/first"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_named_with_a_remedy(name: str, value: str) -> None:
    (problem,) = SETTINGS.problems(**{name: value})
    assert problem.startswith(f"RTMANAGER_{name}: ")
    assert problem.endswith(")")


def test_labels() -> None:
    config = SETTINGS.load(CONTAINER_LABELS="owner=me,test.run=a-1")
    assert config.container_labels == {"owner": "me", "test.run": "a-1"}


def test_the_readme_lists_every_variable_with_its_default() -> None:
    check_readme(README, SERVICE)
