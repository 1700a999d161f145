"""The runtime contract, held against a real process and the standards that it follows."""

import http.client
import json
import os
import re
import signal
import socket
import threading
from typing import Any

import pytest

from servicekit.conftest import KEY, Samples


def call(address: str, method: str, path: str, body: str | None = None) -> tuple[int, Any, dict[str, str]]:
    """One request on a connection of its own; gives status, JSON and header fields."""
    host, _, port = address.rpartition(":")
    connection = http.client.HTTPConnection(host.strip("[]"), int(port), timeout=30)
    try:
        connection.request(
            method, path, body, {"Content-Type": "application/json"} if body is not None else {}
        )
        response = connection.getresponse()
        text = response.read()
        return (
            response.status,
            json.loads(text) if text else None,
            {k.lower(): v for k, v in response.headers.items()},
        )
    finally:
        connection.close()


class Call(threading.Thread):
    """A request that is answered later."""

    def __init__(self, address: str, path: str) -> None:
        super().__init__()
        self._arguments = (address, "GET", path)
        self.status = 0
        self.body: Any = None
        self.start()

    def run(self) -> None:
        self.status, self.body, _ = call(*self._arguments)


def test_plain_service_binds_its_addresses_and_reports_them(samples: Samples) -> None:
    ready = samples.start().ready()
    assert {name for name in ready if name.startswith("X_")} == {
        "X_LISTEN_HTTP",
        "X_LISTEN_ADMIN",
        "X_LISTEN_OWN",
    }
    assert call(ready["X_LISTEN_HTTP"], "POST", "/echo", '{"name":"a"}')[:2] == (200, {"name": "a"})
    assert call(ready["X_LISTEN_ADMIN"], "GET", "/healthz")[:2] == (200, {"status": "ok"})
    socket.create_connection(("127.0.0.1", int(ready["X_LISTEN_OWN"].rpartition(":")[2]))).close()


def test_bodies_are_limited_as_configured(samples: Samples) -> None:
    address = samples.start(environment={"SAMPLE_BODY_LIMIT_BYTES": "12"}).ready()["X_LISTEN_HTTP"]
    assert call(address, "POST", "/echo", '{"name":"a"}')[0] == 200
    status, body, _ = call(address, "POST", "/echo", '{"name":"ab"}')
    assert (status, body["error"]["code"]) == (413, "request_too_large")


def test_plain_service_without_supervisor_says_where_it_listens(samples: Samples) -> None:
    sample = samples.start(notify=None)
    line = sample.wait_log("service_ready")
    assert call(str(line["listen_http"]), "POST", "/echo", '{"name":"a"}')[0] == 200


def test_an_ipv6_listener_is_reported_in_brackets(samples: Samples) -> None:
    ready = samples.start(environment={"SAMPLE_HTTP_ADDR": "[::1]:0"}).ready()
    assert re.fullmatch(r"\[::1\]:[1-9][0-9]*", ready["X_LISTEN_HTTP"])
    assert call(ready["X_LISTEN_HTTP"], "POST", "/echo", '{"name":"a"}')[0] == 200


def test_passed_sockets_are_served_and_a_client_may_come_before_ready(samples: Samples) -> None:
    web, admin = samples.listener(), samples.listener(socket.AF_INET6, "::1")
    early = socket.create_connection(web.getsockname())
    early.sendall(
        b"POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
        b'Content-Length: 12\r\n\r\n{"name":"a"}'
    )
    sample = samples.start(
        passed=[web.fileno(), admin.fileno()],
        environment={"LISTEN_FDNAMES": "http:admin", "SAMPLE_HTTP_ADDR": "127.0.0.1:1"},
    )
    ready = sample.ready()
    assert ready["X_LISTEN_HTTP"] == f"127.0.0.1:{web.getsockname()[1]}"
    assert ready["X_LISTEN_ADMIN"] == f"[::1]:{admin.getsockname()[1]}"
    with early, early.makefile("rb") as answer:
        assert answer.read().endswith(b'{"name":"a"}')
    assert call(ready["X_LISTEN_ADMIN"], "GET", "/healthz")[0] == 200


def test_names_choose_the_listener_not_the_order(samples: Samples) -> None:
    admin, web = samples.listener(), samples.listener()
    ready = samples.start(
        passed=[admin.fileno(), web.fileno()], environment={"LISTEN_FDNAMES": "admin:http"}
    ).ready()
    assert ready["X_LISTEN_HTTP"] == f"127.0.0.1:{web.getsockname()[1]}"
    assert call(ready["X_LISTEN_HTTP"], "POST", "/echo", '{"name":"a"}')[0] == 200


def test_sockets_for_another_process_are_left_alone(samples: Samples) -> None:
    web = samples.listener()
    ready = samples.start(passed=[web.fileno()], pid="1", environment={"LISTEN_FDNAMES": "http"}).ready()
    assert ready["X_LISTEN_HTTP"] != f"127.0.0.1:{web.getsockname()[1]}"
    assert call(ready["X_LISTEN_HTTP"], "POST", "/echo", '{"name":"a"}')[0] == 200


def test_children_of_the_service_learn_nothing_of_its_supervisor(samples: Samples) -> None:
    web = samples.listener()
    ready = samples.start(passed=[web.fileno()], environment={"LISTEN_FDNAMES": "http"}).ready()
    _, names, _ = call(ready["X_LISTEN_HTTP"], "GET", "/environment")
    assert "SAMPLE_KEY" in names
    assert not {"LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PID", "NOTIFY_SOCKET"} & set(names)


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        ("http:http", "'http' is given twice"),
        ("http:grpc", "no listener is named 'grpc'"),
        ("http:own", "'own' cannot adopt a socket"),
        ("http", "names 1 of 2 sockets"),
        ("", "names 0 of 2 sockets"),
    ],
)
def test_wrong_socket_names_are_configuration_errors(samples: Samples, names: str, problem: str) -> None:
    web, other = samples.listener(), samples.listener()
    sample = samples.start(passed=[web.fileno(), other.fileno()], environment={"LISTEN_FDNAMES": names})
    assert sample.end() == 78
    assert problem in sample.log()
    assert "Traceback" not in sample.log()


def test_what_is_no_listening_socket_is_refused(samples: Samples, tmp_path: Any) -> None:
    unbound = socket.socket()
    with open(tmp_path / "file", "wb") as file, unbound:
        sample = samples.start(
            passed=[file.fileno(), unbound.fileno()], environment={"LISTEN_FDNAMES": "http:admin"}
        )
        assert sample.end() == 78
    assert re.search(r"descriptor 3 \(http\) is no socket", sample.log())
    assert re.search(r"descriptor 4 \(admin\) does not listen", sample.log())


def test_an_abstract_notify_socket_is_told_the_whole_life(samples: Samples) -> None:
    sample = samples.start(notify="abstract")
    assert sample.notification() == {"STATUS": "Starting"}
    ready = sample.notification()
    assert ready["READY"] == "1"
    assert ready["MAINPID"] == str(sample.process.pid)
    sample.process.send_signal(signal.SIGTERM)
    assert sample.notification()["STOPPING"] == "1"
    assert sample.end() == 0


def test_a_notify_socket_that_is_gone_does_not_stop_the_service(samples: Samples) -> None:
    sample = samples.start(notify=None, environment={"NOTIFY_SOCKET": "/nonexistent/notify"})
    assert sample.wait_log("notify_failed")["level"] == "WARNING"
    sample.wait_log("service_ready")


def test_every_problem_is_reported_at_once_with_status_78(samples: Samples) -> None:
    wrong = {
        "SAMPLE_KEY": "c2VjcmV0",
        "SAMPLE_START": "slowly",
        "SAMPLE_STOP_TIMEOUT_MS": "5s",
        "SAMPLE_HTTP_ADDR": "localhost",
        "SAMPLE_OWN_ADDR": "[::1:80",
        "NOTIFY_SOCKET": "relative",
    }
    sample = samples.start(notify=None, environment=wrong)
    assert sample.end() == 78
    lines = sample.log().splitlines()
    assert {line.split(":")[0] for line in lines} == set(wrong)
    assert len(lines) == len(wrong)
    assert all(re.fullmatch(r"[A-Z_]+: .+ \(.+\)", line) for line in lines)
    assert "c2VjcmV0" not in sample.log()


def test_a_missing_variable_names_itself_and_its_file_variant(samples: Samples) -> None:
    sample = samples.start(environment={"SAMPLE_KEY": ""})
    assert sample.end() == 78
    assert sample.log() == "SAMPLE_KEY: is missing (set it or SAMPLE_KEY_FILE: A secret)\n"


def test_help_lists_every_variable_without_any_configuration(samples: Samples) -> None:
    sample = samples.start("--help", environment={"SAMPLE_KEY": ""})
    assert sample.end() == 0
    assert sample.process.stdout is not None
    text = sample.process.stdout.read()
    for name in (
        "HTTP_ADDR",
        "ADMIN_ADDR",
        "OWN_ADDR",
        "KEY",
        "KEY_FILE",
        "START",
        "STOP_TIMEOUT_MS",
        "LOG_LEVEL",
    ):
        assert f"  SAMPLE_{name} (" in text
    assert "SAMPLE_STOP_TIMEOUT_MS (default 5000)" in text
    assert "[ms]" in text


def test_version_needs_no_configuration(samples: Samples) -> None:
    sample = samples.start("--version", environment={"SAMPLE_KEY": ""})
    assert sample.end() == 0
    assert sample.process.stdout is not None
    assert re.fullmatch(r"servicekit [0-9]+\.[0-9]+\.[0-9]+\n", sample.process.stdout.read())


def test_an_unknown_argument_is_a_usage_error(samples: Samples) -> None:
    sample = samples.start("--verbose")
    assert sample.end() == 64
    assert "'--verbose'" in sample.log()


def test_an_address_in_use_is_status_71(samples: Samples) -> None:
    port = samples.listener().getsockname()[1]
    sample = samples.start(environment={"SAMPLE_HTTP_ADDR": f"127.0.0.1:{port}"})
    assert sample.end() == 71
    assert (
        sample.log()
        == f"SAMPLE_HTTP_ADDR: 127.0.0.1:{port} is in use (stop its holder, or give another port)\n"
    )


@pytest.mark.parametrize("host", ["192.0.2.1", "nowhere.invalid"])
def test_an_address_of_another_machine_is_status_78(samples: Samples, host: str) -> None:
    sample = samples.start(environment={"SAMPLE_HTTP_ADDR": f"{host}:8080"})
    assert sample.end() == 78
    assert sample.log().startswith("SAMPLE_HTTP_ADDR: ")


def test_a_start_that_fails_is_status_70_and_logged(samples: Samples) -> None:
    sample = samples.start(environment={"SAMPLE_START": "badly"})
    assert "no start" in str(sample.wait_log("service_failed")["exception"])
    assert sample.end() == 70


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_running_request_ends_in_the_drain(samples: Samples, number: signal.Signals) -> None:
    sample = samples.start()
    address = sample.ready()["X_LISTEN_HTTP"]
    held = Call(address, "/until-drain")
    sample.wait_log("holding")
    sample.process.send_signal(number)
    held.join()
    assert (held.status, held.body) == (200, {"name": "held"})
    assert sample.end() == 0
    with pytest.raises(ConnectionRefusedError):
        call(address, "POST", "/echo", "{}")


def test_what_exceeds_the_stop_budget_is_cut_off(samples: Samples) -> None:
    sample = samples.start(environment={"SAMPLE_STOP_TIMEOUT_MS": "100"})
    stuck = Call(sample.ready()["X_LISTEN_HTTP"], "/for-ever")
    sample.wait_log("holding")
    sample.process.send_signal(signal.SIGTERM)
    assert sample.wait_log("drain_cut")["requests"] == 1
    stuck.join()
    assert (stuck.status, stuck.body["error"]["code"]) == (503, "shutting_down")
    assert sample.end() == 0


def test_idle_connections_do_not_hold_up_the_drain(samples: Samples) -> None:
    sample = samples.start(environment={"SAMPLE_STOP_TIMEOUT_MS": "60000"})
    address = sample.ready()["X_LISTEN_HTTP"]
    connection = http.client.HTTPConnection("127.0.0.1", int(address.rpartition(":")[2]))
    connection.request("POST", "/echo", '{"name":"a"}', {"Content-Type": "application/json"})
    connection.getresponse().read()
    silent = socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2])))
    sample.process.send_signal(signal.SIGTERM)
    assert sample.process.wait(timeout=30) == 0
    connection.close()
    silent.close()


def test_a_second_signal_ends_at_once_during_the_drain(samples: Samples) -> None:
    sample = samples.start(environment={"SAMPLE_STOP_TIMEOUT_MS": "600000"})
    ready = sample.ready()
    connection = socket.create_connection(("127.0.0.1", int(ready["X_LISTEN_HTTP"].rpartition(":")[2])))
    connection.sendall(b"GET /for-ever HTTP/1.1\r\nHost: x\r\n\r\n")
    sample.wait_log("holding")
    sample.process.send_signal(signal.SIGTERM)
    sample.wait_log("service_stopping")
    sample.process.send_signal(signal.SIGTERM)
    assert sample.end() == -signal.SIGTERM
    connection.close()


def test_a_signal_during_the_start_stops_it(samples: Samples) -> None:
    sample = samples.start(environment={"SAMPLE_START": "never"})
    sample.wait_log("starting")
    sample.process.send_signal(signal.SIGTERM)
    assert sample.end() == 0


def test_usr1_dumps_threads_and_tasks_and_the_service_lives_on(samples: Samples) -> None:
    sample = samples.start()
    address = sample.ready()["X_LISTEN_HTTP"]
    held = Call(address, "/until-drain")
    sample.wait_log("holding")
    sample.process.send_signal(signal.SIGUSR1)
    sample.wait_line(r"^Current thread 0x")
    sample.wait_line(r"asyncio tasks of process")
    sample.wait_line(r"until_drain$")
    assert call(address, "POST", "/echo", '{"name":"a"}')[0] == 200
    sample.process.send_signal(signal.SIGTERM)
    held.join()
    assert sample.end() == 0


def test_usr1_shows_where_a_stuck_event_loop_hangs(samples: Samples) -> None:
    sample = samples.start()
    connection = socket.create_connection(
        ("127.0.0.1", int(sample.ready()["X_LISTEN_HTTP"].rpartition(":")[2]))
    )
    connection.sendall(b"GET /block HTTP/1.1\r\nHost: x\r\n\r\n")
    sample.wait_log("blocking")
    sample.process.send_signal(signal.SIGUSR1)
    sample.wait_line(r"service\.py.* in block$")
    connection.close()


def test_a_background_task_that_fails_ends_the_service_with_status_70(samples: Samples) -> None:
    sample = samples.start()
    assert call(sample.ready()["X_LISTEN_HTTP"], "GET", "/doom")[0] == 204
    assert "doomed" in str(sample.wait_log("task_failed")["exception"])
    assert sample.end() == 70


def test_a_defect_hides_its_details_and_can_be_found_in_the_log(samples: Samples) -> None:
    sample = samples.start()
    status, body, headers = call(sample.ready()["X_LISTEN_HTTP"], "GET", "/fail")
    assert (status, body["error"]["code"]) == (500, "internal_error")
    assert "password" not in json.dumps(body)
    assert body["error"]["request_id"] == headers["x-request-id"]
    line = sample.wait_log("http_handler_failed")
    assert line["request_id"] == headers["x-request-id"]
    assert "RuntimeError: wrong password for [email]" in str(line["exception"])


def test_secrets_do_not_reach_the_log(samples: Samples) -> None:
    sample = samples.start()
    assert call(sample.ready()["X_LISTEN_HTTP"], "GET", "/leak")[0] == 204
    line = sample.wait_log("leak")
    assert (line["email"], line["code"], line["text"], line["peer"]) == ("[redacted]",) * 3 + ("127.0.0.1",)
    sample.process.send_signal(signal.SIGTERM)
    assert sample.end() == 0
    assert KEY not in sample.log()


def test_metrics_are_on_the_admin_listener_only(samples: Samples) -> None:
    ready = samples.start().ready()
    call(ready["X_LISTEN_HTTP"], "POST", "/echo", '{"name":"a"}')
    connection = http.client.HTTPConnection("127.0.0.1", int(ready["X_LISTEN_ADMIN"].rpartition(":")[2]))
    connection.request("GET", "/metrics")
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert 'http_requests_total{listener="http",operation="echo",status="200"} 1' in text.splitlines()
    assert call(ready["X_LISTEN_HTTP"], "GET", "/metrics")[0] == 404


def test_the_process_leaves_nothing_on_stdout(samples: Samples) -> None:
    sample = samples.start()
    sample.ready()
    os.kill(sample.process.pid, signal.SIGTERM)
    assert sample.end() == 0
    assert sample.process.stdout is not None
    assert sample.process.stdout.read() == ""
    assert all(line.startswith('{"ts":"') for line in sample.raw)
