from ipaddress import ip_network

import pytest

from gateway.client_address import TrustedProxies, grpc_peer_address, parse_address

PROXIES = TrustedProxies([ip_network("10.0.0.0/8"), ip_network("2001:db8:ffff::/48")])


def test_forwarded_for_is_ignored_from_an_untrusted_peer() -> None:
    assert PROXIES.client("192.0.2.1", ["198.51.100.7"]) == "192.0.2.1"
    assert TrustedProxies().client("127.0.0.1", ["198.51.100.7"]) == "127.0.0.1"


@pytest.mark.parametrize(
    ("forwarded_for", "client"),
    [
        ([], "10.0.0.1"),
        (["198.51.100.7"], "198.51.100.7"),
        (["198.51.100.7:4711"], "198.51.100.7"),
        (["203.0.113.9, 198.51.100.7"], "198.51.100.7"),
        (["203.0.113.9, 198.51.100.7, 10.1.1.1"], "198.51.100.7"),
        (["203.0.113.9", "198.51.100.7"], "198.51.100.7"),
        (["10.2.2.2, 10.1.1.1"], "10.2.2.2"),
        (["203.0.113.9, nonsense, 10.1.1.1"], "10.1.1.1"),
        (["nonsense"], "10.0.0.1"),
        ([""], "10.0.0.1"),
        (["[2001:db8:1:2:3::4]:443"], "2001:db8:1:2::/64"),
    ],
)
def test_behind_trusted_proxies_the_rightmost_untrusted_address_counts(
    forwarded_for: list[str], client: str
) -> None:
    assert PROXIES.client("10.0.0.1", forwarded_for) == client


def test_ipv6_is_counted_by_its_64() -> None:
    first, second, other = (
        PROXIES.client(peer) for peer in ("2001:db8:1:2::1", "2001:db8:1:2:ffff::2", "2001:db8:1:3::1")
    )
    assert first == second == "2001:db8:1:2::/64"
    assert other != first


def test_ipv4_mapped_into_ipv6_is_ipv4() -> None:
    assert PROXIES.client("::ffff:192.0.2.1") == "192.0.2.1"
    assert PROXIES.client("::ffff:10.0.0.1", ["198.51.100.7"]) == "198.51.100.7"


@pytest.mark.parametrize("peer", [None, "", "unix", "testclient"])
def test_a_peer_without_address_has_a_bucket_of_its_own(peer: str | None) -> None:
    assert PROXIES.client(peer, ["198.51.100.7"]) == "unknown"


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("ipv4:192.0.2.1:55", "192.0.2.1"),
        ("ipv6:%5B2001:db8::1%5D:55", "2001:db8::1"),
        ("ipv6:[fe80::1%25eth0]:55", "fe80::1"),
    ],
)
def test_grpc_names_of_peers(peer: str, address: str) -> None:
    assert str(parse_address(grpc_peer_address(peer))) == address


def test_a_unix_peer_has_no_address() -> None:
    assert parse_address(grpc_peer_address("unix:/tmp/x")) is None
