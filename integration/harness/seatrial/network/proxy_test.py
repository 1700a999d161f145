"""Real sockets on both sides of a real proxy: every fault is seen from the client, from the target, and is gone afterwards."""

import asyncio
import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from seatrial.errors import SeatrialError
from seatrial.network.proxy import Proxy
from seatrial.processes.listener import Address
from seatrial.processes.supervisor import Supervisor
from seatrial.waiting import until

PATIENCE = 5.0
"""Seconds after which a socket that should have heard something fails its test."""
SILENCE = 0.15
"""Seconds for which a socket that should hear nothing is listened to."""


class Target:
    """A listening socket; `accept` gives the server's end of each connection."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.socket.settimeout(PATIENCE)
        self.address = Address(*self.socket.getsockname())
        self.accepted: list[socket.socket] = []

    def accept(self) -> socket.socket:
        connection, _ = self.socket.accept()
        connection.settimeout(PATIENCE)
        self.accepted.append(connection)
        return connection

    def close(self) -> None:
        for each in (*self.accepted, self.socket):
            each.close()


@pytest.fixture
def target() -> Iterator[Target]:
    target = Target()
    yield target
    target.close()


@pytest.fixture
def proxy(target: Target) -> Iterator[Proxy]:
    with Proxy(target.address) as proxy:
        yield proxy


@pytest.fixture
def connect(proxy: Proxy) -> Iterator[Callable[[], socket.socket]]:
    with contextlib.ExitStack() as stack:

        def connect() -> socket.socket:
            client = stack.enter_context(
                socket.create_connection((proxy.address.host, proxy.address.port), PATIENCE)
            )
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return client

        yield connect


Connect = Callable[[], socket.socket]


def receive(connection: socket.socket, size: int) -> bytes:
    """Exactly `size` bytes, or what came before the end."""
    data = b""
    while len(data) < size and (more := connection.recv(size - len(data))):
        data += more
    return data


def hears_nothing(connection: socket.socket, seconds: float = SILENCE) -> bool:
    connection.settimeout(seconds)
    try:
        connection.recv(1, socket.MSG_PEEK)
    except TimeoutError:
        return True
    finally:
        connection.settimeout(PATIENCE)
    return False


def test_forwards_both_ways_and_counts(proxy: Proxy, target: Target, connect: Connect) -> None:
    client = connect()
    client.sendall(b"ping")
    server = target.accept()
    assert receive(server, 4) == b"ping"
    server.sendall(b"pong!")
    assert receive(client, 5) == b"pong!"
    until(
        "the bytes to be counted, which happens once they are on their way",
        lambda: proxy.stats.bytes_to_client,
    )
    stats = proxy.stats
    assert (stats.connections, stats.active, stats.bytes_to_target, stats.bytes_to_client) == (1, 1, 4, 5)
    client.close()
    server.close()
    until("the connection to be forgotten", lambda: proxy.stats.active == 0)


def test_a_half_close_passes_and_the_other_half_still_works(target: Target, connect: Connect) -> None:
    client = connect()
    client.sendall(b"question")
    client.shutdown(socket.SHUT_WR)
    server = target.accept()
    assert receive(server, 100) == b"question"
    server.sendall(b"answer")
    server.close()
    assert receive(client, 100) == b"answer"


def test_a_reset_by_the_target_reaches_the_client_as_a_reset(target: Target, connect: Connect) -> None:
    client = connect()
    client.sendall(b"x")
    server = target.accept()
    receive(server, 1)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    server.close()
    with pytest.raises(ConnectionResetError):
        client.recv(1)


def test_big_data_arrives_whole_both_ways_at_once(target: Target, connect: Connect) -> None:
    data = os.urandom(3_000_000)
    client, server = connect(), target.accept()
    received: dict[str, bytes] = {}

    def read(name: str, connection: socket.socket) -> None:
        received[name] = receive(connection, len(data))

    threads = [
        threading.Thread(target=read, args=("client", client)),
        threading.Thread(target=read, args=("server", server)),
    ]
    threads += [threading.Thread(target=each.sendall, args=(data,)) for each in (client, server)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE * 4)
    assert received == {"client": data, "server": data}


def test_a_reader_that_stops_holds_the_writer_back(proxy: Proxy, target: Target, connect: Connect) -> None:
    client, server = connect(), target.accept()
    client.settimeout(SILENCE)
    for each in (client, server):
        each.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
    sent = 0
    with contextlib.suppress(TimeoutError):
        while sent < 100_000_000:
            sent += client.send(b"x" * 65536)
    # What was sent sits in the kernel's buffers and in the proxy's: bounded, far below what the client wanted to send.
    assert sent < 50_000_000
    assert proxy.stats.bytes_to_target < sent


def test_dropped_traffic_is_silence_and_then_arrives_in_order(
    target: Target, connect: Connect, proxy: Proxy
) -> None:
    client, server = connect(), target.accept()
    client.sendall(b"1")
    assert receive(server, 1) == b"1"
    with proxy.drop_traffic():
        client.sendall(b"23")
        server.sendall(b"ab")
        assert hears_nothing(server)
        assert hears_nothing(client)
    assert receive(server, 2) == b"23"
    assert receive(client, 2) == b"ab"


def test_dropped_traffic_hides_the_end_and_the_reset_of_a_peer(
    target: Target, connect: Connect, proxy: Proxy
) -> None:
    client, server = connect(), target.accept()
    other, doomed = connect(), target.accept()
    with proxy.drop_traffic():
        server.close()
        doomed.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        doomed.close()
        assert hears_nothing(client)
        assert hears_nothing(other)
    assert client.recv(1) == b""
    with pytest.raises(ConnectionResetError):
        other.recv(1)


def test_dropped_traffic_one_way_lets_the_other_way_pass(
    target: Target, connect: Connect, proxy: Proxy
) -> None:
    client, server = connect(), target.accept()
    with proxy.drop_traffic("to_client"):
        client.sendall(b"request")
        assert receive(server, 7) == b"request"
        server.sendall(b"reply")
        assert hears_nothing(client)
    assert receive(client, 5) == b"reply"


def test_a_connection_made_while_traffic_is_dropped_reaches_the_target_afterwards(
    target: Target, connect: Connect, proxy: Proxy
) -> None:
    with proxy.drop_traffic():
        client = connect()
        client.sendall(b"late")
        target.socket.settimeout(SILENCE)
        with pytest.raises(TimeoutError):
            target.accept()
    target.socket.settimeout(PATIENCE)
    assert receive(target.accept(), 4) == b"late"


def test_delay_is_latency_not_bandwidth(target: Target, connect: Connect, proxy: Proxy) -> None:
    client, server = connect(), target.accept()
    with proxy.delayed(0.3, "to_target"):
        started = time.monotonic()
        for number in range(10):
            client.sendall(bytes([number]))
            assert hears_nothing(client, 0.01)  # so that the bytes travel apart
        assert receive(server, 1) == b"\0"
        first = time.monotonic() - started
        assert receive(server, 9) == bytes(range(1, 10))
        last = time.monotonic() - started
        server.sendall(b"!")
        assert receive(client, 1) == b"!"
    assert first >= 0.3
    assert last < 10 * 0.3


def test_what_a_delay_holds_goes_out_when_it_ends(target: Target, connect: Connect, proxy: Proxy) -> None:
    client, server = connect(), target.accept()
    with proxy.delayed(3600):
        client.sendall(b"x")
        assert hears_nothing(server)
    assert receive(server, 1) == b"x"


def test_throttled_takes_the_time_that_the_bandwidth_needs(
    target: Target, connect: Connect, proxy: Proxy
) -> None:
    client, server = connect(), target.accept()
    with proxy.throttled(100_000):
        started = time.monotonic()
        client.sendall(b"x" * 30_000)
        assert len(receive(server, 30_000)) == 30_000
        assert time.monotonic() - started >= 0.25
        client.sendall(b"y" * 3_000_000)
    assert len(receive(server, 3_000_000)) == 3_000_000  # 30 s at that rate


def test_truncated_cuts_each_connection_after_so_many_bytes(
    target: Target, connect: Connect, proxy: Proxy
) -> None:
    client, server = connect(), target.accept()
    server.sendall(b"before")
    assert receive(client, 6) == b"before"
    with proxy.truncated(3):
        second, second_server = connect(), target.accept()
        server.sendall(b"hello")
        second_server.sendall(b"world")
        assert receive(client, 100) == b"hel"
        assert receive(second, 100) == b"wor"
    third = connect()
    target.accept().sendall(b"hello")
    assert receive(third, 5) == b"hello"


def test_truncated_at_zero_delivers_nothing(target: Target, connect: Connect, proxy: Proxy) -> None:
    client, server = connect(), target.accept()
    with proxy.truncated(0, "to_target"):
        client.sendall(b"hello")
        assert receive(server, 5) == b""


def test_refused_refuses_the_new_and_spares_the_old(target: Target, connect: Connect, proxy: Proxy) -> None:
    client, server = connect(), target.accept()
    with proxy.refused():
        with pytest.raises(ConnectionRefusedError):
            connect()
        client.sendall(b"old")
        assert receive(server, 3) == b"old"
        with proxy.refused():
            pass
        with pytest.raises(ConnectionRefusedError):
            connect()
    connect().sendall(b"new")
    assert receive(target.accept(), 3) == b"new"


def test_reset_resets_both_sides_and_every_new_connection(
    target: Target, connect: Connect, proxy: Proxy
) -> None:
    client, server = connect(), target.accept()
    with proxy.reset():
        for each in (client, server):
            with pytest.raises(ConnectionResetError):
                each.recv(1)
        with pytest.raises(ConnectionResetError):
            connect().recv(1)
    connect().sendall(b"new")
    assert receive(target.accept(), 3) == b"new"


def test_faults_stack(target: Target, connect: Connect, proxy: Proxy) -> None:
    client, server = connect(), target.accept()
    with proxy.drop_traffic():
        with proxy.drop_traffic("to_target"), proxy.delayed(0.05):
            client.sendall(b"x")
        assert hears_nothing(server)
    assert receive(server, 1) == b"x"


def test_an_unreachable_target_resets_the_client_and_a_new_target_serves_the_next(
    target: Target, connect: Connect, proxy: Proxy
) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound, not listening: refused, and nobody else can get the port
        proxy.target = Address(*nobody.getsockname())
        with pytest.raises(ConnectionResetError):
            connect().recv(1)
    assert proxy.stats.unreachable == 1
    proxy.target = target.address
    connect().sendall(b"back")
    assert receive(target.accept(), 4) == b"back"


def test_a_unix_socket_is_reached_over_tcp(tmp_path: Path) -> None:
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as listening:
        listening.bind(str(tmp_path / "target.sock"))
        listening.listen()
        listening.settimeout(PATIENCE)
        with (
            Proxy(tmp_path / "target.sock") as proxy,
            socket.create_connection((proxy.address.host, proxy.address.port), PATIENCE) as client,
        ):
            client.sendall(b"ping")
            with contextlib.closing(listening.accept()[0]) as server:
                assert server.recv(16) == b"ping"
                server.sendall(b"pong")
                assert client.recv(16) == b"pong"
                with proxy.reset(), pytest.raises(ConnectionResetError):
                    client.recv(1)
                assert server.recv(1) == b""


def test_close_ends_connections_mid_fault_and_leaves_neither_task_nor_descriptor(target: Target) -> None:
    supervisor = Supervisor.current()

    async def tasks() -> int:
        return len(asyncio.all_tasks())

    def descriptors() -> int:
        return len(os.listdir("/dev/fd"))

    before = supervisor.run(tasks()), descriptors()
    proxy = Proxy(target.address).start()
    client = socket.create_connection((proxy.address.host, proxy.address.port), PATIENCE)
    with client, proxy.drop_traffic(), proxy.delayed(60), proxy.throttled(1):
        client.sendall(b"x" * 1000)
        until("the connection", lambda: proxy.stats.active == 1)
        proxy.close()
        with contextlib.suppress(ConnectionResetError):  # what was sent and never read becomes a reset
            assert client.recv(1) == b""
    proxy.close()
    assert (supervisor.run(tasks()), descriptors()) == before
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((proxy.address.host, proxy.address.port), PATIENCE)


def test_an_idle_proxy_uses_no_time(target: Target, connect: Connect, proxy: Proxy) -> None:
    client, server = connect(), target.accept()
    with proxy.drop_traffic(), proxy.delayed(60):
        client.sendall(b"x")
        assert hears_nothing(server)
        before = time.process_time()
        assert hears_nothing(server)
        spent = time.process_time() - before
    assert spent < SILENCE / 2  # a busy loop would take all of it


@pytest.mark.parametrize(
    ("fault", "argument"), [("delayed", 0), ("throttled", 0), ("truncated", -1), ("drop_traffic", "sideways")]
)
def test_a_fault_without_meaning_is_refused(proxy: Proxy, fault: str, argument: Any) -> None:
    with pytest.raises(SeatrialError), getattr(proxy, fault)(argument):
        pytest.fail("the fault was accepted")
