"""A Locust worker: has players act when actions fall due, and reports what a step was like.

Run as `python -m gevent.monkey load/generator/worker.py --master HOST:PORT [--i-may-load URL ...]`.
"""

import argparse
import logging
import random
import signal
import sys
import time
from pathlib import Path
from typing import Final

import gevent
import grpc.experimental.gevent
from gevent.event import Event
from locust.env import Environment
from locust.log import setup_logging
from locust.rpc import Message
from locust.runners import WorkerRunner

from contracts.gateway.edge import documented
from contracts.gateway.public import contract as gateway_http
from contracts.lobby.client import contract as lobby_http
from contracts.lobby.commands import message_types

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from generator import notify
from generator.arrivals import Arrivals
from generator.recorder import Recorder, Window
from mistake import Mistake
from plan import DRAIN_S
from scenarios.player import Player, Stage
from scenarios.users import USERS
from seatrial import Address
from target import PERMISSION, Target, check_order

_log: Final = logging.getLogger("load.worker")
_REFUSED: Final = 2


class Worker:
    """What the master can ask of this process."""

    def __init__(self, environment: Environment, master: Address, permitted: list[str]) -> None:
        self._master = master
        self._permitted = permitted
        self._clock = time.monotonic
        self._arrivals = Arrivals(self._clock)
        self._recorder = Recorder(self._clock)
        self._cut = Event()
        self._offering = gevent.Greenlet()
        self._prepared = 0
        self._players = 0
        self.status = 0
        environment.events.request.add_listener(self._recorder.on_request)
        environment.events.user_error.add_listener(self._on_user_error)
        self._runner: WorkerRunner = environment.create_worker_runner(master.host, master.port)
        for name in ("setup", "step", "cut", "finish"):
            self._runner.register_message(name, getattr(self, f"_on_{name}"), concurrent=True)
        self._runner.send_message("hello")
        notify.ready()

    def serve(self) -> int:
        """Until the master says that it is over, or SIGTERM or SIGINT does; the exit status."""
        for number in (signal.SIGTERM, signal.SIGINT):
            gevent.signal_handler(number, self._quit)
        self._runner.greenlet.join()
        return self.status

    def _quit(self) -> None:
        self._runner.environment.events.quitting.fire(environment=self._runner.environment, reverse=True)
        self._runner.quit()

    def _on_user_error(self, user_instance: object, exception: Exception, **_: object) -> None:
        self._runner.send_message("broken", {"why": f"{type(user_instance).__name__}: {exception!r}"})

    def _on_setup(self, msg: Message, **_: object) -> None:
        target = Target.from_json(msg.data["target"])
        try:
            check_order(target, self._master, self._permitted)
        except Mistake as mistake:
            _log.error("refused: %s", mistake)
            self.status = _REFUSED
            self._runner.send_message("broken", {"why": f"a worker refused: {mistake}"})
            self._quit()
            return
        self._players = msg.data["players"]
        Player.stage = Stage(
            target=target,
            arrivals=self._arrivals,
            devices=list(msg.data["devices"]),
            chance=random.Random(msg.data["seed"]),  # noqa: S311  (choices in a game are no secret)
            ready=self._player_ready,
        )
        self._runner.send_message("set_up")

    def _player_ready(self) -> None:
        self._prepared += 1
        if self._prepared == self._players:
            self._runner.send_message("prepared", {"players": self._players})

    def _on_step(self, msg: Message, **_: object) -> None:
        order = msg.data
        self._cut.clear()
        begin = self._clock() + order["warm_up_s"]
        window = Window(begin, begin + order["measure_s"])
        self._recorder.window = window
        self._offering = gevent.spawn(lambda: self._arrivals.offer(order["rate"], window, order["seed"]))
        self._offering.join()
        window.cut(self._clock())
        self._drain(window)
        for due in self._arrivals.withdraw():
            window.unbegun(due, self._clock())
        window.close()
        self._recorder.window = None
        self._runner.send_message("measured", {"index": order["index"], **window.report()})

    def _drain(self, window: Window) -> None:
        """What was due is waited for, a little: an answer that is only slow shall count with its time."""
        patience = self._clock() + DRAIN_S
        while window.settled < window.due and self._clock() < patience and not self._cut.is_set():
            gevent.sleep(0.01)

    def _on_cut(self, **_: object) -> None:
        self._cut.set()
        self._offering.kill(block=False)

    def _on_finish(self, **_: object) -> None:
        self._runner.send_message("finished", self._recorder.totals())


def main() -> int:
    """The program."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--master", required=True)
    parser.add_argument(PERMISSION, action="append", default=[])
    given = parser.parse_args()
    setup_logging("INFO")
    grpc.experimental.gevent.init_gevent()
    for document in (gateway_http, lobby_http, message_types, documented):
        document()  # read before it joins: that takes seconds of a loaded core, in which it would be silent
    environment = Environment(user_classes=list(USERS.values()))
    master = Address.parse(given.master)
    return Worker(environment, master, given.i_may_load).serve()


if __name__ == "__main__":
    sys.exit(main())
