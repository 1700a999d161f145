"""Target: the bodies and queries of engine's operations."""

from engine.operations import OPERATIONS

from targets import bodies


def check(data: bytes) -> bool:
    """Read an input as `targets.bodies` says."""
    return bodies.check(OPERATIONS, data)
