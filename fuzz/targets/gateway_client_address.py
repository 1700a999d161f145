"""Target: whose address a call is counted against, from `X-Forwarded-For` and gRPC's names of peers."""

from ipaddress import ip_address, ip_network

from gateway.client_address import TrustedProxies, grpc_peer_address, parse_address

NETWORKS = (ip_network("10.0.0.0/8"), ip_network("2001:db8::/32"))
PROXIES = TrustedProxies(NETWORKS)


def check(data: bytes) -> bool:
    """What a client writes can only choose among addresses that are there; without a trusted peer it chooses nothing."""
    header = data.decode("latin-1")
    assert PROXIES.client("192.0.2.1", [header]) == "192.0.2.1"
    bucket = PROXIES.client("10.0.0.1", [header])
    ip_network(bucket)
    hops = [parse_address(hop) for hop in header.split(",")]
    assert bucket == "10.0.0.1" or any(hop is not None for hop in hops)
    again = parse_address(grpc_peer_address(header))
    assert again is None or ip_address(str(again)) == again
    return hops[-1] is not None
