"""Target: what an image says of itself: its limits and its user, written by whoever built it."""

from rtmanager.containers import Image, Limits
from rtmanager.errors import OperationFailed
from rtmanager.limits import CPUS, MEMORY, MEMORY_LEAST, PIDS, limits_of, owner_of

from targets.inputs import fields

DEFAULTS = Limits(0.5, 1 << 27, 64)
LABELS = {"cpus": CPUS, "memory": MEMORY, "pids": PIDS}


def check(data: bytes) -> bool:
    """Labels (`cpus`, `memory`, `pids`, and `user`) are refused with `start_config_invalid`, or within what Docker takes."""
    given = {name: value.decode("latin-1") for name, value in fields(data).items()}
    labels = {LABELS[name]: value for name, value in given.items() if name in LABELS}
    document = {"Id": "sha256:0", "Config": {"User": given.get("user", ""), "Labels": labels}}
    image = Image.parse(document)
    try:
        limits, (user, group) = limits_of(image, DEFAULTS), owner_of(image)
    except OperationFailed as failed:
        assert failed.code == "start_config_invalid"
        assert str(failed).endswith(")")
        return False
    assert 0.01 <= limits.cpus < 10_000
    assert limits.memory >= MEMORY_LEAST
    assert 1 <= limits.pids < 1_000_000
    assert 0 <= user < 10**9
    assert 0 <= group < 10**9
    return True
