"""Target: the bodies of gateway's public operations."""

from gateway.public_api import OPERATIONS

from targets import bodies


def check(data: bytes) -> bool:
    """Read an input as `targets.bodies` says."""
    return bodies.check(OPERATIONS, data)
