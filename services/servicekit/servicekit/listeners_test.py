"""Sockets, bound here or handed over; app_test.py does it across processes."""

import os
import socket

import pytest

from servicekit.listeners import Listener, ListenError, address_of, bind, inherited, obtain
from servicekit.parsers import Address

HTTP = Listener("http", "127.0.0.1:0")
ADMIN = Listener("admin", "127.0.0.1:0")


def test_a_dual_stack_listener_takes_ipv4() -> None:
    with bind(Address("::", 0), "X_HTTP_ADDR") as bound:
        port = address_of(bound).port
        socket.create_connection(("127.0.0.1", port), timeout=10).close()
        socket.create_connection(("::1", port), timeout=10).close()


def test_an_ipv6_address_does_not_take_ipv4() -> None:
    with bind(Address("::1", 0), "X_HTTP_ADDR") as bound, pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", address_of(bound).port), timeout=10)


def test_a_bound_socket_listens_and_is_not_inherited() -> None:
    with bind(Address("localhost", 0), "X_HTTP_ADDR") as bound:
        assert bound.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1
        assert not os.get_inheritable(bound.fileno())


@pytest.mark.parametrize(
    ("address", "status", "text"),
    [
        (Address("192.0.2.1", 80), 78, "cannot be bound"),
        (Address("nowhere.invalid", 80), 78, "is unknown"),
        (Address("a" * 70, 80), 78, "is unknown"),
    ],
)
def test_what_cannot_be_bound_says_why(address: Address, status: int, text: str) -> None:
    with pytest.raises(ListenError, match=text) as caught:
        bind(address, "X_HTTP_ADDR")
    assert caught.value.status == status
    assert str(caught.value).startswith("X_HTTP_ADDR: ")


def test_what_was_bound_before_a_failure_is_given_back() -> None:
    with bind(Address("127.0.0.1", 0), "") as taken, bind(Address("127.0.0.1", 0), "") as passed:
        addresses = {"admin": address_of(taken)}
        with pytest.raises(ListenError, match="X_ADMIN_ADDR: .* is in use") as caught:
            obtain([HTTP, ADMIN], {"http": passed}, addresses, "X")
        assert caught.value.status == 71
        assert passed.fileno() == -1


def test_without_sockets_nothing_is_taken_and_the_environment_is_cleaned() -> None:
    for given in ({}, {"LISTEN_FDS": ""}, {"LISTEN_FDS": "1", "LISTEN_PID": "1", "LISTEN_FDNAMES": "http"}):
        environment = {**given, "PATH": "/bin"}
        assert inherited(environment, [HTTP]) == ({}, [])
        assert environment == {"PATH": "/bin"}


@pytest.mark.parametrize("count", ["x", "-1", "1.0", "٣"])
def test_a_count_that_is_no_number_is_a_problem(count: str) -> None:
    _, problems = inherited({"LISTEN_FDS": count, "LISTEN_FDNAMES": "http"}, [HTTP])
    assert problems == [f"LISTEN_FDS: {count!r} is not a number of sockets (set it as in sd_listen_fds(3))"]


@pytest.mark.parametrize("kind", ["unix", "datagram"])
def test_another_kind_of_socket_is_refused_and_left_open(kind: str) -> None:
    family, type_ = (
        (socket.AF_UNIX, socket.SOCK_STREAM) if kind == "unix" else (socket.AF_INET, socket.SOCK_DGRAM)
    )
    with socket.socket(family, type_) as given:
        environment = {"LISTEN_FDS": "1", "LISTEN_FDNAMES": "http"}
        sockets, (problem,) = inherited(environment, [HTTP], first_fd=given.fileno())
        assert sockets == {}
        assert "pass a listening TCP socket" in problem
        assert given.family == family  # still ours
        os.fstat(given.fileno())


def test_a_passed_socket_becomes_private_and_nonblocking() -> None:
    with socket.socket() as given:
        given.bind(("127.0.0.1", 0))
        given.listen()
        os.set_inheritable(given.fileno(), True)
        fd = os.dup(given.fileno())
        os.set_inheritable(fd, True)
        sockets, problems = inherited({"LISTEN_FDS": "1", "LISTEN_FDNAMES": "http"}, [HTTP], first_fd=fd)
        assert problems == []
        with sockets["http"] as adopted:
            assert adopted.fileno() == fd
            assert not os.get_inheritable(fd)
            assert adopted.gettimeout() == 0
