"""Target: datagrams of sd_notify(3), as the harness receives them from a child."""

from seatrial.processes.notify import MalformedNotification, parse


def check(data: bytes) -> bool:
    """A datagram is malformed, or a list of assignments, each of which stands in it."""
    try:
        assignments = parse(data)
    except MalformedNotification as error:
        assert str(error)
        return False
    lines = data.decode().removesuffix("\n").split("\n")
    assert {f"{name}={value}" for name, value in assignments.items()} == set(lines)
    return True
