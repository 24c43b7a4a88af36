"""Clients that are slow, send too much before a request begins, or open too many connections."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import pytest
from runtime import connections
from runtime.health import serving
from runtime.testing import eventually
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

HOST = "127.0.0.1"
GET = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"


class Talk:
    """One connection, byte by byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def send_until_ended(self) -> None:
        """Send on and on, until the server ends the connection."""
        with suppress(OSError):
            while True:
                await self.send(b"x" * 10_000)
                await asyncio.sleep(0.01)

    async def answer(self) -> bytes:
        """Give what one answer says, head and body."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        size = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        return head + await self.reader.readexactly(size)

    async def rest(self) -> bytes:
        """Give all that comes until the server ends it."""
        return await asyncio.wait_for(self.reader.read(), 10)


class Place:
    """A server, and what it read."""

    def __init__(self, port: int) -> None:
        self.port = port

    @asynccontextmanager
    async def talking(self) -> AsyncGenerator[Talk]:
        reader, writer = await asyncio.open_connection(HOST, self.port)
        try:
            yield Talk(reader, writer)
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


async def echo(request: Request) -> Response:
    try:
        return PlainTextResponse(f"{len(await request.body())} bytes")
    except ClientDisconnect:
        return PlainTextResponse("gone")


@pytest.fixture
async def place() -> AsyncGenerator[Place]:
    asgi = Starlette(routes=[Route("/", echo, methods=["GET", "POST"])])
    async with serving(asgi, HOST, 0) as server:
        yield Place(server.address[1])


def problem(answer: bytes) -> tuple[int, str]:
    head, _, body = answer.partition(b"\r\n\r\n")
    told = json.loads(body)
    assert b"content-type: application/problem+json" in head
    assert head.startswith(f"HTTP/1.1 {told['status']} ".encode())
    return told["status"], told["error_code"]


@pytest.mark.parametrize("begun", [b"", b"\r\n", b"GET / HT", b"GET / HTTP/1.1\r\nhost: x\r\n"])
async def test_a_head_that_does_not_come_is_given_up(
    place: Place, monkeypatch: pytest.MonkeyPatch, begun: bytes
) -> None:
    monkeypatch.setattr(connections, "HEAD_TIMEOUT", 0.2)
    async with place.talking() as talk:
        await talk.send(begun)
        assert problem(await talk.rest()) == (408, "REQUEST_TIMEOUT")


async def test_a_second_head_that_does_not_come_is_given_up(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_TIMEOUT", 0.2)
    async with place.talking() as talk:
        await talk.send(GET)
        assert b"200 OK" in await talk.answer()
        await talk.send(b"GET / HT")
        assert problem(await talk.rest()) == (408, "REQUEST_TIMEOUT")


@pytest.mark.parametrize("piece", [b"x-a: " + b"y" * 1000 + b"\r\n", b"y" * 1000, b"x: y\r\n" * 100])
async def test_a_head_without_end_is_431(place: Place, piece: bytes) -> None:
    async with place.talking() as talk:
        await talk.send(b"GET / HTTP/1.1\r\nhost: x\r\nx-b: ")
        for _ in range(connections.MAX_HEAD_BYTES // len(piece) + 1):
            await talk.send(piece)
        assert problem(await talk.rest()) == (431, "REQUEST_HEADER_FIELDS_TOO_LARGE")


async def test_a_head_that_is_too_large_in_one_piece_is_431(place: Place) -> None:
    async with place.talking() as talk:
        await talk.send(GET.replace(b"host", b"x: " + b"y" * connections.MAX_HEAD_BYTES + b"\r\nhost"))
        assert problem(await talk.rest()) == (431, "REQUEST_HEADER_FIELDS_TOO_LARGE")


async def test_a_head_of_allowed_size_is_taken(place: Place) -> None:
    async with place.talking() as talk:
        await talk.send(GET.replace(b"host", b"x: " + b"y" * (connections.MAX_HEAD_BYTES - 100) + b"\r\nhost"))
        assert b"200 OK" in await talk.answer()


async def test_a_body_that_does_not_come_is_given_up(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "BODY_TIMEOUT", 0.2)
    async with place.talking() as talk:
        await talk.send(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n12345")
        assert problem(await talk.rest()) == (408, "REQUEST_TIMEOUT")


async def test_a_body_that_comes_steadily_is_taken(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "BODY_TIMEOUT", 0.2)
    monkeypatch.setattr(connections, "SLOWEST_BODY", 10)
    async with place.talking() as talk:
        await talk.send(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 50\r\n\r\n")
        for _ in range(5):
            await talk.send(b"0123456789")
            await asyncio.sleep(0.1)
        assert b"50 bytes" in await talk.answer()


async def test_trailers_without_end_are_not_taken(place: Place) -> None:
    async with place.talking() as talk:
        await talk.send(b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
        await talk.send(b"1\r\nx\r\n0\r\nx-trailer: ")
        await asyncio.wait_for(talk.send_until_ended(), 10)


async def test_a_body_in_chunks_of_one_byte_is_taken(place: Place) -> None:
    async with place.talking() as talk:
        await talk.send(b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
        await talk.send(b"1\r\nx\r\n" * 20_000 + b"0\r\n\r\n")
        assert b"20000 bytes" in await talk.answer()


async def test_a_body_that_nobody_wanted_is_not_taken_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "BODY_TIMEOUT", 0.2)

    async def early(_: Request) -> Response:
        return PlainTextResponse("no")

    asgi = Starlette(routes=[Route("/", early, methods=["POST"])])
    async with serving(asgi, HOST, 0) as server, Place(server.address[1]).talking() as talk:
        await talk.send(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000000\r\n\r\n")
        assert b"200 OK" in await talk.answer()
        await asyncio.wait_for(talk.send_until_ended(), 10)


async def test_requests_follow_each_other_on_one_connection(place: Place) -> None:
    async with place.talking() as talk:
        for _ in range(3):
            await talk.send(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\n123")
            assert b"3 bytes" in await talk.answer()
        await talk.send(GET * 2)
        assert b"0 bytes" in await talk.answer()
        assert b"0 bytes" in await talk.answer()


async def test_an_answer_that_takes_long_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_TIMEOUT", 0.1)
    monkeypatch.setattr(connections, "BODY_TIMEOUT", 0.1)

    async def slow(_: Request) -> Response:
        await asyncio.sleep(0.5)
        return PlainTextResponse("done")

    asgi = Starlette(routes=[Route("/", slow)])
    async with serving(asgi, HOST, 0) as server, Place(server.address[1]).talking() as talk:
        await talk.send(GET)
        assert b"done" in await talk.answer()


async def test_what_is_no_http_is_400(place: Place) -> None:
    async with place.talking() as talk:
        await talk.send(b"\x16\x03\x01 this is not HTTP\r\n\r\n")
        assert problem(await talk.rest()) == (400, "BAD_REQUEST")


async def test_connections_that_send_nothing_make_room_for_others(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "most_connections", lambda: 20)
    async with AsyncExitStack() as stack:
        idle = [await stack.enter_async_context(place.talking()) for _ in range(40)]
        for talk in idle:
            with suppress(OSError):
                await talk.send(b"GET / HT")
        async with place.talking() as talk:
            await talk.send(GET)
            assert b"200 OK" in await talk.answer()
        assert sum([b"503" in await talk.rest() for talk in idle[:20]]) == 20


async def test_requests_under_way_are_kept_when_too_many_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "most_connections", lambda: 2)
    begun, go = 0, asyncio.Event()

    async def slow(_: Request) -> Response:
        nonlocal begun
        begun += 1
        await go.wait()
        return PlainTextResponse("done")

    async with serving(Starlette(routes=[Route("/", slow)]), HOST, 0) as server:
        place = Place(server.address[1])
        async with place.talking() as one, place.talking() as two:
            await one.send(GET)
            await two.send(GET)
            await eventually(lambda: begun == 2)
            async with place.talking() as three:
                answer = await three.rest()
            assert problem(answer) == (503, "SERVICE_UNAVAILABLE")
            assert b"retry-after: 1" in answer
            go.set()
            assert b"done" in await one.answer()
            assert b"done" in await two.answer()


async def test_a_client_that_takes_nothing_of_its_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "WRITE_TIMEOUT", 0.2)

    async def large(_: Request) -> Response:
        return PlainTextResponse(b"x" * 20_000_000)

    asgi = Starlette(routes=[Route("/", large)])
    async with serving(asgi, HOST, 0) as server, Place(server.address[1]).talking() as talk:
        await talk.send(GET)
        await eventually(lambda: server.server_state.connections)
        await eventually(lambda: not server.server_state.connections)
