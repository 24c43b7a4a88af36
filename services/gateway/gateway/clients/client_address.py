"""The network address of a client: the exact one, and the one that it counts as where requests are limited by it."""

from ipaddress import IPv6Address, ip_address, ip_network

from runtime.bus.envelope import plain_address
from starlette.requests import HTTPConnection

IPV6_PREFIX = 64
"""A single client usually has all addresses of such a network."""


def client_address(connection: HTTPConnection) -> str | None:
    """Return the address of the client, or the network of an IPv6 client; None if the connection has none."""
    if connection.client is None:
        return None
    try:
        address = ip_address(connection.client.host)
    except ValueError:  # not a network connection, as in tests
        return connection.client.host
    if not isinstance(address, IPv6Address):
        return str(address)
    if address.ipv4_mapped:  # otherwise all clients of an IPv4 network would be one
        return str(address.ipv4_mapped)
    return str(ip_network((address, IPV6_PREFIX), strict=False))


def exact_address(connection: HTTPConnection) -> str | None:
    """Return the IP address of the client; None if the connection has none."""
    try:
        return plain_address(connection.client.host) if connection.client else None
    except ValueError:
        return None
