"""Limits on slow clients, large heads and too many connections."""

import asyncio
from contextlib import AsyncExitStack, suppress

import pytest
from runtime.http import connections, health, unread_output
from runtime.http.connections import BoundedProtocol
from runtime.http.health import serving
from runtime.testing import eventually, skip_time
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from libs.runtime.tests.raw_connections import GET, HOST, Target, echo, problem


@pytest.mark.parametrize("begun", [b"", b"\r\n", b"GET / HT", b"GET / HTTP/1.1\r\nhost: x\r\n"])
async def test_an_incomplete_head_times_out(target: Target, monkeypatch: pytest.MonkeyPatch, begun: bytes) -> None:
    monkeypatch.setattr(connections, "HEAD_TIMEOUT", 0.2)
    async with target.connect() as connection:
        await connection.send(begun)
        assert problem(await connection.rest()) == (408, "REQUEST_TIMEOUT")


async def test_an_incomplete_second_head_times_out(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    async with target.connect() as connection:
        await connection.send(GET)
        assert b"200 OK" in await connection.answer()
        monkeypatch.setattr(connections, "HEAD_TIMEOUT", 0.2)
        await connection.send(b"GET / HT")
        assert problem(await connection.rest()) == (408, "REQUEST_TIMEOUT")


@pytest.mark.parametrize("piece", [b"x-a: " + b"y" * 1000 + b"\r\n", b"y" * 1000, b"x: y\r\n" * 100])
async def test_an_endless_head_is_431(target: Target, piece: bytes) -> None:
    async with target.connect() as connection:
        await connection.send(b"GET / HTTP/1.1\r\nhost: x\r\nx-b: ")
        for _ in range(connections.MAX_HEAD_BYTES // len(piece) + 1):
            await connection.send(piece)
        assert problem(await connection.rest()) == (431, "REQUEST_HEADER_FIELDS_TOO_LARGE")


async def test_a_head_that_is_too_large_in_one_piece_is_431(target: Target) -> None:
    async with target.connect() as connection:
        await connection.send(GET.replace(b"host", b"x: " + b"y" * connections.MAX_HEAD_BYTES + b"\r\nhost"))
        assert problem(await connection.rest()) == (431, "REQUEST_HEADER_FIELDS_TOO_LARGE")


async def test_a_head_of_maximum_size_is_accepted(target: Target) -> None:
    async with target.connect() as connection:
        await connection.send(GET.replace(b"host", b"x: " + b"y" * (connections.MAX_HEAD_BYTES - 100) + b"\r\nhost"))
        assert b"200 OK" in await connection.answer()


async def test_a_url_that_is_too_long_is_414(target: Target) -> None:
    async with target.connect() as connection:
        await connection.send(GET.replace(b"/ ", b"/?" + b"x" * connections.MAX_URL_BYTES + b" "))
        assert problem(await connection.rest()) == (414, "URI_TOO_LONG")


async def test_a_url_of_maximum_size_is_accepted(target: Target) -> None:
    async with target.connect() as connection:
        await connection.send(GET.replace(b"/ ", b"/?" + b"x" * (connections.MAX_URL_BYTES - 2) + b" "))
        assert b"200 OK" in await connection.answer()


@pytest.mark.parametrize(
    ("number", "status"), [(connections.MAX_HEADERS, b"200"), (connections.MAX_HEADERS + 1, b"431")]
)
async def test_the_number_of_headers_is_limited(target: Target, number: int, status: bytes) -> None:
    async with target.connect() as connection:
        await connection.send(GET.replace(b"\r\n\r\n", b"\r\nx: y" * (number - 1) + b"\r\n\r\n"))
        assert (await connection.answer())[9:12] == status


async def test_an_incomplete_body_times_out(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "BODY_TIMEOUT", 0.2)
    async with target.connect() as connection:
        await connection.send(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n12345")
        assert problem(await connection.rest()) == (408, "REQUEST_TIMEOUT")


async def test_a_slow_but_steady_body_is_accepted(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "BODY_TIMEOUT", 1.0)
    monkeypatch.setattr(connections, "MIN_BODY_RATE", 1)  # so that each part may take 10 s on a busy machine
    async with target.connect() as connection:
        await connection.send(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 50\r\n\r\n0123456789")
        for _ in range(4):
            await asyncio.sleep(0.3)
            await connection.send(b"0123456789")
        assert b"50 bytes" in await connection.answer()


async def test_endless_trailers_close_the_connection(target: Target) -> None:
    async with target.connect() as connection:
        await connection.send(b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
        await connection.send(b"1\r\nx\r\n0\r\nx-trailer: ")
        await asyncio.wait_for(connection.send_until_closed(), 60)


async def test_a_body_in_chunks_of_one_byte_is_accepted(target: Target) -> None:
    async with target.connect() as connection:
        await connection.send(b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
        await connection.send(b"1\r\nx\r\n" * 20_000 + b"0\r\n\r\n")
        assert b"20000 bytes" in await connection.answer()


async def test_a_body_after_an_early_response_is_not_read_forever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "BODY_TIMEOUT", 0.2)

    async def early(_: Request) -> Response:
        return PlainTextResponse("no")

    asgi = Starlette(routes=[Route("/", early, methods=["POST"])])
    async with serving(asgi, HOST, 0) as server, Target(server.address[1]).connect() as connection:
        await connection.send(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000000\r\n\r\n")
        assert b"200 OK" in await connection.answer()
        await asyncio.wait_for(connection.send_until_closed(), 60)


async def test_a_connection_serves_several_requests(target: Target) -> None:
    async with target.connect() as connection:
        for _ in range(3):
            await connection.send(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\n123")
            assert b"3 bytes" in await connection.answer()
        await connection.send(GET * 2)
        assert b"0 bytes" in await connection.answer()
        assert b"0 bytes" in await connection.answer()


async def test_a_request_that_waits_when_an_idle_connection_times_out_is_served(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After a delay of the event loop, the next thing that it does is to call its timers."""
    time_out, requests = BoundedProtocol.timeout_keep_alive_handler, [GET]

    def time_out_as_it_arrives(protocol: BoundedProtocol) -> None:
        connection.writer.write(requests.pop() if requests else b"")
        time_out(protocol)

    monkeypatch.setattr(BoundedProtocol, "timeout_keep_alive_handler", time_out_as_it_arrives)
    monkeypatch.setattr(connections, "READ_SECONDS", 60.0)
    monkeypatch.setattr(health, "IDLE_TIMEOUT", 0.2)
    app = Starlette(routes=[Route("/", echo)])
    async with serving(app, HOST, 0) as server, Target(server.address[1]).connect() as connection:
        await connection.send(GET)
        answers = [await connection.answer() for _ in range(2)]
    assert [b"200 OK" in answer for answer in answers] == [True, True]


async def test_a_slow_response_is_not_cut_off() -> None:
    async def slow(_: Request) -> Response:
        for seconds in (connections.HEAD_TIMEOUT, connections.BODY_TIMEOUT):
            await skip_time(seconds)
        return PlainTextResponse("done")

    asgi = Starlette(routes=[Route("/", slow)])
    async with serving(asgi, HOST, 0) as server, Target(server.address[1]).connect() as connection:
        await connection.send(GET)
        assert b"done" in await connection.answer()


async def test_data_that_is_not_http_is_400(target: Target) -> None:
    async with target.connect() as connection:
        await connection.send(b"\x16\x03\x01 this is not HTTP\r\n\r\n")
        assert problem(await connection.rest()) == (400, "BAD_REQUEST")


@pytest.mark.parametrize("request_target", [b"http://x", b"http:///", b"evil.example:443"])
@pytest.mark.parametrize("before", [b"", GET])
async def test_a_request_target_without_a_path_is_400(target: Target, before: bytes, request_target: bytes) -> None:
    method = b"CONNECT" if request_target.endswith(b":443") else b"GET"
    async with target.connect() as connection:
        if before:
            await connection.send(before)
            assert b"200 OK" in await connection.answer()
        await connection.send(b"%b %b HTTP/1.1\r\nhost: x\r\n\r\n" % (method, request_target))
        assert problem(await connection.rest()) == (400, "BAD_REQUEST")


async def test_idle_connections_are_closed_when_there_are_too_many(
    target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "max_connections", lambda: 20)
    async with AsyncExitStack() as stack:
        idle = [await stack.enter_async_context(target.connect()) for _ in range(40)]
        for connection in idle:
            with suppress(OSError):
                await connection.send(b"GET / HT")
        async with target.connect() as connection:
            await connection.send(GET)
            assert b"200 OK" in await connection.answer()
        assert sum([b"503" in await connection.rest() for connection in idle[:20]]) == 20


async def test_active_requests_are_kept_when_there_are_too_many_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "max_connections", lambda: 2)
    begun, go = 0, asyncio.Event()

    async def slow(_: Request) -> Response:
        nonlocal begun
        begun += 1
        await go.wait()
        return PlainTextResponse("done")

    async with serving(Starlette(routes=[Route("/", slow)]), HOST, 0) as server:
        target = Target(server.address[1])
        async with target.connect() as one, target.connect() as two:
            await one.send(GET)
            await two.send(GET)
            await eventually(lambda: begun == 2)
            async with target.connect() as three:
                answer = await three.rest()
            assert problem(answer) == (503, "SERVICE_UNAVAILABLE")
            assert b"retry-after: 1" in answer
            go.set()
            assert b"done" in await one.answer()
            assert b"done" in await two.answer()


async def test_a_client_that_does_not_read_its_response_is_disconnected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unread_output, "READ_TIMEOUT", 0.2)

    async def large(_: Request) -> Response:
        return PlainTextResponse(b"x" * 20_000_000)

    asgi = Starlette(routes=[Route("/", large)])
    async with serving(asgi, HOST, 0) as server, Target(server.address[1]).connect() as connection:
        await connection.send(GET)
        await eventually(lambda: server.server_state.connections)
        await eventually(lambda: not server.server_state.connections)
