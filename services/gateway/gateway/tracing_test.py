import pytest
from servicekit import tracing

from gateway.tracing import child_traceparent

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"


def parts(traceparent: str) -> list[str]:
    assert tracing.parse(traceparent) is not None
    return traceparent.split("-")


@pytest.mark.parametrize("flags", ["00", "01"])
def test_a_trace_is_continued_with_a_new_parent(flags: str) -> None:
    version, trace, parent, sampled = parts(child_traceparent(f"00-{TRACE}-{PARENT}-{flags}"))
    assert (version, trace, sampled) == ("00", TRACE, flags)
    assert parent != PARENT


def test_a_later_version_is_continued_as_version_00() -> None:
    version, trace, _, sampled = parts(child_traceparent(f"01-{TRACE}-{PARENT}-03-more"))
    assert (version, trace, sampled) == ("00", TRACE, "01")


@pytest.mark.parametrize(
    "received",
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
def test_what_is_no_traceparent_starts_a_new_trace(received: str | None) -> None:
    first, second = (parts(child_traceparent(received))[1] for _ in range(2))
    assert TRACE not in (first, second)
    assert first != second


def test_the_envelopes_trace_id_is_continued_where_there_is_no_header() -> None:
    assert parts(child_traceparent(None, TRACE))[1] == TRACE
    other = "a" * 32
    assert parts(child_traceparent(f"00-{other}-{PARENT}-01", TRACE))[1] == other
