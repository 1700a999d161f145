import socket

import pytest

from seatrial.errors import ServiceError
from seatrial.processes.listener import Address, Listener, Reservation, expand


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:80", Address("127.0.0.1", 80)),
        ("localhost:65535", Address("localhost", 65535)),
        ("[::1]:8080", Address("::1", 8080)),
    ],
)
def test_an_address_reads_as_it_writes(text: str, address: Address) -> None:
    assert Address.parse(text) == address
    assert str(address) == text


@pytest.mark.parametrize(
    "text", ["", "80", ":80", "h:", "h:0", "h:65536", "h:-1", "h:+1", "h:8 0", "::1:80", "h:¹", "h:1\n"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not host:port"):
        Address.parse(text)


@pytest.mark.parametrize("name", ["", "HTTP", "http:admin", "9p", "a-b"])
def test_a_name_must_travel_in_a_list_and_a_variable(name: str) -> None:
    with pytest.raises(ServiceError, match="a name is lower case"):
        Listener(name=name, kind="passed")


def test_a_reported_listener_must_be_told_to_the_child() -> None:
    with pytest.raises(ServiceError, match="needs `variable`"):
        Listener(name="grpc", kind="reported")


def test_a_reserved_port_is_given_to_nobody_else_and_refuses_connections() -> None:
    reservation = Reservation("127.0.0.1")
    try:
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", reservation.address.port))
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", reservation.address.port))
        # The server that it is for says which port it wants, and that it may share.
        with socket.socket() as server:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            server.bind(("127.0.0.1", reservation.address.port))
            server.listen()
            with socket.create_connection(("127.0.0.1", reservation.address.port)):
                pass
    finally:
        reservation.close()


def test_no_port_is_reserved_twice() -> None:
    reservations = [Reservation("127.0.0.1") for _ in range(300)]
    try:
        assert len({each.address for each in reservations}) == 300
    finally:
        for each in reservations:
            each.close()


def test_a_host_that_is_not_here_is_named() -> None:
    with pytest.raises(ServiceError, match=r"cannot bind 192\.0\.2\.1:0: "):
        Reservation("192.0.2.1")


def test_templates_are_filled_and_other_braces_stay() -> None:
    addresses = {"redis": Address("127.0.0.1", 6379), "v6": Address("::1", 80)}
    assert expand("{redis.host}|{redis.port}|{redis.address}|{v6.address}", addresses) == (
        "127.0.0.1|6379|127.0.0.1:6379|[::1]:80"
    )
    assert expand('{"a": {}, "b": "{x}"}', addresses) == '{"a": {}, "b": "{x}"}'


def test_a_template_of_an_unknown_listener_is_an_error() -> None:
    with pytest.raises(
        ServiceError, match=r"no passed or reserved listener is called 'grpc' \(there are: redis\)"
    ):
        expand("{grpc.port}", {"redis": Address("127.0.0.1", 1)})
