"""Evidence: everything about one failed test, gathered while it is still there, thrown away if it passes."""

import contextlib
import json
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from seatrial.environment import Environment
from seatrial.errors import SeatrialError
from seatrial.failures import repro
from seatrial.failures.artifacts import TAIL_LINES, TestArtifacts, safe_name
from seatrial.failures.masking import mask_environment
from seatrial.rules.plan import Plan
from seatrial.started import Started
from seatrial.teardown import Teardown, TeardownErrors
from seatrial.timeline import archive
from seatrial.timeline.merging import text
from seatrial.timeline.timeline import Timeline
from seatrial.worker import Worker

_EVENTS: Final = "events.jsonl"
_TIMELINE: Final = "timeline.jsonl"


class Evidence:
    """What is known of one test, from its set-up to the end of its teardown."""

    def __init__(self, plan: Plan, timelines: Path, nodeid: str) -> None:
        """`timelines` is the directory of this run's."""
        self.nodeid = nodeid
        self.artifacts = TestArtifacts(plan.artifacts, nodeid)
        self.timeline = Timeline(recording=archive.recording())
        self.environment: Environment | None = None
        self.body_over = False
        """Whether the test's own outcome has been reported; it has not when the run is interrupted in it."""
        self.failed = False
        self._plan = plan
        self._timelines = timelines
        self._failures: list[str] = []
        self._withheld: Sequence[Exception] = ()
        self._stacks: dict[str, str] = {}
        self._finished = False
        self.timeline.record("test", "start", nodeid, seed=plan.seed)

    @property
    def path(self) -> Path:
        """The test's directory; from its first use on, events are written there as they happen."""
        path = self.artifacts.path
        self.timeline.write_to(path / _EVENTS)
        return path

    def open_environment(self, worker: Worker) -> Environment:
        """The test's environment."""
        self.environment = Environment(self.nodeid, self, worker, self.timeline)
        return self.environment

    def close_environment(self) -> None:
        """Take the environment down; raises TeardownErrors when that alone makes the test fail.

        When the test failed already, or was interrupted, its own story comes first: what is wrong now is
        kept for `teardown_story`.
        """
        if self.environment is None:
            return
        self.timeline.record("test", "teardown")
        teardown = self.environment.close()
        if self.body_over and not self._failures and teardown.interrupt is None:
            teardown.raise_all("the test")
            return
        self._withheld = teardown.errors
        # In a run that is being interrupted already a second Ctrl-C changes nothing: it is ending
        if teardown.interrupt is not None and self.body_over:
            raise teardown.interrupt

    def failure(self, when: str, story: str, message: str = "") -> None:
        """A phase of the test failed: with a message of few words, and with all of the story.

        Stacks are dumped while there is somebody to dump them.
        """
        self.failed = True
        self._failures.append(f"{when}\n\n{story.strip()}\n")
        self.timeline.record("test", "failed", when, message=message or None)
        if when != "teardown" and self.environment is not None:
            self._dump_stacks(self.environment)
        self._write_story()

    def tails(self) -> dict[str, str]:
        """The last lines of each log that has any; what we had it say of its stacks is none of them."""
        if self.environment is None:
            return {}
        found = {
            name: part.tail(TAIL_LINES, besides=self._stacks.get(name, ""))
            for name, part in self.environment.logs().items()
        }
        return {name: text for name, text in found.items() if text}

    def sections(self) -> list[tuple[str, str]]:
        """What a failure report shows beside the error."""
        shown = self._plan.shown(self.artifacts.path)
        stacks = f"\nstacks: {', '.join(map(_stacks_of, self._stacks))}" if self._stacks else ""
        sections = [("artifacts", f"{shown}{stacks}\nrepeat: {self.repro}")]
        sections += [(f"last lines of {name}", text) for name, text in self.tails().items()]
        return sections

    def teardown_story(self) -> str:
        """The teardown's problems that were not raised, because the test had failed before."""
        return "\n".join(describe(error) for error in self._withheld)

    def summary(self) -> dict[str, object]:
        """What a result file keeps of the failure; plain data."""
        return {
            "artifacts": self._plan.shown(self.artifacts.path),
            "repro": self.repro,
            "logs": {name: text.splitlines() for name, text in self.tails().items()},
        }

    @property
    def repro(self) -> str:
        """The command that repeats the test."""
        return self._plan.command(self.nodeid)

    def finish(self, *, interrupted: bool = False) -> tuple[Exception, ...]:
        """The test is over: keep its timeline, complete its directory if it failed, remove it if not. Idempotent.

        Answers what of a test that passed could not be kept; for one that failed its own story says so.
        """
        if self._finished:
            return ()
        self._finished = True
        if interrupted and self.environment is not None:
            self.failure("interrupted", "the run was interrupted in this test")
        outcome = "interrupted" if interrupted else "failed" if self.failed else "passed"
        self.timeline.record("test", "end", outcome=outcome)
        # What cannot be gathered must not hide what can, nor the failure itself
        gaps = Teardown()
        if self.timeline.recording:
            gaps.attempt("keeping the timeline", self._keep_timeline)
        self.timeline.close()
        if not self.failed:
            self.artifacts.discard()
            return tuple(gaps.errors)
        for write in (self._write_configuration, self._write_logs, self._write_page):
            gaps.attempt("gathering artifacts", write)
        self._failures += [f"artifacts are incomplete\n\n{describe(gap)}\n" for gap in gaps.errors]
        self._write_story()
        return ()

    def _keep_timeline(self) -> None:
        """Every test's among those of its run; a failed one's also in its directory, and to be read."""
        environment = self.environment
        events = environment.told() if environment is not None else list(self.timeline.events)
        lines = "".join(map(self.timeline.line, events))
        archive.keep(self._timelines, safe_name(self.nodeid), lines)
        if not self.failed:
            return
        self.artifacts.write(_TIMELINE, lines)
        self.artifacts.write("timeline.txt", text(events))
        (self.artifacts.path / _EVENTS).unlink(missing_ok=True)

    def _write_page(self) -> None:
        from seatrial.timeline import page

        jsonl = self.artifacts.path / _TIMELINE
        if jsonl.is_file():
            page.write(jsonl, jsonl.with_suffix(".html"), title=self.nodeid)

    def _write_story(self) -> None:
        story = self.teardown_story()
        parts = [*self._failures, *([f"teardown\n\n{story}\n"] if story else [])]
        self.artifacts.write("failure.txt", "\n".join([f"{self.nodeid}\n", *parts]))
        self.artifacts.write("REPRO.txt", self._plan.repro_text(self.nodeid))

    def _write_configuration(self) -> None:
        if self.environment is None:
            return
        processes = {name: _configuration(started) for name, started in self.environment.started.items()}
        document = {
            "test": self.nodeid,
            "runner": repro.environment_that_matters(self._plan.variables),
            "processes": processes,
        }
        self.artifacts.write("configuration.json", json.dumps(document, indent=2, default=str) + "\n")

    def _write_logs(self) -> None:
        """Copy what was logged elsewhere: a store that the tests share has one log for all of them."""
        logs = self.environment.logs() if self.environment is not None else {}
        for name, part in logs.items():
            if part.log.path.parent != self.artifacts.path:
                self.artifacts.write(f"{name}.log", part.text() + "\n")

    def _dump_stacks(self, environment: Environment) -> None:
        for name, started in environment.started.items():
            process = started.process
            if process.service.stack_dump_signal is None or process.exit_status is not None:
                continue
            mark = process.log.mark()
            with contextlib.suppress(SeatrialError):
                process.dump_stacks()
                if stacks := process.log.text(mark):  # a process that is paused says nothing
                    self._stacks[name] = stacks
                    self.artifacts.write(_stacks_of(name), f"{stacks}\n")


def _stacks_of(process: str) -> str:
    return f"{process}.stacks.txt"


def describe(error: Exception) -> str:
    """An error for a person: the harness's own say it all by themselves, others with their traceback."""
    if isinstance(error, TeardownErrors):
        return "\n".join(describe(each) for each in error.exceptions)
    if isinstance(error, SeatrialError):
        return f"{type(error).__name__}: {error}"
    return "".join(traceback.format_exception(error)).rstrip()


def _configuration(started: Started) -> dict[str, object]:
    process = started.process
    addresses: dict[str, str] = {}
    boot_s: float | None = None
    with contextlib.suppress(SeatrialError):  # one that never became ready has neither
        boot_s = process.boot_time
        addresses = {each.name: str(process.address(each.name)) for each in process.service.listeners}
    return {
        "pid": process.pid,
        "state": process.state,
        "exit": str(process.exit_status) if process.exit_status else None,
        "boot_s": boot_s,
        "addresses": addresses,
        "command": [*process.service.binary.command(), *started.arguments],
        "environment": mask_environment(started.environment),
    }
