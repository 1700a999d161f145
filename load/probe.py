"""One probe from its beginning to its report: boots, leads, watches, takes down, judges."""

import dataclasses
import json
import math
import os
import socket
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import facts
import own
import report
from mistake import Mistake
from options import Probe
from outcome import Outcome
from plan import Step
from sampling import Sampler
from scenarios.catalogue import SCENARIOS
from seatrial import Address, Environment, SeatrialError
from seatrial.results import reports as results
from seatrial.waiting import WATCH
from step import Measured
from swarm import Swarm
from target import Target

TIER: Final = "load"
_BOOT: Final = "SEATRIAL_BOOT"
_LOOK_S: Final = 0.2
_LAST_WORDS_S: Final = 30.0
_FIELDS: Final = ("device_session_id", "private_key", "user_id")


class Run:
    """A probe under way."""

    def __init__(self, probe: Probe, words: list[str]) -> None:
        self._probe = probe
        now = datetime.now(UTC)
        self.folder = probe.reports / TIER / now.strftime("%Y%m%dT%H%M%SZ")
        self._command = " ".join(["load/run.py", *words])
        self._joining = probe.workers + probe.expected
        self.players = math.ceil(probe.users / self._joining) * self._joining
        self._began = time.monotonic()
        self._own: own.Own | None = None
        self.outcome = Outcome(
            scenario=probe.scenario,
            command=self._command,
            seed=probe.seed,
            objective=probe.plan.objective,
            target="the run's own environment" if probe.target is None else probe.target.http,
            facts=facts.of(probe),
            started_at=now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            begin_unix_s=time.time(),
            planned=len(probe.plan.steps),
        )

    def run(self) -> Outcome:
        """All of it. Raises Mistake before anything was started; whatever goes wrong later is in the outcome."""
        devices = self._given_devices()
        self._check_addresses()
        self.folder.mkdir(parents=True)
        self._announce("running")
        try:
            os.environ.setdefault(_BOOT, "cold")  # what is measured is the program as it is installed
            with Environment.open(TIER, self.folder / "logs") as environment:
                self._in(environment, devices)
        except KeyboardInterrupt:
            self.outcome.interrupted = True
        except (SeatrialError, ExceptionGroup, AssertionError, OSError) as error:
            self.outcome.problems += _told(error)
        self.outcome.duration_s = time.monotonic() - self._began
        self.outcome.judge()
        report.write(self.outcome, self.folder)
        self._announce(self.outcome.state)
        return self.outcome

    # Before

    def _given_devices(self) -> list[Mapping[str, str]] | None:
        """The devices of --devices; raises Mistake."""
        file = self._probe.devices
        if file is None:
            return None
        needed = self.players * SCENARIOS[self._probe.scenario].devices
        try:
            found = json.loads(file.read_text(encoding="utf-8"))["devices"]
            given = [{name: str(device[name]) for name in _FIELDS} for device in found]
        except OSError as error:
            raise Mistake(f"--devices {file}: {error.strerror}") from None
        except (ValueError, KeyError, TypeError) as error:
            raise Mistake(
                f'--devices {file}: not {{"devices": [{{{", ".join(_FIELDS)}}}, ...]}}: {error!r}'
            ) from None
        if len(given) < needed:
            raise Mistake(
                f"--devices {file}: {len(given)} devices, and {self.players} players need {needed}"
                f" (sign in more, or take fewer --users)"
            )
        return list(given[:needed])

    def _check_addresses(self) -> None:
        """Whether this machine can listen where it was told to; raises Mistake."""
        wanted = (
            [] if self._probe.bind is None else [("--bind", self._probe.bind.host, self._probe.bind.port)]
        )
        if self._probe.target is None:
            wanted.append(("--listen", self._probe.listen, 0))
        for name, host, port in wanted:
            try:
                family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
                with socket.socket(family, socket.SOCK_STREAM) as trial:
                    trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    trial.bind((host, port))
            except OSError as error:
                raise Mistake(
                    f"{name} {host}{f':{port}' if port else ''}: cannot listen there: {error.strerror or error}"
                    " (name an address of this machine, and a free port)"
                ) from None

    def _announce(self, state: results.State) -> None:
        outcome = self.outcome
        results.write(
            results.RunResult(
                tier=TIER,
                state=state,
                started_at=outcome.started_at,
                finished_at=None
                if state == "running"
                else datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                duration_s=outcome.duration_s,
                counts=results.Counts(passed=len(outcome.ramp), failed=len(outcome.problems)),
                problems=tuple(outcome.problems),
                seed=outcome.seed % 2**31,
                revision=facts.revision(),
                python=sys.version.split()[0],
                command=self._command,
                artifacts=str(self.folder),
                pid=os.getpid(),
            ),
            self._probe.reports,
        )

    # While it runs

    def _in(self, environment: Environment, devices: list[Mapping[str, str]] | None) -> None:
        target = self._probe.target
        if target is None:
            say(f"booting {', '.join(own.PARTS)} on embedded stores")
            self._own = own.boot(environment, self._probe.listen)
            target, devices = self._own.target, self._signed_in(self._own)
        swarm = self._start_swarm(environment, target, devices or [])
        sampler = Sampler(self._processes(environment), self._began)
        before = own.calls_counted(self._own) if self._own else None
        try:
            self._follow(swarm, sampler)
        finally:
            self.outcome.samples = sampler.samples
        if self._own is not None and before is not None:
            after = own.calls_counted(self._own)
            self.outcome.counted = {key: count - before.get(key, 0) for key, count in after.items()}
        say("taking everything down")
        swarm.stop()

    def _signed_in(self, booted: own.Own) -> list[Mapping[str, str]]:
        needed = self.players * SCENARIOS[self._probe.scenario].devices

        def told(count: int) -> None:
            if count == needed or count % 100 == 0:
                say(f"{count} of {needed} devices signed in")

        return list(own.devices(booted, needed, told))

    def _start_swarm(
        self, environment: Environment, target: Target, devices: list[Mapping[str, str]]
    ) -> Swarm:
        probe = self._probe
        order = {
            "scenario": probe.scenario,
            "plan": dataclasses.asdict(probe.plan),
            "workers": self._joining,
            "players": self.players,
            "target": target.as_json(),
            "devices": devices,
            "join_timeout_s": probe.join_timeout_s,
            "seed": probe.seed,
        }
        swarm = Swarm(environment, order, self.folder.resolve() / "records.jsonl", probe.bind)
        permitted = tuple(f"http://{Address(host, 1)}" for host in target.hosts)
        swarm.start_workers(probe.workers, permitted)
        if probe.expected:
            say(f"waiting for {probe.expected} workers: load/run.py worker --master {swarm.address}")
        return swarm

    def _processes(self, environment: Environment) -> dict[str, int]:
        found = {process.name: process.pid for process in environment.processes}
        for store in environment.stores:
            if store.process is not None:
                found[store.name] = store.process.pid
        found["harness"] = os.getpid()
        return found

    def _follow(self, swarm: Swarm, sampler: Sampler) -> None:
        deadline = math.inf
        header = True
        while time.monotonic() < deadline:
            try:
                for record in swarm.news():
                    if record["event"] == "measured" and header:
                        say(report.HEADER)
                        header = False
                    if self._heard(record):
                        return
                sampler.look()
                WATCH.pause(_LOOK_S)
            except KeyboardInterrupt:
                if self.outcome.interrupted:
                    raise
                self.outcome.interrupted = True
                say("interrupted: the report will hold what was measured; once more gives it up")
                swarm.interrupt()
                deadline = time.monotonic() + _LAST_WORDS_S
        self.outcome.problems.append("the master did not end within its time after the interruption")

    def _heard(self, record: Mapping[str, Any]) -> bool:
        """Takes one line of the master's; whether it was the last one."""
        outcome = self.outcome
        match record["event"]:
            case "joined":
                say(f"{record['workers']} workers joined")
            case "prepared":
                say(f"{record['players']} players are ready")
            case "failed":
                outcome.problems.append(record["why"])
            case "measured":
                began = record["began_unix_s"] - outcome.begin_unix_s
                step = Step(**record["step"])
                if record["reports"]:
                    measured = Measured.of(step, record["reports"], began_s=began, cut=record["cut"])
                    outcome.steps.append(measured)
                    say(report.line(measured, outcome.objective))
            case "end":
                outcome.add_totals(record["totals"])
                outcome.interrupted |= record["how"] == "interrupted"
                last = outcome.steps[-1].failures.get("not done", 0) if outcome.steps else 0
                outcome.unheard = last if record["how"] == "complete" else self.players
                return True
            case _:  # the beginning of a step
                pass
        return False


def say(text: str) -> None:
    """A line of progress."""
    sys.stdout.write(f"load: {text}\n")
    sys.stdout.flush()


def _told(error: BaseException) -> list[str]:
    """An error, or each of a group, as text."""
    if isinstance(error, BaseExceptionGroup):
        return [line for each in error.exceptions for line in _told(each)]
    notes = getattr(error, "__notes__", [])
    return ["\n".join([f"{type(error).__name__}: {error}", *notes])]


def run(probe: Probe, words: list[str]) -> int:
    """A whole probe; its exit status."""
    running = Run(probe, words)
    outcome = running.run()
    report.summarise(outcome, running.folder)
    return {"passed": 0, "failed": 1, "interrupted": 130}[outcome.state]
