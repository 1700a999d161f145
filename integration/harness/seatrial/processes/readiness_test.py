import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from seatrial.conftest import Argv, Children
from seatrial.errors import NotReady, ProcessDied, ServiceError
from seatrial.processes.listener import Listener
from seatrial.processes.process import Process
from seatrial.processes.readiness import Candidate, GrpcHealthProbe, HttpProbe, LogLine, TcpProbe
from seatrial.service import Service
from seatrial.waiting import until

PORT = Listener(name="main", kind="reserved", variable="ADDR")
# A foreign server: it binds the port that it is told, as nearly all servers do, and answers each connection.
SERVER = """
def server(answer, backlog=5):
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(('127.0.0.1', int(os.environ['ADDR'].split(':')[1])))
    listening.listen(backlog)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    while True:
        connection = listening.accept()[0]
        request = b''
        while answer is not None and b'\\r\\n\\r\\n' not in request:
            data = connection.recv(1000)
            if not data:
                break
            request += data
        if answer is not None and request:
            connection.sendall(next(answer))
        connection.close()
"""


def why_not_ready(process: Process) -> str:
    with pytest.raises(NotReady) as caught:
        process.wait_ready(0)
    return str(caught.value)


def test_tcp_is_ready_when_it_accepts(children: Children) -> None:
    process = children.start(SERVER + "server(None)", listeners=[PORT], readiness=TcpProbe("main"))
    address = process.address("main")
    with socket.create_connection((address.host, address.port)):
        pass
    process.stop()
    assert process.problems() == ()


def test_http_is_ready_with_the_right_status(children: Children) -> None:
    answers = "iter([b'HTTP/1.1 503 No\\r\\n\\r\\n', b'HTTP/1.0 204\\r\\n\\r\\n'])"
    process = children.start(
        SERVER + f"server({answers})", listeners=[PORT], readiness=HttpProbe("main", "/healthz", status=204)
    )
    assert process.state == "ready"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("b'HTTP/1.1 503 No\\r\\n\\r\\n'", "status 503, not 200"),
        ("b'SSH-2.0-x\\r\\n'", r"b'SSH-2.0-x\r\n' is no HTTP status line"),
        ("b'HTTP/1.1 2000 OK\\r\\n'", "is no HTTP status line"),
        ("b'x' * 100_000", "the status line has no end"),
    ],
)
def test_a_wrong_answer_is_shown(children: Children, answer: str, reason: str) -> None:
    process = children.spawn(
        SERVER + f"server(iter(lambda: {answer}, None))", listeners=[PORT], readiness=HttpProbe("main")
    )
    until("the first answer", lambda: reason in why_not_ready(process), 20)
    process.kill()


def test_a_server_that_is_not_there_yet_is_asked_again(children: Children) -> None:
    process = children.spawn("signal.pause()", listeners=[PORT], readiness=TcpProbe("main"))
    with pytest.raises(NotReady, match="Connection refused|Connect call failed"):
        process.wait_ready(0.2)
    process.kill()


def test_death_ends_a_probe(children: Children) -> None:
    process = children.spawn("sys.exit(5)", listeners=[PORT], readiness=TcpProbe("main"))
    with pytest.raises(ProcessDied, match="exit code 5"):
        process.wait_ready()


def test_a_passed_socket_can_be_probed_by_http(children: Children) -> None:
    process = children.start(
        "server = socket.socket(fileno=3)\nconnection = server.accept()[0]\nconnection.recv(1000)\n"
        "connection.sendall(b'HTTP/1.1 200 OK\\r\\n\\r\\n')\nserve()",
        listeners=[Listener(name="http", kind="passed")],
        readiness=HttpProbe("http"),
    )
    assert process.state == "ready"


def test_the_wrong_server_is_not_greeted(children: Children) -> None:
    # The stranger gets the port because it asks for that very one and says that it shares.
    process = children.spawn("signal.pause()", listeners=[PORT], readiness=TcpProbe("main"), boot_timeout=20)
    address = process.address("main")
    stranger = socket.socket()
    stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    with stranger:
        stranger.bind((address.host, address.port))
        stranger.listen()
        with pytest.raises(
            NotReady, match=rf"{address} answers, but it is served by pid \d+ .*, not by this child"
        ):
            process.wait_ready()
    process.kill()


def test_a_worker_of_the_child_may_serve(children: Children) -> None:
    process = children.start(
        SERVER + "if os.fork() == 0:\n    os.setsid()\n    server(None)\nserve()",
        listeners=[PORT],
        readiness=TcpProbe("main"),
    )
    assert process.state == "ready"
    process.kill()


def test_a_log_line_is_ready(children: Children) -> None:
    process = children.start(
        "say('now serving 1 client'); signal.pause()", readiness=LogLine(r"serving \d+ client")
    )
    assert process.state == "ready"
    process.kill()
    with pytest.raises(NotReady, match="no line with 'closed' in the log"):
        children.spawn("signal.pause()", readiness=LogLine("closed")).wait_ready(0.05)


def test_the_line_of_a_former_life_makes_nobody_ready(children: Children) -> None:
    body = """
if os.path.exists('flag'):
    say('second life'); sys.exit(3)
open('flag', 'w'); say('serving'); signal.pause()
"""
    process = children.start(body, readiness=LogLine("serving"))
    process.kill()
    with pytest.raises(ProcessDied, match="(?s)exit code 3 .*no line with 'serving'.*second life"):
        process.restart()


@dataclass(frozen=True)
class Broken:
    def check(self, listeners: Sequence[Listener]) -> None:
        assert list(listeners) == []

    async def wait(self, candidate: Candidate) -> None:
        raise RuntimeError(f"cannot look at {candidate.log}")


def test_a_readiness_that_breaks_is_named(children: Children) -> None:
    process = children.spawn("serve()", readiness=Broken())
    with pytest.raises(NotReady, match="its readiness check broke: RuntimeError"):
        process.wait_ready()
    process.kill()


HEALTH = """
import grpc, os, signal, sys
from concurrent.futures import ThreadPoolExecutor
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
servicer = health.HealthServicer()
servicer.set(sys.argv[1], int(sys.argv[2]))
server = grpc.server(ThreadPoolExecutor(2), options=[("grpc.so_reuseport", 0)])
health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
assert server.add_insecure_port(os.environ["ADDR"])
server.start()
signal.pause()
"""


def grpc_server(service: str, status: int) -> Argv:
    return Argv([sys.executable, "-c", HEALTH, service, str(status)])


def test_grpc_is_ready_when_it_is_serving(children: Children) -> None:
    for service in ("", "lobby.v1.Lobby"):
        process = children.start(
            grpc_server(service, 1), listeners=[PORT], readiness=GrpcHealthProbe("main", service)
        )
        assert process.state == "ready"
        process.kill()


@pytest.mark.parametrize(("service", "reason"), [("", "is not SERVING"), ("other", "NOT_FOUND")])
def test_grpc_that_is_not_serving_says_so(children: Children, service: str, reason: str) -> None:
    process = children.spawn(grpc_server("", 2), listeners=[PORT], readiness=GrpcHealthProbe("main", service))
    until("the first answer", lambda: reason in why_not_ready(process), 20)
    process.kill()


def test_grpc_is_optional(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "grpc", None)
    with pytest.raises(ServiceError, match=r"needs the package grpcio; install seatrial\[grpc\]"):
        Service(name="a", binary=Argv(["x"]), listeners=[PORT], readiness=GrpcHealthProbe("main"))
