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
    stack_dump_signal=signal.SIGUSR1,
    boot="warm",
)
"""It still wants `NOTIFICATION_POSTGRES_DSN` and `NOTIFICATION_REDIS_URL`."""

DATABASE: Final = Template.from_command(
    NOTIFICATION,
    ("migrate",),
    dsn_variable="NOTIFICATION_POSTGRES_DSN",
    environment={
        "NOTIFICATION_REDIS_URL": "redis://127.0.0.1:6379/0",
        "NOTIFICATION_USER_URL": "http://127.0.0.1:1",
        "NOTIFICATION_ADMIN_EMAILS": "a@example.test",
    },
)
"""An empty database with the tables that `notification migrate` makes."""
