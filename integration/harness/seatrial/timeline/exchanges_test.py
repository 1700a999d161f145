from seatrial.timeline import exchanges
from seatrial.timeline.timeline import Timeline, running


def test_a_request_and_its_response_bear_the_same_number_and_name_who_was_asked() -> None:
    timeline = Timeline()
    timeline.name_of = {"127.0.0.1:1": "ship"}.get
    with running(timeline):
        first = exchanges.request("client", "GET /", to="127.0.0.1:1", request_id="r-1", trace_id="a" * 32)
        second = exchanges.request("client", "GET /lost", to="127.0.0.1:2")
        second.unanswered("refused")
        second.answered(status=200)
        first.answered(status=404, error_code="not_found")
    asked, lost, no_answer, response = timeline.events
    assert (asked.source, asked.kind, asked.detail) == ("client", "request", "GET /")
    assert asked.fields == {"exchange": 1, "to": "ship", "request_id": "r-1", "trace_id": "a" * 32}
    assert (lost.fields["exchange"], lost.fields["to"]) == (2, "127.0.0.1:2")
    assert (no_answer.kind, no_answer.detail, no_answer.fields["exchange"]) == ("no_answer", "refused", 2)
    assert (response.kind, response.fields["exchange"], response.fields["status"]) == ("response", 1, 404)
    assert response.fields["error_code"] == "not_found"
    assert 0 <= float(str(response.fields["took_s"])) <= response.at


def test_messages_on_the_way_belong_to_their_exchange() -> None:
    timeline = Timeline()
    with running(timeline):
        stream = exchanges.request("device", "Subscribe", to="ship")
        stream.told("push", "hello", trace_id="b" * 32)
    assert timeline.events[-1].fields == {"exchange": 1, "trace_id": "b" * 32}


def test_without_a_test_nothing_is_recorded() -> None:
    timeline = Timeline()
    exchange = exchanges.request("client", "GET /", to="ship")
    with running(timeline):
        exchange.answered(status=200)
    assert timeline.events == ()
