"""Resumed streams: missed events are replayed first, and lost events are reported."""

import asyncio
from contextlib import aclosing
from uuid import UUID

import httpx
import pytest
from contracts.samples import SESSION
from contracts.session.run import RunCompleted, RunStarted
from contracts.session.session import GetSession
from gateway.settings import Settings
from gateway.streams import replay
from gateway.streams.items import Gap
from gateway.streams.listener import Listener

from services.gateway.tests import samples
from services.gateway.tests.fake_services import OTHER, FakeServices
from services.gateway.tests.harness import Harness
from services.gateway.tests.sse_client import EVENTS, open_stream
from services.gateway.tests.test_streams import NAMES, first, publish_three


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


async def test_events_during_a_long_replay_are_neither_lost_nor_repeated(
    base_url: str, token: str, services: FakeServices
):
    for _ in range(300):
        await services.publish(RunStarted.example())
    async with open_stream(base_url, token, params={"after": "0"}) as follower, asyncio.TaskGroup() as tasks:
        tasks.create_task(publish_three(services))
        assert [(await follower.next()).json()["sequence"] for _ in range(303)] == list(range(1, 304))


async def test_resuming_before_the_retained_events_is_a_gap(base_url: str, token: str, services: FakeServices):
    *_, last = await publish_three(services)
    await services.js.purge_stream("EVT_SESSION", seq=last)
    async with open_stream(base_url, token, params={"after": "1"}) as follower:
        [gap] = await follower.remaining()
    assert (gap.event, gap.id, gap.json()) == ("gap", "2", {"resume_from": "2", "reason": "expired"})


async def test_a_cursor_of_a_lost_bus_is_a_gap(base_url: str, token: str, services: FakeServices):
    await publish_three(services)
    async with open_stream(base_url, token, params={"after": "5000"}) as follower:
        [gap] = await follower.remaining()
    assert (gap.event, gap.id) == ("gap", "3")


async def test_the_cursor_of_a_heartbeat_survives_purged_events_of_others(
    base_url: str, token: str, services: FakeServices
):
    await services.publish(RunStarted.example())
    async with open_stream(base_url, token) as follower:
        number = await services.publish(RunStarted.example(), at=str(OTHER))
        beat = await follower.heartbeat()
    assert (beat.id, beat.json()) == (str(number), {"resume_from": str(number)})
    await services.js.purge_stream("EVT_SESSION", seq=number + 1)
    async with open_stream(base_url, token, headers={"last-event-id": beat.id}) as follower:
        await services.publish(RunCompleted.example())
        assert await follower.names(1) == ["session.run_completed"]


async def test_a_long_replay_without_matching_events_has_heartbeats(
    base_url: str, token: str, services: FakeServices, harness: Harness
):
    harness.gateway.streams.replay.pause = 0
    for _ in range(150):
        await services.publish(RunStarted.example())
    async with open_stream(base_url, token, params={"after": "0", "types": "session.run_completed"}) as follower:
        assert (await follower.heartbeat()).id == "100"


async def test_a_stream_that_waits_for_a_reader_has_heartbeats(
    base_url: str, token: str, services: FakeServices, harness: Harness
):
    await publish_three(services)
    readers = harness.gateway.streams.replay.readers
    for _ in range(replay.READERS):
        await readers.acquire()
    async with (
        asyncio.timeout(60),
        httpx.AsyncClient(base_url=base_url, headers={"authorization": f"Bearer {token}"}, timeout=60) as client,
        client.stream("GET", EVENTS, params={"after": "0"}) as response,
    ):
        lines = response.aiter_lines()
        assert [line async for line in first(5, lines)][-1] == ": nothing new"
        readers.release()
        assert f"event: {NAMES[0]}" in [line async for line in first(8, lines)]


async def test_events_purged_during_a_replay_are_a_gap(harness: Harness, services: FakeServices):
    for _ in range(250):
        await services.publish(RunStarted.example())
    slow = Listener.of_session(await harness.gateway.tokens.verify(services.token()), UUID(SESSION))
    async with harness.gateway.streams.listening(slow):
        await harness.gateway.streams.start(slow, "0")
        async with aclosing(harness.gateway.streams.items(slow)) as items:
            await anext(items)
            await services.js.purge_stream("EVT_SESSION", seq=200)
            assert [item async for item in items][-1] == Gap("250", "expired")


async def test_events_lost_by_the_bus_are_a_gap(harness: Harness, services: FakeServices):
    client = Listener.of_session(await harness.gateway.tokens.verify(services.token()), UUID(SESSION))
    client.cursor.seen = {"session": 0}
    client.report_loss("session")
    assert [item async for item in client.live(1)] == [Gap("0", "expired")]


async def test_a_loss_resets_the_cursor_after_the_queued_events(harness: Harness, services: FakeServices):
    client = Listener.of_session(await harness.gateway.tokens.verify(services.token()), UUID(SESSION))
    client.cursor.seen = {"session": 340}
    client.offer(samples.published(NAMES[0], 341))
    client.report_loss("session")
    assert [item async for item in client.live(1)][-1] == Gap("0", "expired")
