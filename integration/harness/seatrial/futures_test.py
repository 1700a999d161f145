"""Waiting for futures: each as it is done, and never deaf to Ctrl-C."""

import _thread
import sys
import threading
from concurrent.futures import Future
from types import FrameType

import pytest

from seatrial.futures import as_completed
from seatrial.waiting import until


def frames(frame: FrameType | None) -> list[str]:
    found = []
    while frame is not None:
        found.append(frame.f_code.co_name)
        frame = frame.f_back
    return found


def test_each_is_told_as_soon_as_it_is_done() -> None:
    first: Future[str] = Future()
    second: Future[str] = Future()
    second.set_result("second")
    told = as_completed([first, second])
    assert next(told).result() == "second"
    first.set_result("first")
    assert [future.result() for future in told] == ["first"]


def test_an_interrupt_that_wakes_nobody_ends_the_wait_all_the_same() -> None:
    waits, never = threading.main_thread().ident, Future[None]()
    assert waits is not None

    def interrupt() -> None:
        # Unlike a signal that the kernel delivers this does not end the system call in which the main thread waits.
        until("the main thread to wait", lambda: "as_completed" in frames(sys._current_frames()[waits]), 60)
        _thread.interrupt_main()

    with pytest.raises(KeyboardInterrupt):
        interrupting = threading.Thread(target=interrupt)
        interrupting.start()
        for _ in as_completed([never]):
            pytest.fail("a future that is never done was told")
    interrupting.join()
