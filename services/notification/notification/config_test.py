from pathlib import Path

import pytest
from servicekit.testing.settings import Settings, check_readme

from notification.config import PREFIX, Config
from notification.service import SERVICE

README = Path(__file__).parents[1] / "README.md"
GOOD = {
    "NOTIFICATION_POSTGRES_DSN": "postgresql://notification:secret@127.0.0.1:5432/notification",
    "NOTIFICATION_REDIS_URL": "redis://127.0.0.1:6379/0",
    "NOTIFICATION_USER_URL": "http://127.0.0.1:8200",
    "NOTIFICATION_ADMIN_EMAILS": "ops@example.test",
}
SETTINGS = Settings(Config, PREFIX, GOOD)


def test_what_is_missing_is_named_all_at_once() -> None:
    assert SETTINGS.missing() == list(GOOD)


def test_addresses() -> None:
    given = "ops@example.test, Ada@example.test"
    assert SETTINGS.load(ADMIN_EMAILS=given).admin_emails == ("ops@example.test", "Ada@example.test")


@pytest.mark.parametrize(
    "addresses", [",", "ops@example.test,", "ops", "ops@example.test\r\nBcc: x@y.test", "a@b.test,A@b.test"]
)
def test_wrong_addresses_are_refused_and_not_quoted(addresses: str) -> None:
    (problem,) = SETTINGS.problems(ADMIN_EMAILS=addresses)
    assert problem.startswith("NOTIFICATION_ADMIN_EMAILS: ")
    assert addresses not in problem


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("POSTGRES_DSN", "http://127.0.0.1"),
        ("REDIS_URL", "redis://127.0.0.1/first"),
        ("USER_URL", "https://user.example.test"),
        ("ADMIN_LOCALE", "de_DE"),
        ("INSTANCE_ID", "a b"),
        ("BATCH_SIZE", "0"),
        ("PUSH_MAX_ATTEMPTS", "0"),
        ("EMAIL_BACKOFF_FIRST_MS", "300001"),
        ("PUSH_BACKOFF_MOST_MS", "100"),
        ("LEASE_MS", "1500"),
        ("DEDUPLICATION_MS", "300000"),
    ],
)
def test_a_wrong_value_is_named_with_a_remedy(name: str, value: str) -> None:
    (problem,) = SETTINGS.problems(**{name: value})
    assert problem.startswith(f"NOTIFICATION_{name}: ") or f"{PREFIX}_{name}, {value}" in problem
    assert problem.endswith(")")


def test_a_password_is_never_quoted() -> None:
    (problem,) = SETTINGS.problems(POSTGRES_DSN="postgresql://notification:secret@127.0.0.1:0/notification")
    assert "secret" not in problem


def test_the_readme_lists_every_variable_with_its_default() -> None:
    check_readme(README, SERVICE)
