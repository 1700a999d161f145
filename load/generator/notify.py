"""Saying that one is ready, as sd_notify(3) does; to nobody when nobody asked."""

import os
import socket


def ready(**listeners: str) -> None:
    """Reports readiness and the addresses of listeners, by name."""
    path = os.environ.get("NOTIFY_SOCKET")
    if path is None:
        return
    lines = ["READY=1", *(f"X_LISTEN_{name.upper()}={address}" for name, address in listeners.items())]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notification:
        notification.sendto("\n".join(lines).encode(), path)
