"""Tests of the HTTP client for URLs that users name."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_address, ip_network

import httpx2
import pytest
from runtime.http.addresses import Address, AddressNotAllowed, AddressRules, HostNotFound
from runtime.http.guarded_client import ResponseNotAllowed, guarded_client

MAX_BYTES = 1000
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Server:
    """An HTTP server that answers every request alike, and notes the heads of the requests."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.heads: list[str] = []
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
                writer.write(self.answer)
                await writer.drain()
                if b"Connection: close" in self.answer:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def serving(answer: bytes) -> AsyncGenerator[Server]:
    server = Server(answer)
    async with await asyncio.start_server(server.serve, "127.0.0.1", 0) as listener:
        server.port = listener.sockets[0].getsockname()[1]
        yield server


def rules(answers: Callable[[], list[str]] = lambda: ["127.0.0.1"]) -> AddressRules:
    """Return rules that permit 127.0.0.1 only, and the addresses that each name has."""

    async def resolve(host: str, port: int) -> list[Address]:
        return [ip_address(address) for address in ([host] if host.startswith("127.") else answers())]

    return AddressRules(networks=(ip_network("127.0.0.1/32"),), resolver=resolve)


async def get(server: Server, path: str = "/", *, use: AddressRules | None = None, follow: bool = False) -> str:
    async with guarded_client(use or rules(), MAX_BYTES) as client:
        return (await client.get(f"http://mcp.test:{server.port}{path}", follow_redirects=follow)).text


async def test_the_host_header_keeps_the_name() -> None:
    async with serving(OK) as server:
        assert await get(server) == "ok"
    assert f"host: mcp.test:{server.port}" in server.heads[0].lower()


async def test_a_name_with_a_forbidden_address_gets_no_connection() -> None:
    async with serving(OK) as server:
        with pytest.raises(AddressNotAllowed):
            await get(server, use=rules(lambda: ["127.0.0.2"]))
    assert server.heads == []


async def test_a_name_that_is_rebound_is_checked_again_at_reconnection() -> None:
    answers = iter([["127.0.0.1"], ["127.0.0.2"]])
    async with (
        serving(OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")) as server,
        guarded_client(rules(lambda: next(answers)), MAX_BYTES) as client,
    ):
        await client.get(f"http://mcp.test:{server.port}")
        with pytest.raises(AddressNotAllowed):
            await client.get(f"http://mcp.test:{server.port}")
    assert len(server.heads) == 1


async def test_a_name_is_resolved_once_for_a_connection() -> None:
    answers = iter([["127.0.0.1"]])
    async with serving(OK) as server, guarded_client(rules(lambda: next(answers)), MAX_BYTES) as client:
        for _ in range(3):
            await client.get(f"http://mcp.test:{server.port}")
    assert len(server.heads) == 3


async def test_a_redirect_to_a_forbidden_address_is_refused() -> None:
    redirect = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.2:1/\r\nContent-Length: 0\r\n\r\n"
    async with serving(redirect) as server:
        with pytest.raises(AddressNotAllowed):
            await get(server, follow=True)


async def test_redirects_are_not_followed_unasked() -> None:
    redirect = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.2:1/\r\nContent-Length: 0\r\n\r\n"
    async with serving(redirect) as server:
        assert await get(server) == ""


async def test_endless_redirects_end() -> None:
    async with serving(b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n") as server:
        with pytest.raises(httpx2.TooManyRedirects):
            await get(server, follow=True)


@pytest.mark.parametrize("url", ["http://user:secret@127.0.0.1/", "http://user@127.0.0.1/", "ftp://127.0.0.1/"])
async def test_urls_with_credentials_or_other_schemes_are_refused(url: str) -> None:
    async with guarded_client(rules(), MAX_BYTES) as client:
        with pytest.raises((AddressNotAllowed, httpx2.UnsupportedProtocol)):
            await client.get(url)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n" + b"x" * 1001,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + (b"64\r\n" + b"x" * 100 + b"\r\n") * 11,
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b"x" * 1001,
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999999\r\n\r\n",
    ],
    ids=["declared", "chunked", "until the end", "absurd"],
)
async def test_responses_over_the_bound_are_refused(answer: bytes) -> None:
    async with serving(answer) as server:
        with pytest.raises((ResponseNotAllowed, httpx2.RemoteProtocolError)):
            await get(server)


async def test_compressed_responses_are_refused() -> None:
    async with serving(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nxx") as server:
        with pytest.raises(ResponseNotAllowed, match="compressed"):
            await get(server)
    assert "accept-encoding: identity" in server.heads[0].lower()


async def test_heads_over_the_bound_are_refused() -> None:
    async with serving(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000 + b"\r\n\r\n") as server:
        with pytest.raises(httpx2.RemoteProtocolError):
            await get(server)


async def test_cookies_are_not_kept() -> None:
    answer = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 2\r\n\r\nok"
    async with serving(answer) as server, guarded_client(rules(), MAX_BYTES) as client:
        await client.get(f"http://mcp.test:{server.port}")
        await client.get(f"http://mcp.test:{server.port}")
    assert "cookie" not in server.heads[1].lower()


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with serving(OK) as server:
        assert await get(server) == "ok"


async def test_the_next_address_is_tried_if_one_does_not_answer() -> None:
    async with serving(OK) as server:
        local = AddressRules(
            networks=(ip_network("127.0.0.0/8"),), resolver=rules(lambda: ["127.0.0.9", "127.0.0.1"]).resolver
        )
        assert await get(server, use=local) == "ok"


async def test_a_host_that_does_not_exist_is_not_found() -> None:
    async with serving(OK) as server:
        with pytest.raises(HostNotFound):
            await get(server, use=rules(list))


@pytest.mark.parametrize("port", [0, 65536, 99999])
async def test_ports_out_of_range_are_refused(port: int) -> None:
    async with guarded_client(rules(), MAX_BYTES) as client:
        with pytest.raises(AddressNotAllowed, match="port"):
            await client.get(f"http://mcp.test:{port}/")
