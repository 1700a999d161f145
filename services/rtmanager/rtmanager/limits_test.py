import pytest

from rtmanager.containers import Image, Limits
from rtmanager.errors import OperationFailed
from rtmanager.limits import CPUS, MEMORY, PIDS, limits_of, owner_of

DEFAULTS = Limits(cpus=0.5, memory=128 << 20, pids=64)


def image(user: str = "", **labels: str) -> Image:
    names = {"cpus": CPUS, "memory": MEMORY, "pids": PIDS}
    return Image("sha256:1", user, {names[name]: value for name, value in labels.items()})


def test_labels_overrule_the_defaults_one_by_one() -> None:
    assert limits_of(image(), DEFAULTS) == DEFAULTS
    assert limits_of(image(cpus="2"), DEFAULTS) == Limits(2.0, DEFAULTS.memory, DEFAULTS.pids)
    assert limits_of(image(cpus="0.25", memory="256M", pids="7"), DEFAULTS) == Limits(0.25, 256 << 20, 7)
    assert limits_of(image(memory="1g"), DEFAULTS).memory == 1 << 30
    assert limits_of(image(memory="8388608"), DEFAULTS).memory == 8 << 20


@pytest.mark.parametrize(
    ("label", "value"),
    [
        ("cpus", "half"), ("cpus", "0"), ("cpus", "-1"), ("cpus", ""), ("cpus", "0.001"),
        ("memory", "128mb"), ("memory", "5m"), ("memory", ""), ("memory", "1.5g"),
        ("pids", "0"), ("pids", "-1"), ("pids", "many"),
    ],
)  # fmt: skip
def test_a_malformed_label_is_named(label: str, value: str) -> None:
    with pytest.raises(OperationFailed) as refused:
        limits_of(image(**{label: value}), DEFAULTS)
    assert refused.value.code == "start_config_invalid"
    assert f"seatrial.engine.{label}" in refused.value.message


def test_the_owner_is_the_images_user() -> None:
    assert owner_of(image("10001:10002")) == (10001, 10002)
    assert owner_of(image("10001")) == (10001, 10001)
    assert owner_of(image()) == (0, 0)
    with pytest.raises(OperationFailed, match="give the user as a number"):
        owner_of(image("engine"))
