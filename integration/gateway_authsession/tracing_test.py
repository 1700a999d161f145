"""A request is found again on every side of the boundary: by its request id, and by its trace."""

from collections.abc import Iterator

import pytest

from contracts.http import Request, exchange
from gateway_authsession.topology import Platform
from seatrial.timeline.event import Event
from seatrial.timeline.tracecontext import new_trace_id, traceparent

KEYS = "/api/v1/public/signing-keys"


def sides(platform: Platform, request: Event) -> Iterator[tuple[str, str]]:
    """Where else the trace of a client's request is found: the lane, and the event or the event of the log line."""
    for event in platform.environment.told():
        if event.fields.get("trace_id") == request.fields["trace_id"] and event != request:
            yield event.source, event.kind


def request_of(platform: Platform, detail: str) -> Event:
    (found,) = (
        event
        for event in platform.environment.told()
        if event.kind == "request" and event.detail.startswith(detail)
    )
    return found


def test_both_sides_of_every_call_are_found_by_its_trace(platform: Platform) -> None:
    platform.sign_in().execute()
    confirm = request_of(platform, "POST /api/v1/public/auth/confirm-email-code")
    assert confirm.fields["to"] == "gateway"
    assert {("gateway", "log"), ("authsession", "log")} <= set(sides(platform, confirm))
    command = request_of(platform, "ExecuteCommand")
    assert command.fields["to"] == "gateway"
    assert {("gateway", "log"), ("commands", "call")} <= set(sides(platform, command))


@pytest.mark.parametrize(("given", "kept"), [("r-1.2_3:4", True), (None, False), ("no id", False)])
def test_a_request_id_is_taken_over_or_made(platform: Platform, given: str | None, kept: bool) -> None:
    headers = () if given is None else (("X-Request-Id", given),)
    answer = exchange(platform.gateway.http.url, Request("GET", KEYS, headers=headers)).expect(200)
    made = answer.header("x-request-id")
    assert made
    assert (made == given) is kept


def test_a_trace_is_begun_where_there_is_none_and_continued_where_there_is(platform: Platform) -> None:
    device, edge = platform.sign_in(), platform.gateway.edge
    trace, other = new_trace_id(), new_trace_id()
    for own, metadata in ((None, ()), (other, ()), (other, (("traceparent", traceparent(trace)),))):
        envelope = device.envelope(trace_id=own)
        edge.execute(envelope.encoded(device.key), envelope.request_id, metadata=metadata)
    begun, of_envelope, of_metadata = (command.trace_id for command in platform.commands.executed)
    assert begun not in (trace, other)
    assert (of_envelope, of_metadata) == (other, trace)
