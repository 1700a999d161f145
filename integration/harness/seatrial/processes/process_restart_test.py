"""A process that is started again, and the address that it keeps."""

import os
import signal
import socket
import sys
from pathlib import Path

import pytest

from seatrial.conftest import Argv, Children, python
from seatrial.errors import SpawnError
from seatrial.processes.process_test import HTTP, complaints
from seatrial.waiting import WATCH


def test_restart_keeps_the_address_and_refuses_between(children: Children) -> None:
    accept = "server = socket.socket(fileno=3)\nsay(f'serving {os.getpid()}')\nserve()"
    process = children.start(accept, listeners=[HTTP])
    address = process.address("http")
    first = process.pid
    process.kill()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((address.host, address.port))
    process.restart()
    assert process.pid != first
    assert process.address("http") == address
    with socket.create_connection((address.host, address.port)):
        pass
    assert process.log.text().count("serving") == 2
    process.stop()
    assert process.problems() == ()


def test_a_restart_that_cannot_spawn_leaves_the_ended_process_behind(
    children: Children, tmp_path: Path
) -> None:
    program = tmp_path / "tool"
    program.symlink_to(sys.executable)
    process = children.start(Argv([str(program), *python("serve()").words[1:]]))
    first = process.pid
    program.unlink()
    with pytest.raises(SpawnError, match="tool does not exist; build it first"):
        process.restart()
    assert (process.pid, process.state) == (first, "exited")
    process.close()
    assert process.problems() == ()


def test_restart_remembers_what_was_wrong_before(children: Children) -> None:
    process = children.start("serve()")
    os.kill(process.pid, signal.SIGSEGV)
    process.wait_exit()
    process.restart()
    WATCH.check()
    process.stop()
    (complaint,) = complaints(process)
    assert "killed by SIGSEGV" in complaint


def test_a_port_that_was_ours_is_free_after_close(children: Children) -> None:
    process = children.start("serve()", listeners=[HTTP])
    address = process.address("http")
    process.close()
    with socket.create_server((address.host, address.port)):
        pass
