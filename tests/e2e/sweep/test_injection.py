"""Text of clients stays text: in headers of responses, and in logs, whose lines are one JSON object each."""

import json
import socket
from collections.abc import Generator, Iterator
from itertools import dropwhile
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from contracts.catalogue import SERVICES
from onebox.testing.system import System
from simulator.testing import scripted

from tests.e2e.sweep.resources import administrator
from tests.e2e.user import PATIENCE, User

FORGED = json.dumps({"event": "forged", "level": "info"})
TEXTS = (f"\n{FORGED}\n", f"\r\n{FORGED}\r\n", f"\u2028{FORGED}\u2028", f"\x85{FORGED}\x85", f"\x1b[2K{FORGED}")
PROCESSES = ("gateway", *SERVICES)
BREAKS = (b"a\rset-cookie: a=b", b"a\nset-cookie: a=b", b"a\r\n set-cookie: a=b", b"a\0b", b"\xff")
HEADERS = (
    *("x-request-id", "user-agent", "traceparent", "tracestate", "baggage", "accept", "prefer", "idempotency-key"),
    *("if-match", "if-none-match", "if-range", "range", "last-event-id", "authorization", "x-api-key", "origin"),
    *("x-forwarded-for", "x-forwarded-proto", "content-type", "referer", "mcp-session-id", "sec-websocket-protocol"),
)


@pytest.fixture
def admin(swept_system: System) -> Generator[User]:
    admin = administrator(swept_system)
    with admin.http:
        admin.log_in()
        yield admin


def exchange(system: System, request: bytes) -> bytes:
    """Send bytes to the gateway, and return all that it answers until it closes the connection."""
    address = urlsplit(system.base_url)
    with socket.create_connection((address.hostname, address.port), timeout=PATIENCE) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        received = bytearray()
        while part := connection.recv(65536):
            received += part
    return bytes(received)


def request(*headers: bytes, path: bytes = b"/api/v1/auth/me") -> bytes:
    lines = (b"GET " + path + b" HTTP/1.1", b"host: localhost", b"connection: close", *headers)
    return b"".join(line + b"\r\n" for line in lines) + b"\r\n"


def heads(system: System) -> Iterator[tuple[str, bytes, bytes]]:
    """Send each hostile value in each header; yield the header, the value, and the head of the answer."""
    for name in HEADERS:
        for value in BREAKS:
            yield name, value, exchange(system, request(name.encode() + b": " + value)).partition(b"\r\n\r\n")[0]


def is_broken(head: bytes) -> bool:
    """Return whether a head has a header of the client, or a line that ends in another way."""
    return b"set-cookie" in head.lower() or any(b"\n" in line or b"\r" in line for line in head.split(b"\r\n"))


def test_no_header_of_a_request_adds_one_to_the_response(swept_system: System) -> None:
    received = [*heads(swept_system)]
    assert len(received) == len(HEADERS) * len(BREAKS)
    refused = (b"400", b"401")
    assert [each for each in received if each[2].split()[1] not in refused or is_broken(each[2])] == []


PATHS = (b"/a%0d%0aset-cookie:%20a=b", b"/api/v1/sessions?q=%0d%0aset-cookie:%20a=b")


def test_no_path_adds_a_header_to_the_response(swept_system: System) -> None:
    heads = [exchange(swept_system, request(path=path)).partition(b"\r\n\r\n")[0] for path in PATHS]
    assert [head for head in heads if not head or is_broken(head)] == []


FRAMINGS = (
    (b"content-length: 5", b"transfer-encoding: chunked"),
    (b"content-length: 5", b"content-length: 6"),
    (b"content-length: +5",),
    (b"transfer-encoding: chunked, identity",),
    (b"transfer-encoding : chunked",),
)


def test_an_ambiguous_length_starts_no_second_request(swept_system: System) -> None:
    smuggled = b"0\r\n\r\n" + request(path=b"/health/live")
    answers = {framing: exchange(swept_system, request(*framing) + smuggled) for framing in FRAMINGS}
    served = [each for each in answers.items() if b'"alive"' in each[1] or each[1].count(b"HTTP/1.1 ") > 1]
    assert served == []


def plant(user: User, text: str) -> None:
    """Use a text wherever the API takes one."""
    session_id = user.create()
    user.http.patch(f"/sessions/{session_id}", json={"name": text, "metadata": {"a": text}}).raise_for_status()
    user.http.put(f"/sessions/{session_id}/workspace/{quote(text)}", content=text.encode())
    user.http.post("/tasks", json={"name": text, "prompt_template": text}).raise_for_status()
    user.http.post("/session-templates", json={"name": text, "category": "A"}).raise_for_status()
    user.http.post("/auth/api-keys", json={"name": text, "scopes": ["read"]}).raise_for_status()
    user.http.post("/reports", json={"session_id": session_id, "format": "json", "title": text}).raise_for_status()
    for server in ({"url": f"https://mcp.invalid/{text}"}, {"url": "https://mcp.invalid/", "description": text}):
        user.http.post("/mcp-servers", json={"name": text, "server_type": "HTTP", **server})
    user.http.post("/auth/login", json={"email": text, "password": text})
    user.http.get(f"/{quote(text)}", params={text: text}, headers={"x-request-id": quote(text)})


def lines(system: System) -> Iterator[str]:
    """Yield the lines of all logs, without those that libraries write on import, before a service sets up its log."""
    for service in PROCESSES:
        *written, _ = (system.data_dir / "logs" / f"{service}.log").read_bytes().split(b"\n")  # the last may be growing
        for line in dropwhile(lambda line: not line.startswith(b"{"), written):
            if line:
                yield line.decode()


def test_no_header_of_a_client_is_a_line_of_a_log(swept_system: System) -> None:
    for text in (
        FORGED.encode(),
        b"a\x85" + FORGED.encode(),
        b"\x1b[2K" + FORGED.encode(),
        b"\xe2\x80\xa8" + b"x" * 9000,
    ):
        for path in (b"/api/v1/auth/me", b"/api/v1/sessions/x/stream", b"/mcp", b"/api/v1/events"):
            for name in HEADERS:
                exchange(swept_system, request(name.encode() + b": " + text, path=path))
    written = [line for line in lines(swept_system) if "forged" in line]
    assert [line for line in written if json.loads(line)["event"] == "forged"] == []
    assert not [line for line in lines(swept_system) if any(char in line for char in "\x1b\x85\u2028\r")]


def test_no_text_of_a_client_is_a_line_of_a_log(swept_system: System, admin: User) -> None:
    for text in TEXTS:
        plant(admin, text)
    admin.ask(admin.create(), scripted({"text": "".join(TEXTS)})).raise_for_status()
    read: list[dict[str, Any]] = [json.loads(line) for line in lines(swept_system)]
    assert [line for line in read if line["event"] == "forged"] == []
    assert not [line for line in lines(swept_system) if any(char in line for char in "\x1b\x85\u2028\r")]
    assert {line["service"] for line in read} == {*PROCESSES}
