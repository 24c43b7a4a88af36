"""How streams of deleted sessions end, what of them is told again, and how many streams there may be."""

import asyncio
from uuid import UUID

import httpx
import pytest
from contracts.messages import Refused
from contracts.refusals import Code
from contracts.session.run import RunRequested, RunStarted
from contracts.session.session import FindSessions, GetSession, SessionCreated, SessionDeleted
from gateway.settings import Settings
from runtime.testing import eventually

from services.gateway.tests import samples
from services.gateway.tests.door import Door
from services.gateway.tests.following import EVENTS, following
from services.gateway.tests.stand_ins import OTHER, Services
from services.gateway.tests.talking import talking

MINE = "/api/v1/events"
GONE = Refused(code=Code.SESSION_NOT_FOUND, detail="There is none.")


@pytest.fixture
def settings(nats_url: str) -> Settings:
    return Settings(nats_url=nats_url, ask_timeout_seconds=2, stream_heartbeat_seconds=0.1, streams_per_user=2)


@pytest.fixture(autouse=True)
async def service(services: Services) -> None:
    await services.open_streams()
    await services.answer(GetSession, samples.session())


@pytest.mark.parametrize("query", [{}, {"types": "session.created"}, {"after": "0"}])
async def test_a_deleted_session_ends_its_streams(base_url: str, services: Services, query: dict[str, str]):
    async with following(base_url, services.token(), params=query) as follower:
        await services.record(SessionDeleted.example())
        [last] = await follower.rest()
    assert (last.event, last.json()["status"]) == ("session.deleted", "terminated")


async def test_a_deletion_that_is_already_stored_ends_a_stream_that_catches_up(base_url: str, services: Services):
    await services.record(RunStarted.example())
    await services.record(SessionDeleted.example())
    await services.record(RunStarted.example())
    async with following(base_url, services.token(), params={"after": "0"}) as follower:
        events = [event.event for event in await follower.rest()]
    assert events == ["session.run_started", "session.deleted"]


async def test_a_deleted_session_closes_its_sockets(base_url: str, services: Services):
    async with talking(base_url, services.token()) as client:
        await client.next()
        await services.answer(GetSession, GONE)
        await services.record(SessionDeleted.example())
        kind, data = await client.next()
        assert (kind, data["status"]) == ("status_change", "terminated")
        assert await client.closed() == (1000, [])


async def test_a_stream_of_all_goes_on_after_a_session_is_deleted(base_url: str, services: Services):
    async with following(base_url, services.token(), MINE) as follower:
        await services.record(SessionDeleted.example())
        await services.record(SessionCreated.example(), at=str(OTHER))
        assert await follower.names(2) == ["session.deleted", "session.created"]


async def test_a_session_that_is_deleted_while_its_stream_is_opened_is_404(client: httpx.AsyncClient, door: Door):
    def check(_: GetSession) -> object:
        assert door.gateway.streams.open  # from here on its deletion would be heard
        return GONE

    await door.services.answer_with(GetSession, check)
    assert (await client.get(EVENTS)).status_code == 404
    assert not door.gateway.streams.open


@pytest.mark.parametrize(("path", "left"), [(MINE, ["session.deleted", "session.created"]), (EVENTS, [])])
async def test_what_was_said_in_a_deleted_session_is_told_to_nobody_again(
    base_url: str, services: Services, path: str, left: list[str]
):
    await services.answer(FindSessions, [OTHER])
    await services.record(RunRequested.example())
    await services.record(SessionDeleted.example())
    await services.record(SessionCreated.example(), at=str(OTHER))
    async with following(base_url, services.token(), path, params={"after": "0"}) as follower:
        assert await follower.names(len(left)) == left
        if path == EVENTS:
            assert [event.event for event in await follower.rest()] == ["session.deleted"]


async def test_stored_events_are_not_told_while_nobody_knows_whether_their_session_exists(
    base_url: str, services: Services
):
    await services.answer(FindSessions, GONE)
    await services.record(RunRequested.example())
    async with following(base_url, services.token(), MINE, params={"after": "0"}) as follower:
        assert [event.event for event in await follower.rest()] == ["error"]


async def test_closed_streams_leave_no_consumer_on_the_bus(base_url: str, services: Services, door: Door):
    for _ in range(300):
        await services.record(RunStarted.example())
    for number in range(30):
        token = services.token(sub=str(UUID(int=number)))  # a user each: so many streams may close at once
        async with following(base_url, token, params={"after": str(number)}):
            pass
    await eventually(lambda: not door.gateway.streams.open)
    async with asyncio.timeout(10):
        while (await services.js.stream_info("EVT_SESSION")).state.consumer_count:  # noqa: ASYNC110  the bus knows
            await asyncio.sleep(0.05)


async def test_a_user_has_so_many_streams_and_no_more(base_url: str, services: Services, client: httpx.AsyncClient):
    token = services.token()
    async with following(base_url, token, EVENTS), following(base_url, token, MINE):
        answer = await client.get(EVENTS)
        assert (answer.status_code, answer.json()["error_code"]) == (429, "TOO_MANY_STREAMS")
        assert int(answer.headers["retry-after"]) == answer.json()["retry_after"]
        async with talking(base_url, token) as socket:
            assert await socket.closed() == (1013, ["error"])
        async with following(base_url, services.token(sub=str(OTHER)), MINE):
            pass  # another user


async def test_a_stream_that_ended_makes_room_for_another(base_url: str, services: Services, door: Door):
    token = services.token()
    async with following(base_url, token), following(base_url, token):
        pass
    await eventually(lambda: not door.gateway.streams.open)
    async with following(base_url, token):
        pass
