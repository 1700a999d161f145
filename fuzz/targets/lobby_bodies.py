"""Target: the bodies and queries of lobby's operations, of users and of the game master."""

from lobby.operations import INTERNAL, PUBLIC

from targets import bodies


def check(data: bytes) -> bool:
    """Read an input as `targets.bodies` says."""
    return bodies.check((*PUBLIC, *INTERNAL), data)
