"""What an environment's own parts tell: processes, stores, proxies and stubs, each in its lane."""

import json
import signal
import sys
from pathlib import Path

import pytest

from seatrial import Command, Environment, Listener, Service, TcpProbe
from seatrial.network.stub import HttpStub, Request, Response, route
from seatrial.timeline import exchanges
from seatrial.timeline.event import Event
from seatrial.timeline.tracecontext import new_trace_id, traceparent

PROGRAM = """
import json, os, signal, socket, sys
listening = socket.create_server(("127.0.0.1", int(sys.argv[1])))
wakeup, waker = os.pipe()
os.set_blocking(waker, False)
signal.set_wakeup_fd(waker)
signal.signal(signal.SIGTERM, lambda *_: None)
print(json.dumps({"level": "INFO", "event": "up", "request_id": "r-1", "mode": os.environ.get("SHIP_LOG", "quiet")}), flush=True)
os.read(wakeup, 1)
"""
SHIP = Service(
    name="ship",
    binary=Command(sys.executable, "-I", "-S", "-c", PROGRAM),
    arguments=("{port.port}",),
    listeners=(Listener(name="port", kind="reserved"),),
    observed={"SHIP_LOG": "loud"},
    readiness=TcpProbe("port"),
)


class Post(HttpStub):
    """A stub that takes letters."""

    @route("POST", "/letters")
    def letter(self, _: Request) -> Response:
        return Response(202)


def told(environment: Environment, source: str, *kinds: str) -> list[Event]:
    return [event for event in environment.told() if event.source == source and event.kind in kinds]


def test_a_process_tells_its_states_its_probes_and_its_log(environment: Environment) -> None:
    ship = environment.start(SHIP)
    (spawned,) = told(environment, "ship", "spawned")
    assert spawned.fields == {"pid": ship.pid, "boot": "cold"}
    probes = told(environment, "ship", "probe")
    assert probes, "a port is refused before the program has bound it"
    assert [probe.detail for probe in probes] == sorted({probe.detail for probe in probes})
    assert all(float(str(probe.fields["took_s"])) > 0 for probe in probes)
    (line,) = told(environment, "ship", "log")
    assert (line.fields["level"], line.fields["request_id"]) == ("INFO", "r-1")
    ship.stop()
    (exited,) = told(environment, "ship", "exited")
    assert exited.fields == {"status": str(ship.exit_status)}


def test_a_process_is_told_to_log_more_where_a_timeline_is_recorded(
    environment: Environment, tmp_path: Path
) -> None:
    environment.start(SHIP)
    environment.start(SHIP, name="silent", environment={"SHIP_LOG": "as the test says"})
    with Environment.open(artifacts=tmp_path) as other:
        other.start(SHIP)
        assert other.timeline.events == ()
        assert '"mode": "quiet"' in other.logs()["ship"].text()
    modes = [json.loads(log.text())["mode"] for log in environment.logs().values()]
    assert modes == ["loud", "as the test says"]


def test_what_is_paused_or_killed_is_broken_until_it_is_whole_again(environment: Environment) -> None:
    ship = environment.start(SHIP)
    ship.pause()
    ship.resume()
    ship.kill()
    ship.restart()
    ship.resume()
    faults = told(environment, "ship", "fault", "fault_over")
    assert [(event.kind, event.detail, event.fields["fault"]) for event in faults] == [
        ("fault", "paused", 1),
        ("fault_over", "paused", 1),
        ("fault", "killed", 2),
        ("fault_over", "killed", 2),
    ]
    assert faults[-1].at >= told(environment, "ship", "ready")[-1].at


def test_a_store_of_ones_own_is_broken_in_its_own_lane(environment: Environment) -> None:
    store = environment.own_valkey()
    store.pause()
    store.resume()
    assert [event.kind for event in told(environment, store.name, "fault", "fault_over")] == [
        "fault",
        "fault_over",
    ]


def test_who_is_asked_is_named_also_behind_a_proxy(environment: Environment) -> None:
    ship, post = environment.start(SHIP), environment.stub(Post())
    proxy, named = environment.proxy(ship.address("port")), environment.proxy(post.address, name="the strait")
    places = (ship.address("port"), post.address, proxy.address, named.address, "198.51.100.1:80")
    for place in places:
        exchanges.request("client", "GET /", to=str(place)).unanswered("not sent")
    asked = [event.fields["to"] for event in told(environment, "client", "request")]
    assert asked == ["ship", "Post", "proxy to ship", "the strait", "198.51.100.1:80"]
    with named.delayed(0.1):
        pass
    (fault,) = told(environment, "the strait", "fault")
    assert fault.detail == "delayed 0.1 s both"


def test_a_stub_tells_whose_request_it_answered(environment: Environment) -> None:
    import http.client

    post = environment.stub(Post())
    trace = new_trace_id()
    connection = http.client.HTTPConnection(post.address.host, post.address.port, timeout=10)
    headers = {"X-Request-Id": "r-7", "traceparent": traceparent(trace)}
    connection.request("POST", "/letters", b"{}", headers)
    assert connection.getresponse().read() == b""
    connection.close()
    (call,) = told(environment, "Post", "call")
    assert call.detail == "POST /letters -> 202"
    assert (call.fields["request_id"], call.fields["trace_id"]) == ("r-7", trace)


def test_what_is_gathered_is_told_when_processes_have_ended_and_a_gap_fails_nothing(tmp_path: Path) -> None:
    file = tmp_path / "timeline.jsonl"
    with Environment.open(timeline=file) as environment:
        ship = environment.start(SHIP)
        environment.gather("states", lambda: environment.timeline.record("store", "seen", ship.state))
        environment.gather("entries", lambda: (_ for _ in ()).throw(OSError("gone")).__next__())
    events = [json.loads(line) for line in file.read_text().splitlines()]
    assert [(e["event"], e["detail"]) for e in events if e["source"] in ("store", "test")] == [
        ("seen", "exited"),
        ("gap", "entries: OSError('gone')"),
    ]
    assert [e["at_s"] for e in events] == sorted(e["at_s"] for e in events)
    assert "log" in {e["event"] for e in events if e["source"] == "ship"}


def test_outside_of_a_test_nothing_is_recorded_unless_it_is_asked_for(tmp_path: Path) -> None:
    with Environment.open(artifacts=tmp_path) as environment:
        environment.gather("nothing", lambda: pytest.fail("gathered, although nothing is recorded"))
        with environment.step("a step"):
            environment.start(SHIP).send_signal(signal.SIGTERM)
        environment.processes[0].expect_exit(code=0)
        environment.processes[0].wait_exit()
    assert environment.timeline.events == ()
    assert not list(tmp_path.glob("*.jsonl"))
