"""The Locust processes of a probe, started and watched over by the harness like any other program."""

import json
import signal
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from seatrial import Address, Command, Environment, Listener, Process, Service

HERE: Final = Path(__file__).resolve().parent
_PATHS: Final = (HERE, *(HERE.parent / "integration" / part for part in (".", "harness")))
_STOP_S: Final = 20.0
_BIND: Final = "LOAD_BIND"
# A worker near the limit of its core says so; the report says it better, with the arrivals' lateness.
_CPU: Final = "CPU usage|cpu threshold"


def program(name: str, *arguments: str) -> list[str]:
    """The command of one of the two programs in `generator/`, in an interpreter that gevent has patched first."""
    return [sys.executable, "-m", "gevent.monkey", str(HERE / "generator" / f"{name}.py"), *arguments]


def variables() -> dict[str, str]:
    """What such a process must find in its environment."""
    return {"PYTHONPATH": ":".join(map(str, _PATHS)), "PYTHONUNBUFFERED": "1"}


def _service(name: str, *arguments: str, listeners: tuple[Listener, ...] = ()) -> Service:
    return Service(
        name=f"locust-{name}",
        binary=Command(*program(name, *arguments)),
        listeners=listeners,
        environment=variables(),
        inherit=("SEATRIAL_SERVICES",),
        stop_timeout=_STOP_S,
        log_format="plain",
    )


class Swarm:
    """A master and the workers of this machine."""

    def __init__(
        self, environment: Environment, order: Mapping[str, Any], records: Path, bind: Address | None
    ) -> None:
        """Starts the master, which listens when this returns; raises what the harness raises when it does not."""
        self._environment = environment
        self._records = records
        self._read = 0
        written = environment.directory / "order.json"
        written.write_text(json.dumps(order), encoding="utf-8")
        written.chmod(0o600)  # the keys of the devices are in it
        host = "127.0.0.1" if bind is None else bind.host
        listener = Listener(name="locust", kind="reported", variable=_BIND, host=host)
        service = _service("master", str(written), str(records), listeners=(listener,))
        chosen = {} if bind is None else {_BIND: str(bind)}
        self.master = environment.start(service, environment=chosen)
        self.master.allow_log(_CPU)
        self.workers: list[Process] = []

    @property
    def address(self) -> Address:
        """Where workers find the master."""
        return self.master.address("locust")

    def start_workers(self, count: int, permitted: tuple[str, ...]) -> None:
        """Starts so many of our own."""
        arguments = ["--master", str(self.address)]
        for url in permitted:
            arguments += ["--i-may-load", url]
        service = _service("worker", *arguments)
        for _ in range(count):
            worker = self._environment.spawn(service)
            worker.allow_log(_CPU)
            self.workers.append(worker)

    def news(self) -> Iterator[dict[str, Any]]:
        """What the master has written since the last time."""
        if not self._records.exists():
            return
        with self._records.open("rb") as file:
            file.seek(self._read)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                self._read += len(line)
                yield json.loads(line)

    def interrupt(self) -> None:
        """Ends the ramp; the master then writes what there is."""
        self.master.send_signal(signal.SIGINT)

    def stop(self) -> None:
        """Ends the workers of this machine, then the master, which sends the others home."""
        for worker in self.workers:
            if worker.state == "starting":
                worker.expect_exit()  # it cannot know yet how to end
            worker.terminate()
        for worker in self.workers:
            worker.stop()
        self.master.stop()
