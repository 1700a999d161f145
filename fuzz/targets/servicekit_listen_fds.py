"""Target: `LISTEN_FDS`, `LISTEN_FDNAMES` and `LISTEN_PID` (sd_listen_fds(3)), as a service reads them."""

import os

from servicekit.listeners import Listener, inherited

from targets.inputs import fields

LISTENERS = (Listener("http", ":0"), Listener("admin", ":0"), Listener("grpc", ":0", passed=False))
NOBODYS = 1 << 20
"""A descriptor that is not open."""


def check(data: bytes) -> bool:
    """The variables are gone afterwards; what was announced is taken over or told as a problem with a remedy, one each.

    Descriptors that are announced here are not open: what is accepted is the announcement itself.
    """
    environment = {
        name: value.replace(b"\0", b"").decode(errors="surrogateescape")
        for name, value in fields(data).items()
        if name in {"LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PID"}
    }
    if environment.get("LISTEN_PID") == "self":
        environment["LISTEN_PID"] = str(os.getpid())
    given = dict(environment)
    sockets, problems = inherited(environment, LISTENERS, first_fd=NOBODYS)
    assert not environment
    assert not sockets
    assert all(problem.endswith(")") for problem in problems)
    names = given.get("LISTEN_FDNAMES", "").split(":")
    if any(not problem.startswith("LISTEN_FDS: descriptor ") for problem in problems):
        return False
    assert len(problems) in (0, len(names))
    return bool(problems)
