"""The hosts that a program may reach, and the addresses of requests."""

import re
from collections.abc import Iterable

NAME_OR_ADDRESS = re.compile(r"(?:\[(?P<ipv6>[0-9a-f:.]+)\]|(?P<name>[a-z0-9._-]+))(?::(?P<port>[0-9]{1,5}))?")
WEB_PORTS = frozenset({80, 443})
ANY = "*"


def host_and_port(text: str) -> tuple[str, int | None]:
    """Return the host in lower case, without brackets or a trailing dot, and the port if there is one.

    Raises:
        ValueError: `text` is neither `host` nor `host:port`.
    """
    found = NAME_OR_ADDRESS.fullmatch(text.lower())
    port = int(found["port"]) if found and found["port"] else None
    host = (found["ipv6"] or found["name"]).removesuffix(".") if found else ""
    if not host or (port is not None and not 0 < port < 2**16):
        raise ValueError(f"{text[:300]!r} is neither `host` nor `host:port`.")
    return host, port


class AllowedHosts:
    """The hosts that a program may reach: each `host`, `host:port`, `*.domain`, `*.domain:port` or `*`.

    `*.domain` stands for all names below the domain. Entries without a port allow the ports 80 and 443.

    Raises:
        ValueError: an entry has another form.
    """

    def __init__(self, entries: Iterable[str]) -> None:
        self._allowed = {(host, port) for entry in entries for host, port in _entry(entry)}

    def permit(self, host: str, port: int) -> bool:
        """Return whether the program may reach a host, which is in the form that `host_and_port` returns."""
        labels = host.split(".")
        above = [".".join([ANY, *labels[count:]]) for count in range(1, len(labels))]
        return any((pattern, port) in self._allowed for pattern in (host, ANY, *above))


def _entry(text: str) -> list[tuple[str, int]]:
    is_below, is_any = text.startswith("*."), text == ANY
    host, port = (ANY, None) if is_any else host_and_port(text.removeprefix("*."))
    return [(f"*.{host}" if is_below else host, each) for each in ({port} if port else WEB_PORTS)]
