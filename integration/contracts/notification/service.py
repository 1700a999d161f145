"""How a notification is run: its binary, its listeners, its database, and the settings without which it does not start."""

import signal
from typing import Final

from contracts.binaries import service_binary
from seatrial import Listener, Service
from seatrial.stores.postgres_template import Template

NOTIFICATION: Final = Service(
    name="notification",
    binary=service_binary("notification"),
    listeners=(Listener(name="http", kind="passed"), Listener(name="admin", kind="passed")),
    observed={"NOTIFICATION_LOG_LEVEL": "DEBUG"},
    stack_dump_signal=signal.SIGUSR1,
    boot="warm",
)
"""It still wants `NOTIFICATION_POSTGRES_DSN` and `NOTIFICATION_REDIS_URL`."""

DATABASE: Final = Template.from_command(NOTIFICATION, ("migrate",), dsn_variable="NOTIFICATION_POSTGRES_DSN")
"""An empty database with the tables that `notification migrate` makes."""
