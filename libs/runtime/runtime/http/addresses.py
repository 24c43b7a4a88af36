"""The addresses that a URL of a user may lead to: public ones, and those that the operator allows.

Without such rules a user could reach the cluster, the host and the cloud provider's metadata through the system
(server-side request forgery). A host name is resolved once, where a connection is opened, and the connection goes to
the address that was checked. A name that resolves to another address later (DNS rebinding) gains nothing.
"""

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Self

type Address = IPv4Address | IPv6Address
type Network = IPv4Network | IPv6Network
type Resolver = Callable[[str, int], Awaitable[list[Address]]]

SPECIAL_IPV4 = [
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # shared by a carrier's customers (CGNAT); Alibaba Cloud's metadata
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # Azure's platform services, a public address
        "169.254.0.0/16",  # link-local; the metadata of most clouds
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments; Oracle Cloud's metadata
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # relays of 6to4
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
]
GLOBAL_IPV6 = IPv6Network("2000::/3")
"""All unicast addresses that are routed. What is outside is loopback, local, multicast, mapped or not assigned."""
SPECIAL_IPV6 = [
    IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments: Teredo, benchmarks, ORCHID
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4, which embeds an IPv4 address
        "3fff::/20",  # documentation
    )
]
NAT64 = IPv6Network("64:ff9b::/96")
"""Addresses of IPv4 hosts in networks that have IPv6 only; DNS answers with them there."""

HOST_NAME = re.compile(
    r"(?=.{1,253}$)(?!.*\.\d+$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?)*"
)
NUMBER = re.compile(r"\d+|0[xX][0-9a-fA-F]*")

MAX_ADDRESSES = 16
RESOLVER_THREADS = 16
RESOLVE_SECONDS = 10.0


class AddressNotAllowed(Exception):
    """The host has an address that is not public, and the operator has not allowed it."""


class HostNotFound(Exception):
    """The host name does not exist, or no name server answered in time."""


_threads = ThreadPoolExecutor(RESOLVER_THREADS, thread_name_prefix="resolver")
"""Threads of their own: names with hanging name servers must not delay other blocking work of the process."""


async def resolve(host: str, port: int) -> list[Address]:
    """Return the addresses of a host. Raise HostNotFound if there are none, or none within RESOLVE_SECONDS."""
    look_up = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    try:
        async with asyncio.timeout(RESOLVE_SECONDS):
            found = await asyncio.get_running_loop().run_in_executor(_threads, look_up)
    except (OSError, UnicodeError, TimeoutError) as error:
        raise HostNotFound(f"The host {host} was not found.") from error
    return list(dict.fromkeys(ip_address(entry[4][0]) for entry in found))[:MAX_ADDRESSES]


@dataclass(frozen=True)
class AddressRules:
    """The rules for connections to hosts that users name.

    `networks` and `hosts` are allowed in addition to public addresses. A host is a name in lower case; `*.example.org`
    stands for all names below it. `setting` is the variable with which the operator allows them.
    """

    networks: tuple[Network, ...] = ()
    hosts: frozenset[str] = frozenset()
    resolver: Resolver = field(default=resolve, repr=False, compare=False)
    setting: str = "MCP_ALLOWED_ADDRESSES"

    @classmethod
    def parse(cls, text: str, setting: str = setting) -> Self:
        """Return the rules of a setting: networks, addresses and host names, separated by commas.

        Raise ValueError if an entry is none of these.
        """
        networks, hosts = list[Network](), set[str]()
        for entry in filter(None, (part.strip().lower() for part in text.split(","))):
            try:
                networks.append(ip_network(entry))
            except ValueError as error:
                if not HOST_NAME.fullmatch(entry.removeprefix("*.")):
                    reason = f"{entry!r} is neither a network in CIDR notation nor a host name"
                    raise ValueError(reason) from error
                hosts.add(entry)
        return cls(tuple(networks), frozenset(hosts), setting=setting)

    def permit(self, address: Address) -> bool:
        """Return whether connections to an address are allowed."""
        inner = embedded(address)
        return is_public(inner) or any(form in network for form in (address, inner) for network in self.networks)

    def permit_host(self, host: str) -> bool:
        """Return whether the operator has allowed a host by name, whatever it resolves to."""
        labels = host.lower().removesuffix(".").split(".")
        above = (".".join(["*", *labels[count:]]) for count in range(1, len(labels)))
        return ".".join(labels) in self.hosts or not self.hosts.isdisjoint(above)

    async def addresses(self, host: str, port: int) -> list[Address]:
        """Return the addresses of a host, to which connections are allowed.

        Raise AddressNotAllowed if one of them is not: a name with public and private addresses is a mistake or an
        attack. Raise HostNotFound if there are none.
        """
        name = host.strip("[]")
        self.check_host(name)
        found = await self.resolver(name, port)
        if not found:
            raise HostNotFound(f"The host {host} was not found.")
        if not self.permit_host(name) and not all(self.permit(address) for address in found):
            raise self._not_allowed(host, "has")
        return found

    def check_host(self, host: str) -> None:
        """Check what can be said of a host without resolving it: whether it is an address that is not permitted.

        Raise AddressNotAllowed if it is.
        """
        name = host.strip("[]")
        if is_ambiguous(name):
            raise AddressNotAllowed(f"The host {host} is not a name, and not an address in the usual notation.")
        address = _address(name)
        if address and not self.permit_host(name) and not self.permit(address):
            raise self._not_allowed(host, "is")

    def _not_allowed(self, host: str, verb: str) -> AddressNotAllowed:
        reason = f"{host} {verb} a private or otherwise special address."
        return AddressNotAllowed(f"{reason} The operator can allow it with `{self.setting}`.")


def _address(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def is_public(address: Address) -> bool:
    """Return whether an address belongs to a host on the Internet."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in SPECIAL_IPV4)
    return address in GLOBAL_IPV6 and not any(address in network for network in SPECIAL_IPV6)


def embedded(address: Address) -> Address:
    """Return the IPv4 address that packets to an IPv6 address reach, or the address itself."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in NAT64:
            return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def is_ambiguous(host: str) -> bool:
    """Return whether a host ends in a number without being an IPv4 address in dotted decimal notation.

    Resolvers read `0177.1`, `0x7f000001` and `2130706433` as 127.0.0.1; other programs read them differently.
    """
    last = host.removesuffix(".").rpartition(".")[2]
    if ":" in host or not NUMBER.fullmatch(last):
        return False
    try:
        IPv4Address(host)
    except ValueError:
        return True
    return False
