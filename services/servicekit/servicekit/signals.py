"""Signals: TERM and INT drain, a second one ends at once, USR1 dumps every stack."""

import asyncio
import faulthandler
import os
import signal
import sys
from collections.abc import Iterator
from types import FrameType
from typing import Final

STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


class StopRequest:
    """Waits for the signal that asks the service to stop. Made in the running event loop."""

    def __init__(self) -> None:
        self._asked: asyncio.Future[signal.Signals] = asyncio.get_running_loop().create_future()

    async def wait(self) -> signal.Signals:
        """Return the signal that asked; at once if one already has."""
        return await asyncio.shield(self._asked)

    def install(self) -> None:
        """Handle the signals in the running event loop."""
        loop = asyncio.get_running_loop()
        for number in STOP_SIGNALS:
            loop.add_signal_handler(number, self._received, number)
        loop.add_signal_handler(signal.SIGUSR1, dump_tasks)
        # faulthandler's part works in C, even when the event loop is stuck; chained, it leaves the tasks to the loop.
        faulthandler.register(signal.SIGUSR1, all_threads=True, chain=True)

    def _received(self, number: signal.Signals) -> None:
        if self._asked.done():
            # Two came so close that the loop saw both; the default action is in place by now.
            os.kill(os.getpid(), number)
            return
        self._asked.set_result(number)
        for stop in STOP_SIGNALS:
            # From here on the default action is what a second signal asks for: it ends the process at once, even when the
            # event loop no longer turns.
            signal.signal(stop, signal.SIG_DFL)


def dump_tasks() -> None:
    """Write the stack of every asyncio task of the running loop to stderr."""
    tasks = asyncio.all_tasks()
    lines = [f"asyncio tasks of process {os.getpid()}: {len(tasks)}\n"]
    for task in sorted(tasks, key=lambda task: task.get_name()):
        lines.append(f"Task {task.get_name()!r}, awaiting (most recent call last):\n")
        for frame in _frames(task):
            code = frame.f_code
            lines.append(f'  File "{code.co_filename}", line {frame.f_lineno} in {code.co_qualname}\n')
    sys.stderr.write("".join(lines))
    sys.stderr.flush()


def _frames(task: asyncio.Task[object]) -> Iterator[FrameType]:
    """Walk from the task's coroutine down to what it waits in; Task.get_stack stops at the first."""
    awaited: object = task.get_coro()
    while awaited is not None:
        frame = getattr(awaited, "cr_frame", None) or getattr(awaited, "gi_frame", None)
        if frame is not None:
            yield frame
        awaited = getattr(awaited, "cr_await", None) or getattr(awaited, "gi_yieldfrom", None)
