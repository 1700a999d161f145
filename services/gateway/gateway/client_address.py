"""Whose address a call is counted against."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import unquote

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

IPV6_BUCKET_PREFIX = 64
"""One subscriber commonly holds a whole /64 (RFC 6177), so that single IPv6 addresses limit nobody."""


class TrustedProxies:
    """The networks whose `X-Forwarded-For` is believed; none by default."""

    def __init__(self, networks: Sequence[Network] = ()) -> None:
        self.networks = tuple(networks)

    def client(self, peer: str | None, forwarded_for: Sequence[str] = ()) -> str:
        """The bucket of a call from the socket address `peer` with these `X-Forwarded-For` values, in order.

        An untrusted peer is the client itself. Behind a trusted one it is the rightmost address that is not a
        trusted proxy's: everything left of it was written by the client. What cannot be read ends the search at
        the last hop that was believed.
        """
        client = parse_address(peer)
        if client is None:
            return "unknown"
        for hop in reversed([hop for value in forwarded_for for hop in value.split(",")]):
            if not self._trusts(client):
                break
            address = parse_address(hop)
            if address is None:
                break
            client = address
        return bucket(client)

    def _trusts(self, address: Address) -> bool:
        return any(address in network for network in self.networks if network.version == address.version)


def parse_address(text: str | None) -> Address | None:
    """The address in `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1` or `[2001:db8::1]:80`; None where there is none.

    An IPv4 address mapped into IPv6 is the IPv4 address; a zone is dropped.
    """
    if text is None:
        return None
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def grpc_peer_address(peer: str) -> str:
    """The address of a gRPC peer name such as `ipv4:192.0.2.1:5` or `ipv6:%5B2001:db8::1%5D:5`."""
    return unquote(peer.partition(":")[2])


def bucket(address: Address) -> str:
    """What limits are counted by: the IPv4 address, or the IPv6 address' /64."""
    if isinstance(address, IPv4Address):
        return str(address)
    return str(ip_network((address, IPV6_BUCKET_PREFIX), strict=False))
