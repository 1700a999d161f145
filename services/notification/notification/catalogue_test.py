import json
from pathlib import Path

import jsonschema_rs
import msgspec
import pytest

from notification import catalogue
from notification.testing.samples import CATALOGUE, payload


def test_the_published_file_is_what_the_code_says() -> None:
    assert catalogue.PUBLISHED.read_text() == catalogue.text(), "run `python -m notification.catalogue`"


def test_the_types_are_those_of_the_platform() -> None:
    assert {name.partition(".")[0] for name in CATALOGUE} == {"lobby", "runtime"}
    assert len(CATALOGUE) == 17
    assert {name for name, known in CATALOGUE.items() if known.audience_kind == "admin_email"} == {
        "runtime.image_pull_failed",
        "runtime.container_start_failed",
        "runtime.start_config_invalid",
    }


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_the_published_schema_takes_what_the_service_takes(name: str) -> None:
    published = json.loads(catalogue.PUBLISHED.read_text())["types"][name]
    schema = jsonschema_rs.validator_for(published["payload"])
    good = payload(name)
    schema.validate(good)
    msgspec.convert(good, CATALOGUE[name].payload)
    for bad in (
        good | {"more": "x"},
        {k: v for k, v in good.items() if k != "game_id"},
        good | {"game_id": 1},
    ):
        assert not schema.is_valid(bad)
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(bad, CATALOGUE[name].payload)


def _written(folder: Path, **changes: object) -> Path:
    declared = {"summary": "s", "audience_kind": "user", "channels": ["push"], "payload": {"game_id": "id"}}
    path = folder / "catalogue.json"
    path.write_text(json.dumps({"lobby.x_y": declared | changes}))
    return path


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"payload": {"game_id": "uuid"}}, "unknown kind of field uuid"),
        ({"channels": []}, "channels"),
        ({"channels": ["sms"]}, "sms"),
        ({"audience_kind": "admin_email"}, "by e-mail alone"),
        ({"more": 1}, "more"),
    ],
)
def test_a_wrong_catalogue_is_a_defect(tmp_path: Path, changes: dict[str, object], reason: str) -> None:
    assert list(catalogue.load(_written(tmp_path))) == ["lobby.x_y"]
    with pytest.raises(ValueError, match=reason):
        catalogue.load(_written(tmp_path, **changes))
