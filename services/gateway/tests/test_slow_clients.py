"""Clients that read their streams too slowly."""

import asyncio
from collections.abc import AsyncGenerator
from uuid import UUID

import httpx
import pytest
from contracts.samples import SESSION
from contracts.session.conversation import MessageRecorded
from contracts.session.session import GetSession
from gateway.settings import Settings
from gateway.streams import events, listener
from gateway.streams.items import Gap, PublishedEvent
from gateway.streams.listener import Listener
from runtime.testing import eventually, skip_time
from starlette.types import Message

from services.gateway.tests import samples
from services.gateway.tests.fake_services import FakeServices
from services.gateway.tests.harness import Harness
from services.gateway.tests.sse_client import EVENTS


@pytest.fixture
def settings(nats_url: str) -> Settings:
    return Settings(nats_url=nats_url, rate_limits="none", ask_timeout_seconds=60, stream_heartbeat_seconds=0.1)


@pytest.fixture(autouse=True)
async def service(services: FakeServices) -> FakeServices:
    await services.create_streams()
    await services.answer(GetSession, samples.session())
    return services


@pytest.fixture
def token(services: FakeServices) -> str:
    return services.token()


def event(sequence: int, size: int = 2) -> PublishedEvent:
    return samples.published("session.run_started", sequence, "x" * size)


async def test_a_slow_client_gets_its_queued_events_and_then_a_gap(harness: Harness, services: FakeServices):
    slow = Listener.of_session(await harness.gateway.tokens.verify(services.token()), UUID(SESSION))
    slow.cursor.seen = {"session": 0}
    for sequence in range(1, listener.MAX_QUEUED + 3):
        slow.offer(event(sequence))
    sent = [events.encode_item(item, slow) async for item in slow.live(1)]
    assert len(sent) == listener.MAX_QUEUED + 1
    assert sent[-1] == b'id: 256\nevent: gap\ndata: {"resume_from":"256","reason":"slow"}\n\n'


async def test_the_queue_of_a_client_is_limited_in_bytes(harness: Harness, services: FakeServices):
    slow = Listener.of_session(await harness.gateway.tokens.verify(services.token()), UUID(SESSION))
    slow.cursor.seen = {"session": 0}
    for sequence in range(1, 10):
        slow.offer(event(sequence, listener.MAX_QUEUED_BYTES // 3))
    assert [type(item) async for item in slow.live(1)] == [
        PublishedEvent,
        PublishedEvent,
        PublishedEvent,
        PublishedEvent,
        Gap,
    ]
    assert slow.idle is False


async def test_a_client_that_reads_nothing_is_disconnected(
    base_url: str, token: str, harness: Harness, services: FakeServices, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(events, "SEND_TIMEOUT_SECONDS", 0.2)
    host, port = httpx.URL(base_url).host, httpx.URL(base_url).port
    reader, writer = await asyncio.open_connection(host, port, limit=1024)
    writer.write(f"GET {EVENTS} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n\r\n".encode())
    await reader.readuntil(b"connected")
    large = MessageRecorded.model_validate(MessageRecorded.sample | {"model": "x" * 500_000})
    for _ in range(40):
        await services.publish(large)
    await eventually(lambda: not harness.gateway.streams.open)
    writer.close()


async def test_a_client_that_reads_a_large_event_slowly_stays_connected(harness: Harness, services: FakeServices):
    slow = Listener.of_session(await harness.gateway.tokens.verify(services.token()), UUID(SESSION))
    received: list[bytes] = []

    async def blocks() -> AsyncGenerator[bytes]:
        yield b"x" * events.CHUNK_BYTES * 6

    async def send(message: Message) -> None:
        await skip_time(events.SEND_TIMEOUT_SECONDS / 2)  # for each chunk, and more than once for all
        received.append(message.get("body", b""))

    await events.EventStream(slow, blocks())({"type": "http"}, asyncio.Event().wait, send)  # pyright: ignore[reportArgumentType]
    assert slow.last is None
    assert len(b"".join(received)) == events.CHUNK_BYTES * 6
