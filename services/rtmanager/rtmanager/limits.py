"""What a container may use, and as whom it runs: from its image's labels and user."""

import re
from typing import Final

from rtmanager.containers import Image, Limits
from rtmanager.errors import OperationFailed

CPUS: Final = "seatrial.engine.cpus"
MEMORY: Final = "seatrial.engine.memory"
PIDS: Final = "seatrial.engine.pids"

#: Docker takes no less.
MEMORY_LEAST: Final = 6 * 1024 * 1024

_UNITS: Final = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


def limits_of(image: Image, defaults: Limits) -> Limits:
    """Read an image's labels; what is absent is as in ``defaults``. Raises OperationFailed ``start_config_invalid``."""
    cpus, memory, pids = (image.labels.get(name) for name in (CPUS, MEMORY, PIDS))
    return Limits(
        cpus=defaults.cpus if cpus is None else _cpus(cpus),
        memory=defaults.memory if memory is None else _memory(memory),
        pids=defaults.pids if pids is None else _pids(pids),
    )


def _cpus(text: str) -> float:
    number = float(text) if re.fullmatch(r"[0-9]{1,4}(?:\.[0-9]{1,3})?", text) else 0.0
    if number < 0.01:
        raise _invalid(CPUS, text, "give a number of CPUs from 0.01 on, such as 0.5")
    return number


def _memory(text: str) -> int:
    found = re.fullmatch(r"([0-9]{1,12})([bkmg]?)", text.lower())
    size = int(found[1]) * _UNITS[found[2]] if found else 0
    if size < MEMORY_LEAST:
        raise _invalid(MEMORY, text, "give at least 6m, such as 128m")
    return size


def _pids(text: str) -> int:
    number = int(text) if re.fullmatch(r"[0-9]{1,6}", text) else 0
    if number < 1:
        raise _invalid(PIDS, text, "give a number of processes from 1 on, such as 64")
    return number


def _invalid(label: str, text: str, remedy: str) -> OperationFailed:
    return OperationFailed("start_config_invalid", f"the image's label {label} is {text[:64]!r} ({remedy})")


def owner_of(image: Image) -> tuple[int, int]:
    """Give the user and group that an image runs as. Raises OperationFailed ``start_config_invalid`` for a name."""
    if not image.user:
        return 0, 0
    found = re.fullmatch(r"([0-9]{1,9})(?::([0-9]{1,9}))?", image.user)
    if found is None:
        raise OperationFailed(
            "start_config_invalid",
            f"the image's user is {image.user[:64]!r}: the state directory's owner cannot be told from a name "
            "(give the user as a number, USER 10001:10001)",
        )
    user = int(found[1])
    # Docker gives a user without a group the group of /etc/passwd, or 0; a directory that the user owns fits both.
    return user, int(found[2]) if found[2] else user
