"""Target: what a service tells its supervisor (sd_notify(3)), and where."""

import atexit
import socket
import tempfile
from pathlib import Path

from servicekit.notify import Notifier
from servicekit.parsers import Address

from targets.inputs import chosen

FOLDER = tempfile.TemporaryDirectory(prefix="seatrial-fuzz-notify-")
atexit.register(FOLDER.cleanup)
PATH = Path(FOLDER.name) / "notify"
SUPERVISOR = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
SUPERVISOR.bind(str(PATH))
SUPERVISOR.setblocking(False)


def check(data: bytes) -> bool:
    """Whatever a status is (after the first line, the value of NOTIFY_SOCKET), it is one assignment of one datagram."""
    place, rest = chosen(data)
    environment = {"NOTIFY_SOCKET": place}
    try:
        Notifier.from_environment(environment).close()
        accepted = bool(place)
    except ValueError as error:
        assert str(error).endswith(")")
        accepted = False
    assert not environment
    notifier = Notifier(str(PATH))
    status = rest.decode(errors="surrogateescape")[:2000]
    notifier.status(status)
    notifier.ready({"http": Address("::1", 80)})
    notifier.close()
    told = SUPERVISOR.recv(65536).decode()
    assert told.startswith("STATUS=")
    assert "\n" not in told
    ready = dict(line.split("=", 1) for line in SUPERVISOR.recv(65536).decode().split("\n"))
    assert ready["READY"] == "1"
    assert ready["X_LISTEN_HTTP"] == "[::1]:80"
    return accepted
