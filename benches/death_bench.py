"""How long does a test wait for a child that is dead?"""

import os
import signal
import sys
import time
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from seatrial import Environment, Listener, Service, until
from seatrial.builds.binary import Command
from seatrial.errors import ProcessDied
from series import Target

SERVER = Path(__file__).parent / "servers" / "stamped_server.py"
ROUNDS = 200


def test_death_of_a_child_to_the_failed_test(record: Any, rounds: Any, tmp_path: Path) -> None:
    """From the SIGKILL to the exception in a test that waits for something else."""
    service = Service(
        name="server",
        binary=Command(sys.executable, "-I", "-S", str(SERVER)),
        arguments=("{server.address}",),
        listeners=(Listener(name="server", kind="reserved"),),
        log_format="plain",
    )
    samples: list[float] = []
    for _ in rounds(ROUNDS):
        with Environment.open(name="death", artifacts=tmp_path / "artifacts", check=False) as environment:
            process = environment.start(service)
            killed_at: list[int] = []

            def strike(pid: int = process.pid, killed_at: list[int] = killed_at) -> None:
                killed_at.append(time.monotonic_ns())
                os.kill(pid, signal.SIGKILL)

            killer = Thread(target=strike)
            killer.start()
            with pytest.raises(ProcessDied):
                until("something that never comes", lambda: False, timeout=10)
            samples.append((time.monotonic_ns() - killed_at[0]) / 1e6)
            killer.join()
    record("death of a child to the failed test", "seatrial", samples, Target(p99=50))
