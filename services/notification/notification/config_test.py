import re
from pathlib import Path

import pytest
from servicekit.config import ConfigError, load, usage

from notification.config import PREFIX, Config

README = Path(__file__).parents[1] / "README.md"
GOOD = {
    "NOTIFICATION_POSTGRES_DSN": "postgresql://notification:secret@127.0.0.1:5432/notification",
    "NOTIFICATION_REDIS_URL": "redis://127.0.0.1:6379/0",
    "NOTIFICATION_USER_URL": "http://127.0.0.1:8200",
    "NOTIFICATION_ADMIN_EMAILS": "ops@example.test",
}


def problems(**changes: str) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        load(Config, PREFIX, GOOD | {f"{PREFIX}_{name}": value for name, value in changes.items()})
    return refused.value.problems


def test_what_is_missing_is_named_all_at_once() -> None:
    with pytest.raises(ConfigError) as refused:
        load(Config, PREFIX, {})
    assert [problem.partition(":")[0] for problem in refused.value.problems] == list(GOOD)


def test_addresses() -> None:
    given = GOOD | {"NOTIFICATION_ADMIN_EMAILS": "ops@example.test, Ada@example.test"}
    assert load(Config, PREFIX, given).admin_emails == ("ops@example.test", "Ada@example.test")


@pytest.mark.parametrize(
    "addresses", [",", "ops@example.test,", "ops", "ops@example.test\r\nBcc: x@y.test", "a@b.test,A@b.test"]
)
def test_wrong_addresses_are_refused_and_not_quoted(addresses: str) -> None:
    (problem,) = problems(ADMIN_EMAILS=addresses)
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
    (problem,) = problems(**{name: value})
    assert problem.startswith(f"NOTIFICATION_{name}: ") or f"{PREFIX}_{name}, {value}" in problem
    assert problem.endswith(")")


def test_a_password_is_never_quoted() -> None:
    (problem,) = problems(POSTGRES_DSN="postgresql://notification:secret@127.0.0.1:0/notification")
    assert "secret" not in problem


def test_the_readme_lists_every_variable_with_its_default() -> None:
    from notification.service import SERVICE

    rows = dict(re.findall(r"^\| `(NOTIFICATION_[A-Z_]+)` \| (.*?) \|", README.read_text(), re.MULTILINE))
    expected = {name: re.sub(r"^default (.*)$", r"`\1`", state) for name, state, _ in usage(Config, PREFIX)}
    for listener in SERVICE.listeners:
        expected[f"{PREFIX}_{listener.name.upper()}_ADDR"] = f"`{listener.default}`"
    assert rows == expected
