import pytest

from seatrial.failures.masking import MASK, mask_environment, mask_value


@pytest.mark.parametrize(
    "name",
    [
        "GATEWAY_SIGNING_KEY",
        "CLIENT_SECRET_FILE",
        "api_token",
        "PGPASSWORD",
        "AUTHSESSION_CODE_PEPPER",
    ],
)
def test_a_secret_is_masked_by_the_name_of_its_variable(name: str) -> None:
    assert mask_value(name, "hunter2") == MASK


def test_a_url_keeps_everything_but_its_password() -> None:
    shown = mask_value("GATEWAY_REDIS_URL", "redis://ada:hunter2@127.0.0.1:6379/1")
    assert shown == f"redis://ada:{MASK}@127.0.0.1:6379/1"


def test_a_url_that_cannot_be_read_is_masked_whole() -> None:
    assert mask_value("UPSTREAM_URL", "http://u:p@[::1/x") == MASK


def test_an_environment_is_sorted_and_plain_values_stay() -> None:
    shown = mask_environment({"B": "2", "A_TOKEN": "x", "A": "redis://h:1/0", "M": "a@b.test"})
    assert list(shown.items()) == [("A", "redis://h:1/0"), ("A_TOKEN", MASK), ("B", "2"), ("M", "a@b.test")]
