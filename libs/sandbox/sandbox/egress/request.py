"""The head of a request to a proxy: `CONNECT host:port`, or `GET http://host/path` and other methods."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from sandbox.egress.allowed_hosts import host_and_port

REQUEST_LINE = re.compile(r"(?P<method>[A-Z]{1,20}) (?P<target>[!-~]+) HTTP/1\.[01]")
HEADER = re.compile(r"(?P<name>[!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(?P<value>[^\r\n\0]*)")
DROPPED_HEADERS = {"connection", "host", "keep-alive", "proxy-authorization", "proxy-connection"}


class InvalidRequest(Exception):
    """The head of a request is not valid HTTP, or asks for something that a proxy does not do."""


@dataclass(frozen=True)
class ProxyRequest:
    """A request to a proxy. `head` is sent to the host first; it is empty for a tunnel."""

    host: str
    port: int
    head: bytes

    @property
    def is_tunnel(self) -> bool:
        """Whether the client asks for a tunnel (CONNECT), which it is told when the connection is open."""
        return not self.head


def parse(head: bytes) -> ProxyRequest:
    """Return the request with this head, which ends with an empty line.

    Raises:
        InvalidRequest: the head is not valid, or the URL is not one of the scheme http.
    """
    request_line, *headers = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    found = REQUEST_LINE.fullmatch(request_line)
    if found is None:
        raise InvalidRequest("The request line is invalid.")
    method, target = found["method"], found["target"]
    try:
        if method == "CONNECT":
            host, port = host_and_port(target)
            return ProxyRequest(host, port or 443, b"")
        return _request_to_url(method, target, headers)
    except ValueError as error:
        raise InvalidRequest(str(error)) from error


def _request_to_url(method: str, target: str, headers: list[str]) -> ProxyRequest:
    url = urlsplit(target)
    if url.scheme != "http" or "@" in url.netloc:
        raise InvalidRequest("The proxy accepts CONNECT, and URLs that begin with http:// and contain no user.")
    host, port = host_and_port(url.netloc)
    path = (url.path or "/") + (f"?{url.query}" if url.query else "")
    # One request per connection: the host of a second one would not be checked.
    lines = [f"{method} {path} HTTP/1.1", f"Host: {url.netloc}", "Connection: close", *_forwarded(headers)]
    return ProxyRequest(host, port or 80, "\r\n".join([*lines, "", ""]).encode("latin-1"))


def _forwarded(headers: list[str]) -> list[str]:
    found = [HEADER.fullmatch(line) for line in headers]
    if None in found:
        raise InvalidRequest("A header is invalid.")
    return [match[0] for match in found if match and match["name"].lower() not in DROPPED_HEADERS]
