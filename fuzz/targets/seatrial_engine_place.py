"""Target: where a container engine is, from DOCKER_HOST."""

from seatrial.containers.wire import EngineUnreachable, find

from targets.inputs import text


def check(data: bytes) -> bool:
    """An address is refused with a remedy, or it is the path of a socket, or a host."""
    given = text(data.replace(b"\0", b""))
    if not given:
        return False
    try:
        place = find({"DOCKER_HOST": given})
    except EngineUnreachable as error:
        assert error.remedy
        return False
    assert place.url == given
    assert not place.local or place.path.startswith("/")
    return True
