import asyncio

import pytest

from servicekit import tracing
from servicekit.tracing import TraceParent

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"


@pytest.mark.parametrize(
    ("header", "sampled"),
    [
        (f"00-{TRACE}-{PARENT}-01", True),
        (f"00-{TRACE}-{PARENT}-00", False),
        (f"01-{TRACE}-{PARENT}-03-more", True),
    ],
)
def test_a_header_is_read(header: str, sampled: bool) -> None:
    assert tracing.parse(header) == TraceParent(TRACE, sampled)
    assert tracing.trace_id(header) == TRACE


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        f"00-{TRACE}-{PARENT}-01-more",
        f"ff-{TRACE}-{PARENT}-01",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{PARENT}-01",
        f"00-{TRACE}-{PARENT}-01\r\nx: y",
    ],
)
def test_what_is_no_traceparent_names_no_trace(header: str | None) -> None:
    assert tracing.parse(header) is None
    assert tracing.trace_id(header) is None


def test_a_trace_is_that_of_a_task_and_of_those_that_it_starts() -> None:
    async def seen() -> str | None:
        return tracing.current()

    async def works_for(trace: str) -> str | None:
        tracing.begin(trace)
        return await asyncio.create_task(seen())

    async def both() -> list[str | None]:
        return [
            *await asyncio.gather(
                asyncio.create_task(works_for("a" * 32)), asyncio.create_task(works_for("b" * 32))
            ),
            tracing.current(),
        ]

    assert asyncio.run(both()) == ["a" * 32, "b" * 32, None]
