import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtmanager.errors import OperationFailed
from rtmanager.images import ImageRef, Version, check_patch

DIGEST = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("text", "name", "tag"),
    [
        ("engine:1.4.0", "engine", "1.4.0"),
        ("engine", "engine", ""),
        ("seatrial/engine-1.4.0:f0cf124cab6ad9ec", "seatrial/engine-1.4.0", "f0cf124cab6ad9ec"),
        (
            "registry.example.test:5000/games/engine:1.4.0-it",
            "registry.example.test:5000/games/engine",
            "1.4.0-it",
        ),
        ("localhost/engine:1.4.0", "localhost/engine", "1.4.0"),
        (f"engine:1.4.0@{DIGEST}", "engine", "1.4.0"),
        ("[::1]:5000/engine:1", "[::1]:5000/engine", "1"),
    ],
)
def test_references(text: str, name: str, tag: str) -> None:
    found = ImageRef.parse(text)
    assert (str(found), found.name, found.tag) == (text, name, tag)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Engine:1",
        "engine:",
        "engine:1 ",
        "/engine",
        "engine//a",
        "engine:1\n",
        "engine@sha256:12",
        "a" * 256,
    ],
)
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(OperationFailed) as refused:
        ImageRef.parse(text)
    assert refused.value.code == "start_config_invalid"


@pytest.mark.parametrize(
    ("tag", "version"),
    [
        ("1.4.0", Version(1, 4, 0, "")),
        ("v10.20.30", Version(10, 20, 30, "")),
        ("1.4.0-it", Version(1, 4, 0, "it")),
        ("1.4.0-it-20261121.x7", Version(1, 4, 0, "it-20261121.x7")),
    ],
)
def test_versions(tag: str, version: Version) -> None:
    assert Version.parse(tag) == version


@pytest.mark.parametrize(
    "tag", ["", "latest", "1", "1.4", "01.4.0", "1.4.0.0", "1.4.0_it", "1.4.0-", "1.4.0-01", "V1.4.0"]
)
def test_what_is_no_version(tag: str) -> None:
    assert Version.parse(tag) is None


def refusal(present: str, wanted: str) -> str:
    with pytest.raises(OperationFailed) as refused:
        check_patch(ImageRef.parse(present), ImageRef.parse(wanted))
    return refused.value.code


@given(st.integers(0, 999), st.integers(0, 999), st.integers(0, 999), st.integers(0, 999))
def test_a_patch_keeps_major_and_minor(major: int, minor: int, before: int, after: int) -> None:
    present = f"engine:{major}.{minor}.{before}"
    check_patch(ImageRef.parse(present), ImageRef.parse(f"engine:{major}.{minor}.{after}-it"))
    assert refusal(present, f"engine:{major}.{minor + 1}.{after}") == "semver_patch_only"
    assert refusal(present, f"engine:{major + 1}.{minor}.{after}") == "semver_patch_only"


def test_a_patch_is_of_the_same_image_with_two_versions() -> None:
    assert refusal("engine:1.4.0", "other:1.4.1") == "semver_patch_only"
    assert refusal("engine:latest", "engine:1.4.1") == "image_ref_not_semver"
    assert refusal("engine:1.4.0", "engine:latest") == "image_ref_not_semver"
    assert refusal("engine:1.4.0", f"engine:1.4.1@{DIGEST}") == "image_ref_not_semver"
