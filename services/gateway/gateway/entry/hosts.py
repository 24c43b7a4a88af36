"""Allowed values of the header `Host`: they stop pages that rebind their own name to this address (DNS rebinding)."""

import ipaddress
import re

_HOST = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^:\[\]]+)(?::\d{1,5})?")
LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})


class Hosts:
    """The hosts that are served: local names, the address that the server listens on, and the configured names.

    A server that listens on all addresses of the machine accepts every IP address: only names can be rebound.
    """

    def __init__(self, listening: str, configured: list[str]) -> None:
        self._names = LOCAL | {_normalized(name) for name in [listening, *configured]}
        self._any_address = bool(address := _address(listening)) and address.is_unspecified
        self._any_name = "*" in configured

    def allow(self, headers: list[str]) -> bool:
        """Return whether a request with these `Host` headers is served; there must be exactly one."""
        if self._any_name:
            return True
        found = _HOST.fullmatch(headers[0]) if len(headers) == 1 else None
        if not found:
            return False
        name = _normalized(found[1])
        return name in self._names or (self._any_address and _address(name) is not None)


def _normalized(name: str) -> str:
    return name.strip("[]").rstrip(".").lower()


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None
