"""How the end of a process is told and judged: what the test declared, and what it must hear about."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from signal import SIGKILL, Signals
from typing import Final

from seatrial.errors import SeatrialError, UnexpectedExit, UnexpectedLog, indented, shortened
from seatrial.processes.child import Child, ExitStatus
from seatrial.processes.logfile import Allowed, LogFile

_RECORDS_IN_ERROR: Final = 10
_CANNOT_EXECUTE: Final = (126, 127)


@dataclass(frozen=True, slots=True)
class Expectation:
    """The end that a test declared; with neither code nor signal, any end, or none."""

    code: int | None
    signal: Signals | None

    def met_by(self, status: ExitStatus) -> bool:
        """Whether `status` is that end."""
        if self.code is None and self.signal is None:
            return True
        return (status.code, status.signal) == (self.code, self.signal)

    def __str__(self) -> str:
        return str(ExitStatus(self.code, self.signal))


def phase(child: Child) -> str:
    """When in its life something happened to `child`, and what it had said until then."""
    age = (child.ended or time.monotonic()) - child.started
    if child.ready_after is not None:
        return f"{age:.3f} s after its start"
    said = [f"its status was {child.status_text!r}"] if child.status_text else []
    said += [f"last seen: {child.last_seen}"] if child.last_seen else []
    said += [f"malformed notification: {text}" for text in child.malformed[-1:]]
    return "; ".join([f"{age:.3f} s after its start, before it was ready", *said])


def story(name: str, child: Child) -> str:
    """The end of `child`, for an error."""
    asked = "although nobody asked it to end" if child.asked is None else f"after {child.asked.name}"
    hint = ""
    if child.exit is not None and child.exit.code in _CANNOT_EXECUTE and child.ready_after is None:
        hint = (
            " (the shell's code for a program that cannot be executed: is its loader or interpreter there?)"
        )
    return f"{name} (pid {child.pid}): {child.exit}{hint} {asked}, {phase(child)}; {child.log.story()}"


def verdict(name: str, child: Child, expected: Expectation | None) -> list[SeatrialError]:
    """What was wrong with the end of `child`; nothing while it runs."""
    found: list[SeatrialError] = []
    end = _bad_end(name, child, expected)
    if end is not None:
        found.append(UnexpectedExit(end))
    if child.immortal:
        found.append(UnexpectedExit(f"{name} (pid {child.pid}) or a child of it did not die of SIGKILL"))
    if child.left_behind:
        orphans = ", ".join(child.left_behind)
        found.append(UnexpectedExit(f"{name} (pid {child.pid}) ended and left in its session: {orphans}"))
    return found


def _bad_end(name: str, child: Child, expected: Expectation | None) -> str | None:
    status = child.exit
    if status is None:
        return None
    if expected is not None:
        return None if expected.met_by(status) else f"{story(name, child)}\nexpected was: {expected}"
    if child.late:
        return (
            f"{name} (pid {child.pid}) did not end within {child.service.stop_timeout:g} s of"
            f" {child.service.stop_signal.name} and had to be killed; {child.log.story()}"
        )
    # A kill was the test's own; a stop must end as the service promises.
    clean = child.asked == SIGKILL or (
        child.asked is not None and status.returncode in child.service.clean_exits
    )
    return None if clean else story(name, child)


def unexpected_log(name: str, log: LogFile, allowed: Sequence[Allowed]) -> list[SeatrialError]:
    """The records of `log` that the test did not allow, as one error."""
    records = log.unexpected(allowed)
    if not records:
        return []
    lines = [indented(shortened(record.line, 2000)) for record in records[:_RECORDS_IN_ERROR]]
    if len(records) > len(lines):
        lines.append(f"    ... and {len(records) - len(lines)} more")
    return [
        UnexpectedLog(
            f"{name} logged what the test did not allow ({log.path}); fix the cause, or declare it with"
            " allow_log(pattern):\n" + "\n".join(lines)
        )
    ]
