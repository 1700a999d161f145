"""The Locust master: waits for its workers, leads them through the ramp, and writes what they measured, line by line.

Run as `python -m gevent.monkey load/generator/master.py ORDER RECORDS`: a JSON document with what to do, and the file
of JSON lines that is appended to. LOAD_BIND says where it listens for workers. SIGINT ends the ramp with what was measured
so far; SIGTERM ends the program.
"""

import dataclasses
import json
import os
import random
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import gevent
from gevent.event import AsyncResult, Event
from locust import runners
from locust.env import Environment
from locust.log import setup_logging
from locust.rpc import Message
from locust.runners import MasterRunner

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from generator import notify
from plan import DRAIN_S, Objective, Plan, Step
from scenarios.users import USERS
from seatrial import Address
from step import Measured

_SLACK_S: Final = 10.0
_PREPARE_S: Final = 120.0
_SPAWN_RATE: Final = 100.0
_LOOK_S: Final = 0.05
_PATIENCE_WITH_WORKERS_S: Final = 20


class Failed(Exception):
    """The ramp cannot go on."""


class Interrupted(Exception):
    """Somebody asked for its end."""


class Answers:
    """What each of the workers has said to one question."""

    def __init__(self, expected: int) -> None:
        self.expected = expected
        self.given: dict[str, Mapping[str, Any]] = {}

    @property
    def complete(self) -> bool:
        """Whether everybody has answered."""
        return len(self.given) >= self.expected


class Runner(MasterRunner):
    """Locust's master, which takes no more workers than expected: it would give a late one players of the others."""

    expected = 0

    def handle_message(self, client_id: str, msg: Message) -> None:
        """Sends away who is one too many; the rest is Locust's."""
        if (
            msg.type == "client_ready"
            and client_id not in self.clients
            and len(self.clients) >= self.expected
        ):
            for answer in ("ack", "quit"):
                self.server.send_to_client(Message(answer, None, client_id))
            return
        super().handle_message(client_id, msg)

    def settle(self) -> None:
        """From now on nobody gets the players of a worker that goes away: what it leaves behind ends the probe."""
        self._users_dispatcher = None


class Master:
    """Leads one probe."""

    def __init__(self, order: Mapping[str, Any], records: Path) -> None:
        self._order = order
        self._records = records
        self._plan = _plan(order["plan"])
        self._expected: int = order["workers"]
        self._hello = Answers(self._expected)
        self._answers: dict[str, Answers] = {}
        self._interrupted = Event()
        self._over = Event()
        self._broken: AsyncResult[str] = AsyncResult()
        self._chance = random.Random(order["seed"])  # noqa: S311  (arrival times are no secret)
        self._environment = Environment(user_classes=[USERS[order["scenario"]]])
        host, _, port = os.environ["LOAD_BIND"].rpartition(":")
        self._runner = self._environment.runner = Runner(self._environment, host, int(port))
        self._runner.expected = self._expected
        for name in ("hello", "set_up", "prepared", "measured", "finished", "broken"):
            self._runner.register_message(name, self._on_message)
        gevent.signal_handler(signal.SIGINT, self._interrupted.set)
        gevent.signal_handler(signal.SIGTERM, self._over.set)
        self.address = Address(host.strip("[]"), self._runner.server.port)

    def serve(self) -> None:
        """All of it; returns when it was told to end."""
        end = "complete"
        try:
            self._lead()
        except Interrupted:
            end = "interrupted"
        except Failed as failure:
            end = "failed"
            self._write("failed", why=str(failure))
        self._finish(end)
        self._over.wait()
        self._runner.quit()

    def _lead(self) -> None:
        self._await("join", self._hello, self._order["join_timeout_s"])
        self._write("joined", workers=len(self._hello.given))
        self._set_up()
        out = 0
        for step in self._plan.steps:
            measured = self._measure(step)
            out = out + 1 if measured.misses(self._plan.objective) else 0
            if out >= self._plan.beyond:
                break
        self._measure(self._plan.recovery)

    def _set_up(self) -> None:
        everybody = list(self._hello.given)
        devices = self._order["devices"]
        each, players = len(devices) // self._expected, self._order["players"]
        set_up = self._answers["set_up"] = Answers(self._expected)
        prepared = self._answers["prepared"] = Answers(self._expected)
        for index, worker in enumerate(everybody):
            share = devices[index * each : (index + 1) * each]
            message = {
                "target": self._order["target"],
                "devices": share,
                "players": players // self._expected,
                "seed": self._chance.getrandbits(64),
            }
            self._runner.send_message("setup", message, worker)
        self._await("accept their orders", set_up, _SLACK_S)
        self._runner.start(players, _SPAWN_RATE)
        self._runner.settle()
        self._await("prepare their players", prepared, _PREPARE_S)
        self._write("prepared", players=players)

    def _measure(self, step: Step) -> Measured:
        self._write("step", index=step.index, rate=step.rate, recovery=step.recovery)
        answers = self._answers["measured"] = Answers(self._expected)
        for worker in self._hello.given:
            message = {
                "index": step.index,
                "rate": step.rate / self._expected,
                "warm_up_s": step.warm_up_s,
                "measure_s": step.measure_s,
                "seed": self._chance.getrandbits(64),
            }
            self._runner.send_message("step", message, worker)
        began = time.time() + step.warm_up_s
        cut = None
        try:
            self._await("measure a step", answers, step.warm_up_s + step.measure_s + DRAIN_S + _SLACK_S)
        except (Interrupted, Failed) as reason:
            cut = reason
            self._runner.send_message("cut")
            self._give_time_to(answers)
        reports = [report for report in answers.given.values() if report["measured_s"] > 0]
        self._write(
            "measured",
            step=dataclasses.asdict(step),
            began_unix_s=began,
            cut=cut is not None,
            reports=reports,
        )
        if cut is not None:
            raise cut
        return Measured.of(step, reports)

    def _finish(self, end: str) -> None:
        answers = self._answers["finished"] = Answers(len(self._hello.given))
        self._runner.send_message("finish")
        self._give_time_to(answers)
        self._write("end", how=end, totals=list(answers.given.values()))

    def _await(self, what: str, answers: Answers, seconds: float) -> None:
        """Raises Interrupted, and Failed when they do not all answer in time, or one is lost or broken."""
        deadline = time.monotonic() + seconds
        while not answers.complete:
            if self._interrupted.is_set() or self._over.is_set():
                raise Interrupted
            if self._broken.ready():
                raise Failed(self._broken.get())
            if lost := self._lost():
                raise Failed(f"{lost} of {self._expected} workers went away while they should {what}")
            if time.monotonic() > deadline:
                raise Failed(
                    f"{len(answers.given)} of {answers.expected} workers did {what} within {seconds:.0f} s"
                    f" (the master listens at {self.address})"
                )
            gevent.sleep(_LOOK_S)

    def _give_time_to(self, answers: Answers) -> None:
        """For what is welcome, and not needed."""
        deadline = time.monotonic() + _SLACK_S
        while not answers.complete and not self._lost() and time.monotonic() < deadline:
            gevent.sleep(_LOOK_S)

    def _lost(self) -> int:
        """How many workers said hello and are not there any more."""
        alive = {node.id for node in self._runner.clients.all if node.state != "missing"}
        return len(self._hello.given.keys() - alive)

    def _on_message(self, msg: Message, **_: object) -> None:
        if msg.type == "broken":
            if not self._broken.ready():
                self._broken.set(msg.data["why"])
            return
        answers = self._hello if msg.type == "hello" else self._answers.get(msg.type)
        if answers is not None:
            answers.given[msg.node_id] = msg.data or {}

    def _write(self, event: str, **fields: Any) -> None:
        line = json.dumps({"event": event, "at": time.time(), **fields}) + "\n"
        with self._records.open("a", encoding="utf-8") as file:
            file.write(line)


def _plan(document: Mapping[str, Any]) -> Plan:
    return Plan(
        steps=tuple(Step(**step) for step in document["steps"]),
        recovery=Step(**document["recovery"]),
        objective=Objective(**document["objective"]),
        beyond=document["beyond"],
    )


def main() -> None:
    """The program."""
    # A worker of a machine that is loaded on purpose may well be silent for Locust's three seconds.
    runners.HEARTBEAT_LIVENESS = _PATIENCE_WITH_WORKERS_S
    order, records = map(Path, sys.argv[1:])
    setup_logging("INFO")
    master = Master(json.loads(order.read_text(encoding="utf-8")), records)
    notify.ready(locust=str(master.address))
    master.serve()


if __name__ == "__main__":
    main()
