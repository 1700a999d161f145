"""docker/compose/by_hand.py as a person calls it, for a project that belongs to the test."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from contracts.http import Request, exchange
from seatrial import Environment, until
from seatrial.containers import sweep
from seatrial.processes.supervisor import MARKER, Supervisor

ROOT: Final = Path(__file__).parents[2]
COMPOSE: Final = ROOT / "docker" / "compose"
PATIENCE_S: Final = 120.0


class ByHand:
    """One platform in containers. What it makes bears the test's labels, its own words are in the test's artifacts."""

    def __init__(self, environment: Environment, place: Path) -> None:
        self.engine = environment.engine.engine
        self.project = f"it-{self.engine.owner.key}-{os.urandom(3).hex()}"
        self.place = place
        self._log = environment.artifacts / "by_hand.log"
        labels = environment.engine.labels
        self._variables = {
            **os.environ,
            "PYTHONPATH": f"{ROOT / 'integration'}:{ROOT / 'integration' / 'harness'}",
            "SEATRIAL_PLATFORMS": str(place),
            "SEATRIAL_LABEL_RUN": labels["seatrial.run"],
            "SEATRIAL_LABEL_WORKER": labels["seatrial.worker"],
            "SEATRIAL_LABEL_SCOPE": labels["seatrial.scope"],
            MARKER: Supervisor.current().run_id,  # a killed test's by_hand goes with it
            "RTMANAGER_CONTAINER_LABELS": environment.engine.labels_text,
            "HEALTH_INTERVAL": "1s",
        }

    def begin(self, command: str, *words: str) -> "subprocess.Popen[bytes]":
        """Starts it; its output goes to the artifacts, but for stdout, which is a pipe."""
        program = [sys.executable, str(COMPOSE / "by_hand.py"), command, "--project", self.project, *words]
        with self._log.open("ab") as log:
            return subprocess.Popen(
                program,
                env=self._variables,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )

    def run(self, command: str, *words: str) -> bytes:
        """Runs it to its end; gives its stdout. Raises AssertionError when it fails."""
        with self.begin(command, *words) as process:
            try:
                said, _ = process.communicate(timeout=PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.terminate()
                raise
        if process.returncode:
            raise AssertionError(
                f"by_hand.py {command} ended with {process.returncode}: {self._log.read_text()[-3000:]}"
            )
        return said

    def addresses(self) -> dict[str, str]:
        """Where each service is, by service and protocol; `image_ref` is what games are started from."""
        found: dict[str, str] = json.loads(self.run("addresses"))
        return found

    @property
    def left(self) -> list[str]:
        """All that is of this project: things in the engine, and files."""
        here = self.engine.wire
        labelled = {
            str(thing)
            for label in ("seatrial.platform", "com.docker.compose.project", "seatrial.rtmanager.deployment")
            for thing in sweep.things(here, f"{label}={self.project}", tags=False)
        }
        tags = {str(each) for each in sweep.things(here, tags=True) if self.project in each.name}
        return sorted(labelled | tags | {str(path) for path in self.place.iterdir()})


def code_for(externals: str, address: str) -> str:
    """Waits for the code that was mailed to an address."""

    def mailed() -> str:
        request = Request("GET", "/mails", query=(("email", address),))
        mails = exchange(f"http://{externals}", request).expect(200).json()["mails"]
        return str(mails[0]["code"]) if mails else ""

    return until(f"a code for {address}", mailed, 30.0)
