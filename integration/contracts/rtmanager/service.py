"""How a rtmanager is run: its binary, its listeners, its database, and the settings without which it does not start."""

import signal
from typing import Final

from contracts.binaries import service_binary
from seatrial import Listener, Service
from seatrial.stores.postgres_template import Template

RTMANAGER: Final = Service(
    name="rtmanager",
    binary=service_binary("rtmanager"),
    listeners=(Listener(name="http", kind="passed"), Listener(name="admin", kind="passed")),
    observed={"RTMANAGER_LOG_LEVEL": "DEBUG"},
    stack_dump_signal=signal.SIGUSR1,
    boot="warm",
)
"""It still wants `RTMANAGER_POSTGRES_DSN` and `RTMANAGER_REDIS_URL`."""

DATABASE: Final = Template.from_command(RTMANAGER, ("migrate",), dsn_variable="RTMANAGER_POSTGRES_DSN")
"""An empty database with the tables that `rtmanager migrate` makes."""
