"""By which names clients may call this server: a page that rebinds its own name to our address is not one of them."""

import ipaddress
import re

_HOST = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^:\[\]]+)(?::\d{1,5})?")
LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})


class Hosts:
    """The names in `Host` that are served: local ones, the address it listens on, and those that are listed.

    Where it listens on all addresses of the machine, each address is taken: only names can be rebound.
    """

    def __init__(self, listening: str, listed: list[str]) -> None:
        self._names = LOCAL | {_plain(name) for name in [listening, *listed]}
        self._any_address = bool(address := _address(listening)) and address.is_unspecified
        self._any_name = "*" in listed

    def allow(self, given: list[str]) -> bool:
        """Say whether a request with these `Host` headers is meant for us; there must be exactly one."""
        if self._any_name:
            return True
        found = _HOST.fullmatch(given[0]) if len(given) == 1 else None
        if not found:
            return False
        name = _plain(found[1])
        return name in self._names or (self._any_address and _address(name) is not None)


def _plain(name: str) -> str:
    return name.strip("[]").rstrip(".").lower()


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None
