"""The egress proxy: which hosts a program may reach, and its bounds."""

import asyncio
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_address, ip_network

import pytest
from onebox.ports import ReservedPort
from runtime.http.addresses import Address, AddressRules
from runtime.testing import eventually
from sandbox import egress
from sandbox.egress import AllowedHosts, EgressProxy, relaying

type Open = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]

LOOPBACK = ip_network("127.0.0.1/32")


class Host:
    """A host that answers each connection with the head that it received, and notes these heads."""

    def __init__(self) -> None:
        self.port, self.heads = 0, list[str]()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nhello")
        writer.close()


@pytest.fixture
async def host() -> AsyncGenerator[Host]:
    host = Host()
    async with await asyncio.start_server(host.answer, "127.0.0.1", 0) as server:
        host.port = server.sockets[0].getsockname()[1]
        yield host


@asynccontextmanager
async def proxy(*hosts: str, rules: AddressRules | None = None) -> AsyncGenerator[Open]:
    """Serve a program that may reach `hosts`; names resolve to 127.0.0.1, which is permitted."""

    async def resolve(_host: str, _port: int) -> list[Address]:
        return [ip_address("127.0.0.1")]

    rules = rules or AddressRules(networks=(LOOPBACK,), resolver=resolve)
    listener = socket.create_server(("127.0.0.1", 0))
    address = listener.getsockname()
    async with EgressProxy(rules).serve(listener, AllowedHosts(hosts)):
        yield lambda: asyncio.open_connection(*address)


async def request(connect: Open, head: str) -> str:
    """Send the head of a request, and return the response up to its end."""
    reader, writer = await connect()
    writer.write(head.encode())
    answer = await reader.read()
    writer.close()
    return answer.decode()


async def test_a_tunnel_to_an_allowed_host_is_opened(host: Host) -> None:
    async with proxy(f"mcp.test:{host.port}") as connect:
        reader, writer = await connect()
        writer.write(f"CONNECT mcp.test:{host.port} HTTP/1.1\r\n\r\n".encode())
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        assert (await reader.read()).endswith(b"hello")
        writer.close()


async def test_a_request_to_an_allowed_url_is_forwarded(host: Host) -> None:
    async with proxy(f"mcp.test:{host.port}") as connect:
        head = (
            f"GET http://mcp.test:{host.port}/a?b=c HTTP/1.1\r\nHost: other\r\nProxy-Authorization: x\r\nA: 1\r\n\r\n"
        )
        assert (await request(connect, head)).endswith("hello")
    assert host.heads == [f"GET /a?b=c HTTP/1.1\r\nHost: mcp.test:{host.port}\r\nConnection: close\r\nA: 1\r\n\r\n"]


@pytest.mark.parametrize("target", ["CONNECT other.test:443", "CONNECT mcp.test:22", "GET http://mcp.test:81/"])
async def test_a_request_to_another_host_or_port_is_denied(target: str) -> None:
    async with proxy("mcp.test") as connect:
        answer = await request(connect, f"{target} HTTP/1.1\r\n\r\n")
    assert answer.startswith("HTTP/1.1 403 ")
    assert "is not one of the hosts that this program may reach" in answer


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "169.254.169.254", "[::ffff:10.0.0.1]", "0x7f000001", "10.1"])
async def test_an_address_that_is_not_public_is_denied_to_every_program(host: str) -> None:
    async with proxy("*", rules=AddressRules()) as connect:
        assert (await request(connect, f"CONNECT {host}:443 HTTP/1.1\r\n\r\n")).startswith("HTTP/1.1 403 ")


async def test_a_name_that_resolves_to_another_address_later_is_denied(host: Host) -> None:
    answers = iter(["127.0.0.1", "127.0.0.2"])

    async def rebind(_host: str, _port: int) -> list[Address]:
        return [ip_address(next(answers))]

    async with proxy(f"mcp.test:{host.port}", rules=AddressRules(networks=(LOOPBACK,), resolver=rebind)) as connect:
        head = f"GET http://mcp.test:{host.port}/ HTTP/1.1\r\n\r\n"
        assert [(await request(connect, head)).split()[1] for _ in range(2)] == ["200", "403"]


async def test_a_host_that_cannot_be_reached_is_reported() -> None:
    with ReservedPort() as unused:
        async with proxy(f"mcp.test:{unused.number}") as connect:
            answer = await request(connect, f"CONNECT mcp.test:{unused.number} HTTP/1.1\r\n\r\n")
    assert answer.startswith("HTTP/1.1 502 ")


@pytest.mark.parametrize(
    "head",
    [
        "nonsense",
        "GET / HTTP/1.1",
        "GET https://mcp.test/ HTTP/1.1",
        "GET http://user@mcp.test/ HTTP/1.1",
        "GET http://mcp.test/ HTTP/1.1\r\n folded: x",
        "CONNECT mcp.test:0 HTTP/1.1",
        "CONNECT mcp.test:65536 HTTP/1.1",
        "CONNECT mcp .test:443 HTTP/1.1",
        "CONNECT :443 HTTP/1.1",
    ],
)
async def test_an_invalid_request_is_refused(head: str) -> None:
    async with proxy("*") as connect:
        assert (await request(connect, f"{head}\r\n\r\n")).startswith("HTTP/1.1 400 ")


async def test_a_long_head_is_refused() -> None:
    async with proxy("*") as connect:
        assert "431" in await request(connect, "CONNECT a:443 HTTP/1.1\r\nA: " + "x" * 2 * egress.MAX_HEAD_BYTES)


async def test_a_slow_head_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(egress, "HEAD_SECONDS", 0.01)
    async with proxy("*") as connect:
        assert "408" in await request(connect, "CONNECT ")


async def test_the_connections_of_a_program_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(egress, "MAX_CONNECTIONS_OF_PROGRAM", 2)
    async with proxy("*") as connect:
        waiting = [await connect() for _ in range(2)]
        assert (await request(connect, "")).startswith("HTTP/1.1 503 ")
        for _, writer in waiting:
            writer.close()


async def test_an_idle_tunnel_is_closed(monkeypatch: pytest.MonkeyPatch, host: Host) -> None:
    monkeypatch.setattr(relaying, "IDLE_SECONDS", 0.01)
    async with proxy(f"mcp.test:{host.port}") as connect:
        reader, writer = await connect()
        writer.write(f"CONNECT mcp.test:{host.port} HTTP/1.1\r\n\r\n".encode())
        assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
        writer.close()


async def test_all_connections_are_closed_at_the_end(host: Host) -> None:
    async with proxy(f"mcp.test:{host.port}") as connect:
        reader, writer = await connect()
        writer.write(f"CONNECT mcp.test:{host.port} HTTP/1.1\r\n\r\n".encode())
        await reader.readuntil(b"\r\n\r\n")
    await eventually(reader.at_eof)
    writer.close()


@pytest.mark.parametrize(
    ("entry", "host", "port", "allowed"),
    [
        ("example.org", "example.org", 443, True),
        ("example.org", "example.org", 80, True),
        ("example.org", "example.org", 22, False),
        ("Example.org.", "example.org", 443, True),
        ("example.org:8443", "example.org", 8443, True),
        ("example.org:8443", "example.org", 443, False),
        ("example.org", "www.example.org", 443, False),
        ("*.example.org", "a.b.example.org", 443, True),
        ("*.example.org", "example.org", 443, False),
        ("*.example.org", "badexample.org", 443, False),
        ("*.example.org:81", "a.example.org", 81, True),
        ("*", "example.org", 443, True),
        ("*", "example.org", 25, False),
        ("[2001:db8::1]:81", "2001:db8::1", 81, True),
    ],
)
def test_an_entry_allows_hosts_and_ports(entry: str, host: str, port: int, *, allowed: bool) -> None:
    assert AllowedHosts([entry]).permit(host, port) == allowed


@pytest.mark.parametrize("entry", ["", "http://example.org", "a b", "example.org:0", "example.org:99999", "a.*.b"])
def test_an_entry_of_another_form_is_refused(entry: str) -> None:
    with pytest.raises(ValueError, match="is neither"):
        AllowedHosts([entry])
