import zoneinfo

import pytest

from authsession.timezones import is_known, names


def test_every_name_can_be_loaded() -> None:
    assert len(names()) > 500
    for name in names():
        zoneinfo.ZoneInfo(name)


@pytest.mark.parametrize(
    "name", ["Europe/Berlin", "UTC", "Asia/Kolkata", "America/Argentina/Ushuaia", "Etc/GMT+5"]
)
def test_names_of_iana_are_known(name: str) -> None:
    assert is_known(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "europe/berlin",
        "Europe/Berlin ",
        "Europe",
        "Mars/Olympus",
        "../etc/passwd",
        "/etc/localtime",
        "localtime",
        "posix/UTC",
        "right/UTC",
        "Factory",
        "+02:00",
        "Europe/Berlin\x00",
    ],
)
def test_anything_else_is_not(name: str) -> None:
    assert not is_known(name)
