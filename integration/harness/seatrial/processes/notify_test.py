from pathlib import Path

import pytest

from seatrial.conftest import Children
from seatrial.errors import NotReady, SpawnError
from seatrial.processes.listener import Listener
from seatrial.processes.notify import MalformedNotification, NotifySocket, parse
from seatrial.waiting import until


def test_assignments_are_lines() -> None:
    assert parse(b"READY=1\nX_LISTEN_HTTP=127.0.0.1:1\n") == {"READY": "1", "X_LISTEN_HTTP": "127.0.0.1:1"}
    assert parse("STATUS=näher = besser".encode()) == {"STATUS": "näher = besser"}


@pytest.mark.parametrize(
    "datagram", [b"", b"READY", b"\xff=1", b"ready=1", b"READY=1\n\nSTATUS=x", b"READY=1\nREADY=0", b"=1"]
)
def test_what_is_no_assignment_is_refused(datagram: bytes) -> None:
    with pytest.raises(MalformedNotification):
        parse(datagram)


def test_a_path_that_is_too_long_is_named_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(SpawnError, match="set TMPDIR to a shorter path"):
        NotifySocket(tmp_path / ("n" * 120))


def test_status_is_kept_and_malformed_datagrams_are_recorded_and_ignored(children: Children) -> None:
    process = children.start("notify('STATUS=warming up'); notify('garbage'); serve()")
    assert process.status_text == "warming up"
    assert process.malformed_notifications == ("not NAME=value: 'garbage'",)


def test_a_malformed_ready_is_told_when_it_is_missed(children: Children) -> None:
    process = children.spawn("notify('READY=1', 'oops'); signal.pause()")
    until("the datagram to arrive", lambda: process.malformed_notifications)
    with pytest.raises(NotReady, match="malformed notification: not NAME=value: 'oops'"):
        process.wait_ready(0.01)
    process.kill()


def test_ready_without_the_address_of_a_reported_listener_is_wrong(children: Children) -> None:
    grpc = Listener(name="grpc", kind="reported", variable="ADDR")
    process = children.spawn("serve()", listeners=[grpc])
    with pytest.raises(NotReady, match="READY datagram lacks X_LISTEN_GRPC"):
        process.wait_ready()


def test_an_address_that_is_none_is_wrong(children: Children) -> None:
    grpc = Listener(name="grpc", kind="reported", variable="ADDR")
    process = children.spawn("serve('X_LISTEN_GRPC=127.0.0.1:0')", listeners=[grpc])
    with pytest.raises(NotReady, match="X_LISTEN_GRPC=127.0.0.1:0"):
        process.wait_ready()


def test_a_child_that_ignores_the_socket_it_was_passed_is_found_out(children: Children) -> None:
    process = children.spawn(
        "serve('X_LISTEN_HTTP=127.0.0.1:9')", listeners=[Listener(name="http", kind="passed")]
    )
    with pytest.raises(
        NotReady, match=r"listens on 127\.0\.0\.1:9 as http, although http was passed to it on"
    ):
        process.wait_ready()


def test_a_child_can_say_that_it_stops(children: Children) -> None:
    process = children.start(
        "signal.signal(signal.SIGTERM, lambda *_: notify('STOPPING=1'))\nnotify('READY=1')\nforever()"
    )
    assert process.state == "ready"
    process.terminate()
    until("it says so", lambda: [event for event in children.events if event.kind == "stopping"])
    assert process.state == "stopping"
    process.kill()


def test_what_was_said_last_is_heard_although_the_child_has_ended(children: Children) -> None:
    process = children.spawn("notify('STATUS=last words'); os._exit(1)")
    process.wait_exit()
    assert process.status_text == "last words"
