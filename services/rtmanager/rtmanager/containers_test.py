import pytest

from rtmanager.containers import Container, milliseconds, name_of


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01T00:00:01Z", 1000),
        ("2026-11-21T12:00:00.123456789Z", 1795262400123),
        ("2026-11-21T12:00:00.5Z", 1795262400500),
        ("2026-11-21T13:00:00.05+01:00", 1795262400050),
        ("0001-01-01T00:00:00Z", -62135596800000),
    ],
)
def test_dockers_times(text: str, expected: int) -> None:
    assert milliseconds(text) == expected


@pytest.mark.parametrize("text", ["", "2026-11-21", "2026-11-21T12:00:00", "yesterday"])
def test_other_times_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no time of Docker's"):
        milliseconds(text)


def test_an_inspection_is_read_with_what_may_be_missing() -> None:
    document = {
        "Id": "c1", "Name": f"/{name_of('g1')}", "Config": {"Image": "engine:1.4.0", "Labels": None},
        "State": {"Status": "running", "StartedAt": "2026-11-21T12:00:00.5Z", "FinishedAt": "0001-01-01T00:00:00Z",
                  "ExitCode": 0, "OOMKilled": False},
        "NetworkSettings": {"Networks": {"games": {"IPAddress": "10.1.0.2"}}},
    }  # fmt: skip
    found = Container.parse(document, "games")
    assert (found.name, found.endpoint, found.address) == ("game-g1", "http://game-g1:8080", "10.1.0.2")
    assert (found.alive, found.game_id, found.operation_id, found.health) == (True, "", "", "")
    assert Container.parse(document, "elsewhere").address == ""
