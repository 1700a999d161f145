"""How a lobby is run: its binary, its listeners, its database, and the settings without which it does not start."""

import signal
from typing import Final

from contracts.binaries import service_binary
from seatrial import Listener, Service
from seatrial.stores.postgres_template import Template

LOBBY: Final = Service(
    name="lobby",
    binary=service_binary("lobby"),
    listeners=(Listener(name="http", kind="passed"), Listener(name="admin", kind="passed")),
    observed={"LOBBY_LOG_LEVEL": "DEBUG"},
    stack_dump_signal=signal.SIGUSR1,
    boot="warm",
)
"""It still wants `LOBBY_POSTGRES_DSN` and `LOBBY_REDIS_URL`."""

DATABASE: Final = Template.from_command(LOBBY, ("migrate",), dsn_variable="LOBBY_POSTGRES_DSN")
"""An empty database with the tables that `lobby migrate` makes."""
