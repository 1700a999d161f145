"""How an authsession is run: its binary, its listeners, and the settings without which it does not start."""

import base64
import signal
from typing import Final

from contracts.binaries import service_binary
from seatrial import Listener, Service

AUTHSESSION: Final = Service(
    name="authsession",
    binary=service_binary("authsession"),
    listeners=(Listener(name="http", kind="passed"), Listener(name="admin", kind="passed")),
    environment={"AUTHSESSION_CODE_PEPPER": base64.b64encode(bytes(range(32, 64))).decode()},
    observed={"AUTHSESSION_LOG_LEVEL": "DEBUG"},
    stack_dump_signal=signal.SIGUSR1,
    boot="warm",
)
"""An authsession with a pepper of its own; it still wants `AUTHSESSION_REDIS_URL` and its two adapters."""
