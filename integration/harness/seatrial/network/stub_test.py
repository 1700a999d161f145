"""A stub is spoken to over real sockets, rightly and wrongly, whole and broken."""

import asyncio
import contextlib
import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from seatrial.errors import SeatrialError
from seatrial.network.stub import HttpStub, Illegal, Request, Response, StubViolation, route
from seatrial.processes.supervisor import Supervisor
from seatrial.waiting import until

PATIENCE = 5.0
SILENCE = 0.15


class Counter(HttpStub):
    """Counts per name; a name may not be `forbidden`."""

    body_limit = 1000

    def __init__(self) -> None:
        super().__init__()
        self.counts: dict[str, int] = {}

    @route("POST", "/counts/{name}")
    @route("PUT", "/counts/{name}")
    def add(self, request: Request) -> Response:
        name = request.parameters["name"]
        if name == "forbidden":
            raise Illegal("that name is forbidden")
        self.counts[name] = self.counts.get(name, 0) + request.json()["by"]
        return Response.json({"count": self.counts[name]}, headers={"X-Name": name.encode().hex()})

    @route("GET", "/counts")
    def read(self, request: Request) -> Response:
        return Response.json({"counts": self.counts, "query": request.query})

    @route("DELETE", "/counts")
    def clear(self, request: Request) -> Response:  # noqa: ARG002  (a handler)
        self.counts.clear()
        return Response(204)

    @route("GET", "/bug")
    def bug(self, request: Request) -> Response:
        raise LookupError(request.path)


@pytest.fixture
def stub() -> Iterator[Counter]:
    with Counter() as stub:
        yield stub


@pytest.fixture
def client(stub: Counter) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection(stub.address.host, stub.address.port, timeout=PATIENCE)
    yield connection
    connection.close()


Client = http.client.HTTPConnection


def ask(client: Client, method: str, path: str, content: object = None) -> tuple[int, bytes]:
    """One request on a connection that is kept."""
    body = None if content is None else json.dumps(content).encode()
    client.request(method, path, body, {"Content-Type": "application/json"} if body else {})
    response = client.getresponse()
    return response.status, response.read()


@contextlib.contextmanager
def raw(stub: HttpStub, data: bytes) -> Iterator[socket.socket]:
    with socket.create_connection((stub.address.host, stub.address.port), PATIENCE) as connection:
        connection.sendall(data)
        yield connection


def everything(connection: socket.socket) -> bytes:
    data = b""
    while more := connection.recv(65536):
        data += more
    return data


def test_it_is_stateful_and_records_what_it_was_sent(stub: Counter, client: Client) -> None:
    assert ask(client, "POST", "/counts/a%2Fb", {"by": 2}) == (200, b'{"count":2}')
    assert ask(client, "PUT", "/counts/a%2Fb", {"by": 3}) == (200, b'{"count":5}')
    assert ask(client, "GET", "/counts?deep=1") == (200, b'{"counts":{"a/b":5},"query":"deep=1"}')
    assert ask(client, "DELETE", "/counts") == (204, b"")
    assert stub.counts == {}
    first = stub.calls[0]
    assert (first.request.method, first.request.path, first.request.parameters) == (
        "POST",
        "/counts/a/b",
        {"name": "a/b"},
    )
    assert first.request.headers["content-type"] == "application/json"
    assert (first.request.json(), first.status, first.fault, first.violation) == ({"by": 2}, 200, None, None)
    assert [call.status for call in stub.calls] == [200, 200, 200, 204]
    assert stub.problems() == ()


def test_a_kept_connection_is_answered_without_a_delayed_acknowledgement(
    stub: Counter, client: Client
) -> None:
    ask(client, "GET", "/counts")
    started = time.monotonic()
    for _ in range(50):
        ask(client, "POST", "/counts/a", {"by": 1})
    # 50 answers that wait for a delayed acknowledgement take 2 s, those that do not about 20 ms.
    assert time.monotonic() - started < 1.0
    assert len(stub.connections) == 1


def test_pipelined_requests_are_answered_in_order(stub: Counter) -> None:
    post = (
        b"POST /counts/%b HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: 8\r\n\r\n"
        b'{"by":1}'
    )
    with (
        stub.delayed(0.05, times=1),
        raw(stub, post % b"a" + post % b"a" + b"GET /counts HTTP/1.0\r\n\r\n") as connection,
    ):
        answer = everything(connection)
    counts = [part.partition(b"}")[0] for part in answer.split(b'{"count')[1:]]
    assert counts == [b'":1', b'":2', b's":{"a":2']


def test_a_request_may_come_in_pieces(stub: Counter) -> None:
    whole = b"GET /counts HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
    with raw(stub, b"") as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in whole:
            connection.sendall(bytes([byte]))
        assert b'{"counts":{},"query":""}' in everything(connection)


def test_absolute_targets_and_expectations_are_understood(stub: Counter) -> None:
    head = b"POST http://stub/counts/x HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: 8\r\n"
    with raw(stub, head + b"Expect: 100-continue\r\nConnection: close\r\n\r\n") as connection:
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b'{"by":1}')
        assert b'{"count":1}' in everything(connection)


def test_a_head_request_has_no_body() -> None:
    class Page(HttpStub):
        @route("HEAD", "/")
        def page(self, request: Request) -> Response:  # noqa: ARG002  (a handler)
            return Response(200, b"content")

    with Page() as page, raw(page, b"HEAD / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n") as connection:
        answer = everything(connection)
    assert b"Content-Length: 7\r\n" in answer
    assert answer.endswith(b"\r\n\r\n")


# -- violations


@pytest.mark.parametrize(
    ("method", "path", "content", "status", "reason"),
    [
        ("GET", "/elsewhere", None, 404, "GET /elsewhere: no such path"),
        ("PATCH", "/counts", None, 405, "PATCH /counts: that path knows GET, DELETE only"),
        ("POST", "/counts/forbidden", {"by": 1}, 400, "that name is forbidden"),
        ("POST", "/counts/a", None, 400, "Content-Type is missing"),
        ("GET", "/bug", None, 500, "LookupError: /bug"),
        ("POST", "/counts/a", {"by": "x" * 2000}, 413, "more than 1000 bytes"),
    ],
)
def test_what_should_not_have_been_sent_is_red(
    stub: Counter, client: Client, method: str, path: str, content: object, status: int, reason: str
) -> None:
    assert ask(client, method, path, content)[0] == status
    (problem,) = stub.problems()
    assert isinstance(problem, StubViolation)
    assert str(problem).startswith("Counter: ")
    assert reason in str(problem)
    assert "allow_violation" in str(problem)
    stub.allow_violation("something else")
    assert [str(each) for each in stub.problems()] == [str(problem)]
    stub.allow_violation(reason.partition(":")[0])
    assert stub.problems() == ()
    assert len(stub.violations) == 1


@pytest.mark.parametrize(
    "body",
    [b"{", b'{"by":1,"by":2}', b'{"by":NaN}', b"\xff", b'{"by":1} {}'],
    ids=["cut", "twice", "nan", "utf8", "second"],
)
def test_json_is_read_strictly(stub: Counter, client: Client, body: bytes) -> None:
    client.request("POST", "/counts/a", body, {"Content-Type": "application/json"})
    assert client.getresponse().status == 400
    assert "the body is no JSON" in stub.violations[0]


@pytest.mark.parametrize("data", [b"rubbish\r\n\r\n", b"GET /counts HTTP/1.1\r\nContent-Length: x\r\n\r\n"])
def test_what_is_no_http_is_a_violation(stub: Counter, data: bytes) -> None:
    with raw(stub, data) as connection:
        assert everything(connection).startswith(b"HTTP/1.1 400 ")
    assert len(stub.problems()) == 1
    assert stub.calls == ()


def test_an_upgrade_is_a_violation(stub: Counter) -> None:
    with raw(
        stub, b"GET /counts HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    ) as connection:
        everything(connection)
    assert "upgrade" in stub.violations[-1]


# -- faults


def test_delayed_handles_at_once_and_answers_late(stub: Counter, client: Client) -> None:
    with stub.delayed(0.2):
        client.request("POST", "/counts/a", b'{"by":1}', {"Content-Type": "application/json"})
        started = time.monotonic()
        until("the request to be handled", lambda: stub.counts)
        assert client.getresponse().read() == b'{"count":1}'
        assert time.monotonic() - started >= 0.15
    assert ask(client, "GET", "/counts")[0] == 200


def test_what_a_delay_holds_goes_out_when_it_ends(stub: Counter, client: Client) -> None:
    with stub.delayed(3600):
        client.request("GET", "/counts")
        until("the request to be handled", lambda: stub.calls)
    assert client.getresponse().status == 200


def test_failing_answers_an_error_and_handles_nothing(stub: Counter, client: Client) -> None:
    with stub.failing(502, b"no"):
        assert ask(client, "POST", "/counts/a", {"by": 1}) == (502, b"no")
    assert stub.counts == {}
    assert (stub.calls[0].status, stub.calls[0].fault) == (502, "failing")
    assert ask(client, "POST", "/counts/a", {"by": 1})[0] == 200


def test_answering_lies(stub: Counter, client: Client) -> None:
    with stub.answering(200, b"<html>", {"Content-Type": "text/html", "X-Lie": "1"}):
        client.request("GET", "/counts")
        response = client.getresponse()
        assert (response.status, response.read(), response.headers["X-Lie"]) == (200, b"<html>", "1")
    with stub.answering(headers={"Content-Length": "100"}):
        client.request("GET", "/counts")
        client.timeout = SILENCE
        assert client.getresponse().headers["Content-Length"] == "100"


@pytest.mark.parametrize("handled", [False, True])
def test_dropping_closes_instead_of_an_answer(stub: Counter, client: Client, handled: bool) -> None:
    with stub.dropping(handled=handled), pytest.raises(http.client.RemoteDisconnected):
        ask(client, "POST", "/counts/a", {"by": 1})
    assert stub.counts == ({"a": 1} if handled else {})
    assert stub.calls[0].status is None


def test_truncating_cuts_the_body_of_the_answer(stub: Counter, client: Client) -> None:
    with stub.truncating(5):
        client.request("POST", "/counts/a", b'{"by":1}', {"Content-Type": "application/json"})
        with pytest.raises(http.client.IncompleteRead) as cut:
            client.getresponse().read()
    assert cut.value.partial == b'{"cou'
    assert stub.counts == {"a": 1}


def test_gone_refuses_on_a_port_that_stays_ours(stub: Counter, client: Client) -> None:
    ask(client, "GET", "/counts")
    with stub.gone():
        with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
            ask(client, "GET", "/counts")
        client.close()
        with pytest.raises(ConnectionRefusedError):
            ask(client, "GET", "/counts")
    client.close()
    assert ask(client, "GET", "/counts")[0] == 200


def test_paused_neither_handles_nor_answers_and_then_does_both(stub: Counter, client: Client) -> None:
    ask(client, "GET", "/counts")
    with stub.paused():
        client.request("POST", "/counts/a", b'{"by":1}', {"Content-Type": "application/json"})
        with raw(stub, b"GET /counts HTTP/1.0\r\n\r\n") as late:
            late.settimeout(SILENCE)
            with pytest.raises(TimeoutError):
                late.recv(1)
            assert stub.counts == {}
            assert len(stub.calls) == 1
    assert client.getresponse().read() == b'{"count":1}'


def test_faults_strike_one_path_or_so_many_times(stub: Counter, client: Client) -> None:
    with stub.failing(path="/counts/{name}"), stub.failing(418, path="/counts", times=2):
        assert [ask(client, "GET", "/counts")[0] for _ in range(3)] == [418, 418, 200]
        assert ask(client, "POST", "/counts/a", {"by": 1})[0] == 503
    with stub.failing(path="/counts/a"):
        assert ask(client, "POST", "/counts/a", {"by": 1})[0] == 503
        assert ask(client, "POST", "/counts/b", {"by": 1})[0] == 200


@pytest.mark.parametrize(
    "wrong", [lambda stub: stub.delayed(0), lambda stub: stub.truncating(-1), lambda _: route("get", "/")]
)
def test_what_means_nothing_is_refused(stub: Counter, wrong: Callable[[Counter], object]) -> None:
    with pytest.raises(SeatrialError):
        wrong(stub)


# -- life


def test_routes_are_inherited_and_overridden() -> None:
    class Special(Counter):
        name = "special"

        @route("GET", "/counts")
        def read(self, request: Request) -> Response:  # noqa: ARG002  (a handler)
            return Response.json("special")

    with Special() as special:
        connection = http.client.HTTPConnection(special.address.host, special.address.port, timeout=PATIENCE)
        with contextlib.closing(connection):
            assert ask(connection, "GET", "/counts") == (200, b'"special"')
            assert ask(connection, "POST", "/counts/a", {"by": 1}) == (200, b'{"count":1}')
            ask(connection, "GET", "/no")
    assert str(special.problems()[0]).startswith("special: GET /no")


def test_many_clients_at_once_are_served(stub: Counter) -> None:
    def hammer() -> None:
        connection = http.client.HTTPConnection(stub.address.host, stub.address.port, timeout=PATIENCE)
        for _ in range(20):
            ask(connection, "POST", "/counts/a", {"by": 1})
        connection.close()

    threads = [threading.Thread(target=hammer) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert stub.counts == {"a": 200}


def test_close_ends_everything_and_may_be_repeated() -> None:
    stub = Counter().start()
    with stub.delayed(3600), raw(stub, b"GET /counts HTTP/1.1\r\nHost: h\r\n\r\n") as waiting:
        until("the request to be handled", lambda: stub.calls)
        stub.close()
        assert everything(waiting) == b""
        stub.close()
    assert stub.connections == set()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((stub.address.host, stub.address.port), PATIENCE)


def test_setting_up_and_tearing_down_leaves_nothing_in_the_loop() -> None:
    supervisor = Supervisor.current()

    async def tasks() -> int:
        return len(asyncio.all_tasks())

    before = supervisor.run(tasks())
    for _ in range(20):
        with Counter() as stub, stub.paused(), stub.gone(), raw_or_refused(stub):
            pass
    assert supervisor.run(tasks()) == before


@contextlib.contextmanager
def raw_or_refused(stub: HttpStub) -> Iterator[None]:
    with contextlib.suppress(ConnectionRefusedError), raw(stub, b"GET / HTTP/1.1\r\n"):
        pass
    yield
