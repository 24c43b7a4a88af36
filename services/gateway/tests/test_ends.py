"""The end of streams of deleted sessions, replay after a deletion, and the limit of streams."""

import asyncio
from uuid import UUID

import httpx
import pytest
from contracts.messages import Refused
from contracts.refusals import Code
from contracts.session.run import RunRequested, RunStarted
from contracts.session.session import FindSessions, GetSession, SessionCreated, SessionDeleted
from contracts.task_scheduler.attempt import ExecutionSubmitted
from contracts.task_scheduler.task import FindTasks, TaskCreated, TaskDeleted
from gateway.settings import Settings
from runtime.testing import eventually

from services.gateway.tests import samples
from services.gateway.tests.cases import each
from services.gateway.tests.fake_services import OTHER, FakeServices
from services.gateway.tests.harness import Harness
from services.gateway.tests.sse_client import EVENTS, open_stream
from services.gateway.tests.websocket_client import open_websocket

MINE = "/api/v1/events"
GONE = Refused(code=Code.SESSION_NOT_FOUND, detail="There is none.")


@pytest.fixture
def settings(nats_url: str) -> Settings:
    return Settings(
        nats_url=nats_url,
        rate_limits="none",
        ask_timeout_seconds=60,
        stream_heartbeat_seconds=0.1,
        streams_per_user="2",
    )


@pytest.fixture(autouse=True)
async def service(services: FakeServices) -> None:
    await services.create_streams()
    await services.answer(GetSession, samples.session())


@each("query", [{}, {"types": "session.created"}, {"after": "0"}])
async def test_a_deleted_session_ends_its_streams(base_url: str, services: FakeServices, query: dict[str, str]):
    async with open_stream(base_url, services.token(), params=query) as follower:
        await services.publish(SessionDeleted.example())
        [last] = await follower.remaining()
    assert (last.event, last.json()["status"]) == ("session.deleted", "terminated")


async def test_a_stored_deletion_ends_a_stream_that_replays_it(base_url: str, services: FakeServices):
    await services.publish(RunStarted.example())
    await services.publish(SessionDeleted.example())
    await services.publish(RunStarted.example())
    async with open_stream(base_url, services.token(), params={"after": "0"}) as follower:
        events = [event.event for event in await follower.remaining()]
    assert events == ["session.run_started", "session.deleted"]


async def test_a_deleted_session_closes_its_websockets(base_url: str, services: FakeServices):
    async with open_websocket(base_url, services.token()) as client:
        await client.next()
        await services.answer(GetSession, GONE)
        await services.publish(SessionDeleted.example())
        kind, data = await client.next()
        assert (kind, data["status"]) == ("status_change", "terminated")
        assert await client.wait_closed() == (1000, [])


async def test_the_stream_of_a_user_continues_after_a_deletion(base_url: str, services: FakeServices):
    async with open_stream(base_url, services.token(), MINE) as follower:
        await services.publish(SessionDeleted.example())
        await services.publish(SessionCreated.example(), at=str(OTHER))
        assert await follower.names(2) == ["session.deleted", "session.created"]


async def test_a_deletion_while_a_stream_is_opened_is_404(client: httpx.AsyncClient, harness: Harness):
    def check(_: GetSession) -> object:
        assert harness.gateway.streams.open  # from now on the stream would receive the deletion
        return GONE

    await harness.services.answer_with(GetSession, check)
    assert (await client.get(EVENTS)).status_code == 404
    assert not harness.gateway.streams.open


@each(("path", "remaining"), [(MINE, ["session.deleted", "session.created"]), (EVENTS, [])])
async def test_events_of_a_deleted_session_are_not_replayed(
    base_url: str, services: FakeServices, path: str, remaining: list[str]
):
    await services.answer(FindSessions, [OTHER])
    await services.publish(RunRequested.example())
    await services.publish(SessionDeleted.example())
    await services.publish(SessionCreated.example(), at=str(OTHER))
    async with open_stream(base_url, services.token(), path, params={"after": "0"}) as follower:
        assert await follower.names(len(remaining)) == remaining
        if path == EVENTS:
            assert [event.event for event in await follower.remaining()] == ["session.deleted"]


async def test_events_of_a_deleted_task_are_not_replayed(base_url: str, services: FakeServices):
    await services.answer(FindTasks, [OTHER])
    await services.publish(TaskCreated.example())
    await services.publish(ExecutionSubmitted.example())
    await services.publish(TaskDeleted.example())
    await services.publish(TaskCreated.example(), at=str(OTHER))
    async with open_stream(base_url, services.token(), MINE, params={"after": "0"}) as follower:
        assert await follower.names(2) == ["task.deleted", "task.created"]


async def test_nothing_is_replayed_if_the_sessions_cannot_be_checked(base_url: str, services: FakeServices):
    await services.answer(FindSessions, GONE)
    await services.publish(RunRequested.example())
    async with open_stream(base_url, services.token(), MINE, params={"after": "0"}) as follower:
        assert [event.event for event in await follower.remaining()] == ["error"]


async def test_closed_streams_leave_no_consumer_on_the_bus(
    base_url: str, services: FakeServices, harness: Harness, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("gateway.streams.fan_out.LINGER_SECONDS", 0.0)
    for _ in range(300):
        await services.publish(RunStarted.example())
    for number in range(30):
        token = services.token(sub=str(UUID(int=number)))  # one user per stream, because of the limit per user
        async with open_stream(base_url, token, params={"after": str(number)}):
            pass
    await eventually(lambda: not harness.gateway.streams.open)
    async with asyncio.timeout(60):
        while (await services.js.stream_info("EVT_SESSION")).state.consumer_count:  # noqa: ASYNC110  the bus knows
            await asyncio.sleep(0.05)


async def test_the_streams_of_a_user_are_limited(base_url: str, services: FakeServices, client: httpx.AsyncClient):
    token = services.token()
    async with open_stream(base_url, token, EVENTS), open_stream(base_url, token, MINE):
        response = await client.get(EVENTS)
        assert (response.status_code, response.json()["error_code"]) == (429, "TOO_MANY_STREAMS")
        assert int(response.headers["retry-after"]) == response.json()["retry_after"]
        async with open_websocket(base_url, token) as socket:
            assert await socket.wait_closed() == (1013, ["error"])
        async with open_stream(base_url, services.token(sub=str(OTHER)), MINE):
            pass  # another user


async def test_a_closed_stream_does_not_count_towards_the_limit(
    base_url: str, services: FakeServices, harness: Harness
):
    token = services.token()
    async with open_stream(base_url, token), open_stream(base_url, token):
        pass
    await eventually(lambda: not harness.gateway.streams.open)
    async with open_stream(base_url, token):
        pass
