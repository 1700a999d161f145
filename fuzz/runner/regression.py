"""A crasher as a named input of the corpus, with what it broke."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from seatrial.results.reports import write_atomically

from runner.child import EXCEPTION
from runner.libfuzzer import Crasher
from runner.room import CRASH, Room

_END: Final = re.compile(r"==\d+== ERROR: libFuzzer")
_EXCEPTION: Final = re.compile(r"([A-Za-z_][\w.]*)(?::|$)")
_FRAME: Final = re.compile(r' +File ".*", line \d+, in (.+)')
_WORDS: Final = re.compile(r"[^a-z0-9]+")
_ALARM: Final = re.compile(r"ALARM: .*|==\d+== ERROR: libFuzzer: .*")


@dataclass(frozen=True, slots=True)
class Regression:
    """Where a crasher was written, and the message."""

    target: str
    file: Path
    message: str


def write(room: Room, crasher: Crasher, target: str, reports: Path) -> Regression:
    """Add a crasher to the corpus as `crash_<what>_<hash>`; the reports have it under the same name, beside its message."""
    digest = hashlib.sha256(crasher.data).hexdigest()[:8]
    message = told(crasher.output)
    what = crasher.kind if crasher.kind != "crash" else named(crasher.output)
    file = room.corpus(target) / f"{CRASH}_{what}_{digest}"
    file.parent.mkdir(parents=True, exist_ok=True)
    if not file.exists():
        file.write_bytes(crasher.data)
    write_atomically(reports / target / f"{file.name}.txt", f"{message}\n\ninput: {crasher.data!r}\n")
    (reports / target / file.name).write_bytes(crasher.data)
    return Regression(target, file, message)


def told(output: Sequence[str]) -> str:
    """The exception with its traceback; else what libFuzzer says of the end."""
    if (block := _block(output)) is not None:
        return "\n".join(block)
    lines = [line for line in output if _ALARM.search(line)]
    return "\n".join(lines or output[-5:])


def named(output: Sequence[str]) -> str:
    """What broke, as a part of a name: the exception and the function that raised it, or `signal`."""
    block = _block(output)
    if block is None:
        return "signal"
    exception = _EXCEPTION.match(block[0])
    frames = [match[1] for line in block if (match := _FRAME.match(line))]
    parts = [exception[1].rpartition(".")[2] if exception else "exception", *frames[-1:]]
    return _WORDS.sub("_", "_".join(parts).lower()).strip("_")


def _block(output: Sequence[str]) -> list[str] | None:
    begin = next((number for number, line in enumerate(output) if EXCEPTION in line), None)
    if begin is None:
        return None
    rest = output[begin + 1 :]
    end = next((number for number, line in enumerate(rest) if _END.search(line)), len(rest))
    return [line for line in rest[:end] if line.strip()] or None
