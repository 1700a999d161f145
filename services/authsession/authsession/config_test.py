import base64
from pathlib import Path

import pytest
from servicekit.testing.settings import Settings, check_readme

from authsession.config import PREFIX, Config
from authsession.service import SERVICE

README = Path(__file__).parents[1] / "README.md"
GOOD = {
    "AUTHSESSION_REDIS_URL": "redis://127.0.0.1:6379/0",
    "AUTHSESSION_CODE_PEPPER": base64.b64encode(bytes(32)).decode(),
    "AUTHSESSION_USER_ADAPTER": "stub",
    "AUTHSESSION_MAIL_ADAPTER": "stub",
    "AUTHSESSION_MAIL_STUB_FILE": "/nowhere/mails",
}
SETTINGS = Settings(Config, PREFIX, GOOD)


def test_the_defaults_are_those_of_the_specification() -> None:
    config = SETTINGS.load()
    assert config.code_ttl_ms == 10 * 60 * 1000
    assert config.send_interval_ms == 60 * 1000
    assert config.max_tries == 5
    assert config.locales == ("en", "de")
    assert config.user_timeout_ms < 2000


def test_what_is_missing_is_named_all_at_once() -> None:
    assert SETTINGS.missing() == [
        "AUTHSESSION_REDIS_URL",
        "AUTHSESSION_CODE_PEPPER",
        "AUTHSESSION_USER_ADAPTER",
        "AUTHSESSION_MAIL_ADAPTER",
    ]


def test_an_adapter_needs_its_place() -> None:
    assert SETTINGS.problems(USER_ADAPTER="rest", MAIL_ADAPTER="rest") == [
        "AUTHSESSION_USER_URL: is missing (set it, AUTHSESSION_USER_ADAPTER is 'rest')",
        "AUTHSESSION_MAIL_URL: is missing (set it, AUTHSESSION_MAIL_ADAPTER is 'rest')",
    ]
    assert len(SETTINGS.problems(REDIS_URL="nowhere", USER_ADAPTER="rest", MAIL_ADAPTER="rest")) == 3
    assert len(SETTINGS.problems(USER_ADAPTER="rest", USER_URL="nowhere")) == 1
    assert SETTINGS.problems(MAIL_STUB_FILE="") == [
        "AUTHSESSION_MAIL_STUB_FILE: is missing (set it, AUTHSESSION_MAIL_ADAPTER is 'stub')"
    ]


@pytest.mark.parametrize("locales", [",", "en,", "EN", "en_GB", "en,de,EN", "en,en", "english"])
def test_locales_of_another_form_are_refused(locales: str) -> None:
    assert "AUTHSESSION_LOCALES" in SETTINGS.problems(LOCALES=locales)[0]


def test_locales() -> None:
    assert SETTINGS.load(LOCALES="de, en,pt-BR").locales == (
        "de",
        "en",
        "pt-BR",
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("REDIS_URL", "redis://127.0.0.1/first"),
        ("REDIS_URL", "http://127.0.0.1:6379"),
        ("REDIS_URL", "127.0.0.1:6379"),
        ("USER_URL", "https://user.example.test"),
        ("MAIL_URL", "http://mail.example.test/?a=b"),
    ],
)
def test_a_url_that_no_client_takes_is_refused(name: str, value: str) -> None:
    (problem,) = SETTINGS.problems(**{name: value})
    assert problem.startswith(f"AUTHSESSION_{name}: ")
    assert problem.endswith(")")


def test_a_pepper_is_never_quoted() -> None:
    (problem,) = SETTINGS.problems(CODE_PEPPER="c2VjcmV0")
    assert "c2VjcmV0" not in problem


def test_the_readme_lists_every_variable_with_its_default() -> None:
    check_readme(README, SERVICE)
