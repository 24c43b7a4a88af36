"""Streams that are resumed: what was missed comes first, and what is gone is told."""

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
from services.gateway.tests.door import Door
from services.gateway.tests.following import EVENTS, following
from services.gateway.tests.stand_ins import OTHER, Services
from services.gateway.tests.test_streams import NAMES, first, record_three


@pytest.fixture
def settings(nats_url: str) -> Settings:
    return Settings(nats_url=nats_url, ask_timeout_seconds=0.5, stream_heartbeat_seconds=0.1)


@pytest.fixture(autouse=True)
async def service(services: Services) -> Services:
    await services.open_streams()
    await services.answer(GetSession, samples.session())
    return services


@pytest.fixture
def token(services: Services) -> str:
    return services.token()


async def test_nothing_is_lost_or_repeated_while_a_long_past_is_read(base_url: str, token: str, services: Services):
    for _ in range(300):
        await services.record(RunStarted.example())
    async with following(base_url, token, params={"after": "0"}) as follower, asyncio.TaskGroup() as tasks:
        tasks.create_task(record_three(services))
        assert [(await follower.next()).json()["sequence"] for _ in range(303)] == list(range(1, 304))


async def test_the_past_beyond_what_is_kept_is_a_gap(base_url: str, token: str, services: Services):
    *_, last = await record_three(services)
    await services.js.purge_stream("EVT_SESSION", seq=last)
    async with following(base_url, token, params={"after": "1"}) as follower:
        [gap] = await follower.rest()
    assert (gap.event, gap.id, gap.json()) == ("gap", "2", {"resume_from": "2", "reason": "expired"})


async def test_a_number_from_a_bus_that_is_gone_is_a_gap(base_url: str, token: str, services: Services):
    await record_three(services)
    async with following(base_url, token, params={"after": "5000"}) as follower:
        [gap] = await follower.rest()
    assert (gap.event, gap.id) == ("gap", "3")


async def test_a_quiet_stream_tells_from_where_to_resume_when_the_events_of_others_are_gone(
    base_url: str, token: str, services: Services
):
    await services.record(RunStarted.example())
    async with following(base_url, token) as follower:
        number = await services.record(RunStarted.example(), at=str(OTHER))
        beat = await follower.beat()
    assert (beat.id, beat.json()) == (str(number), {"resume_from": str(number)})
    await services.js.purge_stream("EVT_SESSION", seq=number + 1)
    async with following(base_url, token, headers={"last-event-id": beat.id}) as follower:
        await services.record(RunCompleted.example())
        assert await follower.names(1) == ["session.run_completed"]


async def test_a_long_past_of_which_nothing_is_wanted_has_heartbeats(
    base_url: str, token: str, services: Services, door: Door
):
    door.gateway.streams.replay.pause = 0
    for _ in range(150):
        await services.record(RunStarted.example())
    async with following(base_url, token, params={"after": "0", "types": "session.run_completed"}) as follower:
        assert (await follower.beat()).id == "100"


async def test_a_client_whose_turn_to_resume_has_not_come_has_heartbeats(
    base_url: str, token: str, services: Services, door: Door
):
    await record_three(services)
    readers = door.gateway.streams.replay.readers
    for _ in range(replay.READERS):
        await readers.acquire()
    async with (
        asyncio.timeout(10),
        httpx.AsyncClient(base_url=base_url, headers={"authorization": f"Bearer {token}"}) as client,
        client.stream("GET", EVENTS, params={"after": "0"}) as answer,
    ):
        lines = answer.aiter_lines()
        assert [line async for line in first(5, lines)][-1] == ": nothing new"
        readers.release()
        assert f"event: {NAMES[0]}" in [line async for line in first(8, lines)]


async def test_events_that_go_while_a_client_reads_its_past_are_a_gap(door: Door, services: Services):
    for _ in range(250):
        await services.record(RunStarted.example())
    slow = Listener.of_session(await door.gateway.tokens.verify(services.token()), UUID(SESSION))
    with door.gateway.streams.listening(slow):
        await door.gateway.streams.start(slow, "0")
        async with aclosing(door.gateway.streams.items(slow)) as told:
            await anext(told)
            await services.js.purge_stream("EVT_SESSION", seq=200)
            assert [item async for item in told][-1] == Gap("250", "expired")


async def test_a_client_whose_bus_lost_the_events_gets_a_gap(door: Door, services: Services):
    client = Listener.of_session(await door.gateway.tokens.verify(services.token()), UUID(SESSION))
    client.cursor.seen = {"session": 0}
    client.report_loss("session")
    assert [item async for item in client.live(1)] == [Gap("0", "expired")]
