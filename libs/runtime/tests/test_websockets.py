"""Limits on WebSockets."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import cast

import pytest
from runtime.http import unread_output, websockets
from runtime.http.health import serving
from runtime.http.websockets import WebSocketProtocol
from runtime.testing import eventually
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket
from websockets.frames import Frame, Opcode

from libs.runtime.tests.raw_connections import HANDSHAKE, HOST, RawConnection, Target


def frame(opcode: Opcode, data: bytes, *, fin: bool = True) -> bytes:
    return Frame(opcode, data, fin=fin).serialize(mask=True)


@asynccontextmanager
async def conversing(
    converse: Callable[[WebSocket], Coroutine[None, None, None]],
) -> AsyncGenerator[tuple[RawConnection, WebSocketProtocol]]:
    """Open a WebSocket to an application; yield the client, and the protocol of the server."""
    asgi = Starlette(routes=[WebSocketRoute("/", converse)])
    async with serving(asgi, HOST, 0) as server, Target(server.address[1]).connect() as client:
        await client.send(HANDSHAKE)
        await client.reader.readuntil(b"\r\n\r\n")
        [protocol] = server.server_state.connections
        yield client, cast(WebSocketProtocol, protocol)


async def echo(socket: WebSocket) -> None:
    await socket.accept()
    async for text in socket.iter_text():
        await socket.send_text(text)


async def stop_reading(client: RawConnection, protocol: WebSocketProtocol) -> None:
    """Send pings, until the answers wait for the client."""
    client.transport.pause_reading()
    while protocol.writable.is_set():
        await client.send(frame(Opcode.PING, b"x" * 125) * 1000)
        await asyncio.sleep(0)


@pytest.fixture
def without_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websockets, "REST", 0)


@pytest.mark.usefixtures("without_rests")
async def test_answers_to_pings_that_are_not_read_do_not_pile_up() -> None:
    done = asyncio.Event()

    async def receive_nothing(socket: WebSocket) -> None:
        await socket.accept()
        await done.wait()

    async with conversing(receive_nothing) as (client, protocol):
        await stop_reading(client, protocol)
        before = protocol.transport.get_write_buffer_size()
        for _ in range(50):
            await client.send(frame(Opcode.PING, b"x" * 125) * 1000)
        await client.send(frame(Opcode.TEXT, b"done"))
        await eventually(lambda: protocol.read_paused)  # everything before the text was received
        assert protocol.transport.get_write_buffer_size() <= before
        done.set()


@pytest.mark.usefixtures("without_rests")
async def test_the_last_ping_is_answered_when_the_client_reads_again() -> None:
    async with conversing(echo) as (client, protocol):
        await stop_reading(client, protocol)
        await client.send(frame(Opcode.PING, b"last"))
        client.transport.resume_reading()
        received = b""
        while not received.endswith(b"\x8a\x04last"):
            received = received[-10:] + await asyncio.wait_for(client.reader.read(65536), 60)


@pytest.mark.parametrize("closes", [True, False])
async def test_a_client_that_leaves_anything_unread_is_disconnected(
    monkeypatch: pytest.MonkeyPatch, closes: bool
) -> None:
    monkeypatch.setattr(unread_output, "READ_TIMEOUT", 0.2)

    async def send_until_unread(socket: WebSocket) -> None:
        await socket.accept()
        await socket.receive_text()
        while not protocol.transport.get_write_buffer_size():
            await socket.send_bytes(b"x" * 1000)
        if not closes:
            await socket.receive()

    async with conversing(send_until_unread) as (client, protocol):
        client.transport.pause_reading()
        await client.send(frame(Opcode.TEXT, b"begin"))
        await eventually(lambda: protocol.disconnected)


async def test_fragments_of_a_message_are_joined() -> None:
    async with conversing(echo) as (client, protocol):
        await client.send(frame(Opcode.TEXT, b"<", fin=False))
        await client.send(frame(Opcode.CONT, b"x", fin=False) * 3000 + frame(Opcode.CONT, b"", fin=False) * 3000)
        await client.send(frame(Opcode.PING, b"all"))
        await client.reader.readuntil(b"\x8a\x03all")
        assert len(protocol.frames) <= websockets.MAX_FRAGMENTS
        await client.send(frame(Opcode.CONT, b">"))
        assert await asyncio.wait_for(client.reader.readuntil(b"<" + b"x" * 3000 + b">"), 60)


@pytest.mark.parametrize("opcode", [Opcode.PING, Opcode.BINARY])
async def test_other_tasks_have_their_turn_between_tiny_frames(monkeypatch: pytest.MonkeyPatch, opcode: Opcode) -> None:
    monkeypatch.setattr(websockets, "TURN_SECONDS", 1e-9)
    turns, of_frames = 0, Counter[int]()

    async def take_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def count(socket: WebSocket) -> None:
        await socket.accept()
        async for _ in socket.iter_bytes():
            of_frames[turns] += 1

    def count_ping(_: WebSocketProtocol) -> None:
        of_frames[turns] += 1

    monkeypatch.setattr(WebSocketProtocol, "handle_ping", count_ping)
    async with asyncio.TaskGroup() as tasks, conversing(count) as (client, _):
        other = tasks.create_task(take_turns())
        await client.send(frame(opcode, b"") * 5000)
        await eventually(lambda: of_frames.total() == 5000)
        other.cancel()
    assert max(of_frames.values()) <= (1 + websockets.PIECE_BYTES // 6 if opcode is Opcode.PING else 1)
