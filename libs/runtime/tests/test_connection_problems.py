"""Responses of the HTTP server itself: their ids, and requests that cannot open a WebSocket."""

import pytest
from runtime.http import connections
from structlog.testing import capture_logs

from libs.runtime.tests.raw_connections import GET, HANDSHAKE, Target, problem


@pytest.mark.parametrize(
    ("sent", "known"), [(b"abc", True), (b"x" * 129, False), (b"a b", False), (b"a\x80", False), (b"", False)]
)
async def test_the_request_id_of_a_refused_request_is_its_own_or_new(target: Target, sent: bytes, known: bool) -> None:
    async with target.connect() as connection:
        await connection.send(GET.replace(b"\r\n\r\n", b"\r\nX-Request-ID: " + sent + b"\r\na: b" * 100 + b"\r\n\r\n"))
        answer = await connection.rest()
    assert problem(answer)[0] == 431
    assert (b"x-request-id: " + sent + b"\r\n" in answer) == known


async def test_the_request_id_of_an_earlier_request_is_not_repeated(target: Target) -> None:
    async with target.connect() as connection:
        await connection.send(GET.replace(b"\r\n\r\n", b"\r\nX-Request-ID: earlier\r\n\r\n"))
        await connection.answer()
        await connection.send(b"\x00\r\n\r\n")
        answer = await connection.rest()
    assert problem(answer)[0] == 400
    assert b"earlier" not in answer


async def test_a_refused_request_is_logged_with_its_id(target: Target) -> None:
    with capture_logs() as logs:
        async with target.connect() as connection:
            await connection.send(GET.replace(b"/ ", b"/?" + b"x" * connections.MAX_URL_BYTES + b" "))
            answer = await connection.rest()
    [line] = [line for line in logs if line["event"] == "connection refused"]
    assert f"x-request-id: {line['correlation_id']}\r\n".encode() in answer
    assert line["status"] == 414


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"GET", b"POST"),
        (b"HTTP/1.1", b"HTTP/1.0"),
        (b"Version: 13", b"Version: 7"),
        (b"Version: 13", b"Version: 13\r\nSec-WebSocket-Version: 13"),
        (b"Key: ", b"Key: A"),
        (b"-Key: ", b"-Nothing: "),
        (b"host: x", b"host: x\r\ncontent-length: 5"),
    ],
)
async def test_a_request_that_cannot_open_a_websocket_is_400(target: Target, before: bytes, after: bytes) -> None:
    async with target.connect() as connection:
        await connection.send(HANDSHAKE.replace(before, after) + b"hello")
        assert problem(await connection.rest()) == (400, "BAD_REQUEST")
