import re

import pytest

from seatrial.timeline.tracecontext import new_trace_id, trace_id_of, traceparent

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def test_ids_are_new_and_a_header_continues_its_trace() -> None:
    assert len({new_trace_id() for _ in range(100)}) == 100
    header = traceparent(TRACE)
    assert re.fullmatch(rf"00-{TRACE}-[0-9a-f]{{16}}-01", header)
    assert traceparent(TRACE) != header
    assert trace_id_of(header) == TRACE


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        TRACE,
        f"ff-{TRACE}-00f067aa0ba902b7-01",
        f"00-{'0' * 32}-00f067aa0ba902b7-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-00f067aa0ba902b7-01",
    ],
)
def test_a_header_that_is_none_has_no_trace(header: str | None) -> None:
    assert trace_id_of(header) is None
