"""Target: the bodies and queries of rtmanager's operations."""

from rtmanager.operations import OPERATIONS

from targets import bodies


def check(data: bytes) -> bool:
    """Read an input as `targets.bodies` says."""
    return bodies.check(OPERATIONS, data)
