"""The client behind reverse proxies: proxies name it in headers, which are believed if a trusted proxy sent them."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from runtime.logging import get_logger
from starlette.datastructures import Headers
from starlette.types import Scope

type Network = IPv4Network | IPv6Network
type Address = IPv4Address | IPv6Address

log = get_logger()

SECURE = {"http": "https", "ws": "wss"}


class Proxies:
    """The networks of the trusted proxies."""

    def __init__(self, networks: Sequence[Network]) -> None:
        self.networks = networks
        self._has_warned = False

    def resolve(self, scope: Scope) -> bool:
        """Replace the peer of a connection by the client, and the scheme by its own, if the peer is a trusted proxy.

        Returns whether it is one.

        Each proxy appends the address of its peer to X-Forwarded-For. So the list is read from the right, up to the
        first address that is not a trusted proxy: what stands before it was sent by the client, who may have made it
        up.
        """
        headers = Headers(scope=scope)
        if not (self.networks and scope["client"] and self._trust(_parsed(scope["client"][0]))):
            self._warn_once(headers, scope["client"])
            return False
        for text in reversed(",".join(headers.getlist("x-forwarded-for")).split(",")):
            address = _parsed(text)
            if address is None:
                break
            scope["client"] = (str(address), 0)
            if not self._trust(address):
                break
        if headers.get("x-forwarded-proto", "").strip().lower() == "https":
            scope["scheme"] = SECURE.get(scope["scheme"], scope["scheme"])
        return True

    def _warn_once(self, headers: Headers, peer: tuple[str, int] | None) -> None:
        """Warn the operator that a proxy may not be trusted, so that all of its clients have one address."""
        if "x-forwarded-for" in headers and not self._has_warned:
            self._has_warned = True
            text = "ignored X-Forwarded-For of a peer that is not trusted: list it in TRUSTED_PROXIES if it is a proxy"
            log.warning(text, peer=peer and peer[0])

    def _trust(self, address: Address | None) -> bool:
        return address is not None and any(address in network for network in self.networks)


def _parsed(text: str) -> Address | None:
    """Return an address, which may have a port; None if it is not one."""
    host = text.strip()
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        address = ip_address(host)
    except ValueError:
        return None
    return (isinstance(address, IPv6Address) and address.ipv4_mapped) or address
