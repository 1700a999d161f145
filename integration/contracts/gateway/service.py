"""How a gateway is run: its binary, its listeners, and the settings without which it does not start."""

import base64
import signal
from typing import Final

from contracts.binaries import service_binary
from seatrial import Listener, Service

GATEWAY: Final = Service(
    name="gateway",
    binary=service_binary("gateway"),
    listeners=(
        Listener(name="http", kind="passed"),
        Listener(name="grpc", kind="reported", variable="GATEWAY_GRPC_ADDR"),
        Listener(name="admin", kind="passed"),
    ),
    environment={"GATEWAY_SIGNING_KEY": base64.b64encode(bytes(range(32))).decode()},
    observed={"GATEWAY_LOG_LEVEL": "DEBUG"},
    stack_dump_signal=signal.SIGUSR1,
    boot="warm",
)
"""A gateway with a signing key of its own; it still wants `GATEWAY_REDIS_URL`."""
