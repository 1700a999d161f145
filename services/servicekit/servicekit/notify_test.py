"""Datagrams of sd_notify(3), read from a real socket; app_test.py does it across processes."""

import os
import socket
from pathlib import Path

import pytest

from servicekit.notify import Notifier
from servicekit.parsers import Address


def test_readiness_is_one_datagram_with_every_address(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        supervisor.bind(str(tmp_path / "notify"))
        environment = {"NOTIFY_SOCKET": str(tmp_path / "notify")}
        notifier = Notifier.from_environment(environment)
        assert environment == {}
        notifier.status("two\nlines")
        notifier.ready({"http": Address("127.0.0.1", 80), "admin": Address("::1", 81)})
        notifier.stopping()
        notifier.close()
        assert supervisor.recv(4096) == b"STATUS=two lines"
        assert supervisor.recv(4096).decode().splitlines() == [
            "READY=1", "STATUS=Serving", f"MAINPID={os.getpid()}",
            "X_LISTEN_HTTP=127.0.0.1:80", "X_LISTEN_ADMIN=[::1]:81",
        ]  # fmt: skip
        assert supervisor.recv(4096) == b"STOPPING=1\nSTATUS=Draining"


def test_without_a_supervisor_nothing_is_sent() -> None:
    Notifier.from_environment({}).ready({})
    Notifier.from_environment({"NOTIFY_SOCKET": ""}).ready({})


@pytest.mark.parametrize("path", ["relative/path", "@", "/", "vsock:2:1234"])
def test_another_form_of_address_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="give an absolute path"):
        Notifier.from_environment({"NOTIFY_SOCKET": path})


def test_a_supervisor_that_went_is_reported_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    notifier = Notifier(str(tmp_path / "none"))
    notifier.status("a")
    notifier.status("b")
    notifier.close()
    assert [record.msg for record in caplog.records] == ["notify_failed"]
