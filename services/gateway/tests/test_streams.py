"""Server-sent events: every event once and in order, from the client's cursor on."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
import pytest
from contracts.identity.login import UserLoggedIn
from contracts.messages import Refused
from contracts.refusals import Code
from contracts.samples import EXECUTION, FAMILY, MESSAGE, RUN, SESSION, TASK, USER
from contracts.session.run import RunCompleted, RunRequested, RunStarted
from contracts.session.session import GetSession, SessionCreated
from contracts.task_scheduler.execution import ExecutionCompleted
from contracts.task_scheduler.task import TaskPaused
from gateway.settings import Settings
from runtime.bus import ordered
from runtime.testing import eventually

from services.gateway.tests import samples
from services.gateway.tests.cases import each
from services.gateway.tests.fake_services import OTHER, FakeServices
from services.gateway.tests.harness import Harness
from services.gateway.tests.sse_client import EVENTS, open_stream

USED = {"duration_ms": 3250, "input_tokens": 0, "output_tokens": 0, "cost_usd": 0.0}
MINE = "/api/v1/events"

THREE = (RunRequested, RunStarted, RunCompleted)

NAMES = ["session.run_requested", "session.run_started", "session.run_completed"]


@pytest.fixture
def settings(nats_url: str) -> Settings:
    return Settings(nats_url=nats_url, rate_limits="none", ask_timeout_seconds=60, stream_heartbeat_seconds=0.1)


@pytest.fixture
def short_fetch_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let readers soon notice that their consumer was deleted."""
    monkeypatch.setattr(ordered, "FETCH_TIMEOUT", 0.5)


@pytest.fixture(autouse=True)
async def service(services: FakeServices) -> FakeServices:
    await services.create_streams()
    await services.answer(GetSession, samples.session())
    return services


@pytest.fixture
def token(services: FakeServices) -> str:
    return services.token()


async def first(number: int, lines: AsyncIterator[str]) -> AsyncIterator[str]:
    for _ in range(number):
        yield await anext(lines)


async def publish_three(services: FakeServices) -> list[int]:
    return [await services.publish(event.example()) for event in THREE]


async def test_an_event_has_its_sequence_and_name(base_url: str, token: str, services: FakeServices):
    async with open_stream(base_url, token) as follower:
        number = await services.publish(RunCompleted.example())
        event = await follower.next()
    assert (event.id, event.event) == (str(number), "session.run_completed")
    fields = RunCompleted.example().model_dump(mode="json") | {"usage": USED}
    assert event.json() == fields | {
        "type": "session.run_completed",
        "event_id": str(OTHER),
        "sequence": number,
        "time": "2026-11-25T09:00:00Z",
        "user_id": USER,
        "session_id": SESSION,
        "resource_id": SESSION,
    }


async def test_a_new_stream_begins_with_the_next_event(base_url: str, token: str, services: FakeServices):
    await publish_three(services)
    async with open_stream(base_url, token) as follower:
        number = await services.publish(RunStarted.example())
        assert (await follower.next()).id == str(number)


async def test_a_stream_after_zero_begins_with_the_first_event(base_url: str, token: str, services: FakeServices):
    await publish_three(services)
    async with open_stream(base_url, token, params={"after": "0"}) as follower:
        assert await follower.names(3) == NAMES


async def test_a_resumed_stream_replays_missed_events_and_continues(base_url: str, token: str, services: FakeServices):
    first, *_ = await publish_three(services)
    async with open_stream(base_url, token, params={"after": str(first)}) as follower:
        assert await follower.names(2) == NAMES[1:]
        await services.publish(RunRequested.example())
        assert await follower.names(1) == NAMES[:1]


async def test_last_event_id_takes_precedence_over_after(base_url: str, token: str, services: FakeServices):
    *_, second, third = await publish_three(services)
    options: dict[str, Any] = {"params": {"after": "0"}, "headers": {"last-event-id": str(second)}}
    async with open_stream(base_url, token, **options) as follower:
        assert (await follower.next()).id == str(third)


@each(
    "query",
    [
        {"after": "soon"},
        {"after": "٣"},
        {"after": "identity-1.session-2"},
        {"types": "a.b.c"},
        {"types": "session.*,session.run_finished"},
        {"types": "identity.password_set"},
        {"types": "session"},
        {"types": "message"},
        {"types": "task.execution_finished"},
        {"types": "task.environment_set"},
    ],
)
async def test_invalid_stream_parameters_are_422(client: httpx.AsyncClient, query: dict[str, str]):
    response = await client.get(EVENTS, params=query)
    assert (response.status_code, response.json()["error_code"]) == (422, "VALIDATION_ERROR")


async def test_another_users_session_is_not_found(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(GetSession, Refused(code=Code.SESSION_NOT_FOUND, detail="There is none."))
    assert (await client.get(EVENTS.replace(SESSION, str(OTHER)))).status_code == 404


async def test_a_stream_without_a_token_is_401(anonymous: httpx.AsyncClient):
    assert (await anonymous.get(EVENTS)).status_code == 401


async def test_an_unavailable_stream_is_503(
    client: httpx.AsyncClient, services: FakeServices, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("gateway.streams.fan_out.START_TIMEOUT_SECONDS", 0.1)
    await services.js.delete_stream("EVT_SESSION")
    response = await client.get(EVENTS)
    assert (response.status_code, response.json()["error_code"]) == (503, "UNAVAILABLE")


async def test_only_events_of_the_session_are_sent(base_url: str, token: str, services: FakeServices):
    async with open_stream(base_url, token) as follower:
        await services.publish(RunStarted.example(), at=str(OTHER))
        number = await services.publish(RunStarted.example())
        assert (await follower.next()).id == str(number)


async def test_only_the_requested_types_are_sent(base_url: str, token: str, services: FakeServices):
    async with open_stream(base_url, token, params={"types": "task.created,session.run_c*"}) as follower:
        await services.publish_text("hello")
        await publish_three(services)
        assert await follower.names(1) == ["session.run_completed"]


@each("kind", ["text", "thinking"])
async def test_deltas_name_their_message_and_have_no_id(base_url: str, token: str, services: FakeServices, kind: Any):
    async with open_stream(base_url, token, params={"types": f"{kind}_delta"}) as follower:
        await services.publish_text("Hel", kind=kind)
        event = await follower.next()
    assert event.event == f"{kind}_delta"
    assert event.json() == {"session_id": SESSION, "run_id": RUN, "message_id": MESSAGE, "text": "Hel"}


async def test_an_idle_stream_has_heartbeats(base_url: str, token: str):
    headers = {"authorization": f"Bearer {token}"}
    async with (
        asyncio.timeout(60),
        httpx.AsyncClient(base_url=base_url, headers=headers, timeout=60) as client,
        client.stream("GET", EVENTS) as response,
    ):
        lines = [line async for line in first(5, response.aiter_lines())]
    assert response.headers["content-type"].startswith("text/event-stream")
    assert lines[-1] == ": nothing new"


async def test_the_stream_of_a_user_has_only_their_events(
    base_url: str, token: str, services: FakeServices, harness: Harness
):
    harness.gateway.streams.heartbeat = 60  # a heartbeat would move the cursor beyond the events of others
    async with open_stream(base_url, token, MINE) as follower:
        await services.publish(SessionCreated.example(), owner=str(OTHER), at=RUN)
        await services.publish_text("not asked for")
        await services.publish(UserLoggedIn(family_id=UUID(FAMILY)), at=USER)
        login = await follower.next()
        await services.publish(SessionCreated.example())
        created = await follower.next()
    assert (login.event, login.id) == (
        "identity.user_logged_in",
        "identity-1.mcp_registry-0.report-0.session-0.task_scheduler-0.webhook-0",
    )
    assert login.json()["session_id"] is None
    assert (created.event, created.id) == (
        "session.created",
        "identity-1.mcp_registry-0.report-0.session-2.task_scheduler-0.webhook-0",
    )


async def test_the_stream_of_a_user_resumes_without_loss_or_repeat(base_url: str, token: str, services: FakeServices):
    await services.publish(UserLoggedIn(family_id=UUID(FAMILY)), at=USER)
    await publish_three(services)
    async with open_stream(base_url, token, MINE, headers={"last-event-id": "identity-0.session-2"}) as follower:
        assert await follower.names(2) == ["identity.user_logged_in", "session.run_completed"]
    async with open_stream(base_url, token, MINE, params={"after": "0"}) as follower:
        assert len(await follower.names(4)) == 4


async def test_the_stream_of_a_user_sends_task_events_by_their_public_names(
    base_url: str, token: str, services: FakeServices
):
    async with open_stream(base_url, token, MINE, params={"types": "task.*"}) as follower:
        await services.publish(SessionCreated.example())
        await services.publish(TaskPaused.example(), at=TASK)
        paused = await follower.next()
    assert (paused.event, paused.json()["type"]) == ("task.paused", "task.paused")
    assert (paused.json()["resource_id"], paused.json()["session_id"]) == (TASK, None)


async def test_a_replayed_task_event_has_its_public_name(base_url: str, token: str, services: FakeServices):
    await services.publish(ExecutionCompleted.example(), at=EXECUTION)
    await services.publish(TaskPaused.example(), at=TASK)
    options = {"after": "0", "types": "task.execution_*"}
    async with open_stream(base_url, token, MINE, params=options) as follower:
        assert (await follower.next()).event == "task.execution_completed"


async def test_a_cursor_from_before_a_service_existed_is_valid(base_url: str, token: str, services: FakeServices):
    await services.publish(TaskPaused.example(), at=TASK)
    async with open_stream(base_url, token, MINE, params={"after": "identity-0.session-0"}) as follower:
        assert await follower.names(1) == ["task.paused"]


async def test_a_revoked_token_ends_its_streams(base_url: str, token: str, harness: Harness):
    async with open_stream(base_url, token) as follower:
        harness.gateway.revocations.add(UUID(FAMILY))
        [error] = await follower.remaining()
    assert (error.event, error.json()["code"]) == ("error", "UNAUTHENTICATED")


async def test_an_expired_token_ends_its_streams(base_url: str, token: str, monkeypatch: pytest.MonkeyPatch):
    later = time.time() + 3601
    async with open_stream(base_url, token) as follower:
        monkeypatch.setattr("gateway.clients.auth.tokens.time.time", lambda: later)
        assert "expired" in (await follower.remaining())[-1].json()["message"]


async def test_a_shutdown_ends_the_streams(base_url: str, token: str, harness: Harness):
    async with open_stream(base_url, token) as follower:
        await harness.gateway.streams.close()
        [error] = await follower.remaining()
    assert error.json()["code"] == "UNAVAILABLE"
    assert not harness.gateway.streams.open


async def test_a_disconnect_releases_all_resources(
    base_url: str, token: str, harness: Harness, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("gateway.streams.fan_out.LINGER_SECONDS", 0.0)
    before = len(asyncio.all_tasks())
    async with open_stream(base_url, token):
        assert len(harness.gateway.streams.open) == 1
    await eventually(lambda: not harness.gateway.streams.open)
    await eventually(lambda: len(asyncio.all_tasks()) <= before)


async def test_the_events_are_followed_for_a_while_without_clients(base_url: str, token: str, harness: Harness):
    async with open_stream(base_url, token):
        pass
    await eventually(lambda: not harness.gateway.streams.open)
    assert all(feed.live.is_set() for feed in harness.gateway.streams.feeds.values())


@pytest.mark.usefixtures("short_fetch_timeout")
async def test_streams_continue_when_the_consumer_is_recreated(base_url: str, token: str, services: FakeServices):
    async with open_stream(base_url, token) as follower:
        for consumer in await services.js.consumers_info("EVT_SESSION"):
            await services.js.delete_consumer("EVT_SESSION", consumer.name)
        await publish_three(services)
        assert await follower.names(3) == NAMES
