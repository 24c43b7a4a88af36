"""Server-sent events: every event once, in order, from where the client was."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
import pytest
from contracts.identity.events import UserLoggedIn
from contracts.messages import Refused
from contracts.refusals import Code
from contracts.samples import FAMILY, RUN, SESSION, USER
from contracts.session.run import RunCompleted, RunRequested, RunStarted
from contracts.session.session import GetSession, SessionCreated
from gateway.settings import Settings
from gateway.streams.types import wanted
from runtime import ordered
from runtime.testing import eventually

from services.gateway.tests import samples
from services.gateway.tests.door import Door
from services.gateway.tests.following import EVENTS, following
from services.gateway.tests.stand_ins import OTHER, Services

USED = {"duration_ms": 3250, "input_tokens": 0, "output_tokens": 0, "cost_usd": 0.0}
MINE = "/api/v1/events"

THREE = (RunRequested, RunStarted, RunCompleted)

NAMES = ["session.run_requested", "session.run_started", "session.run_completed"]


@pytest.fixture
def settings(nats_url: str) -> Settings:
    return Settings(nats_url=nats_url, ask_timeout_seconds=0.5, stream_heartbeat_seconds=0.1)


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a reader whose consumer is gone notice that soon."""
    monkeypatch.setattr(ordered, "FETCH_TIMEOUT", 0.5)


@pytest.fixture(autouse=True)
async def service(services: Services) -> Services:
    await services.open_streams()
    await services.answer(GetSession, samples.session())
    return services


@pytest.fixture
def token(services: Services) -> str:
    return services.token()


async def first(number: int, lines: AsyncIterator[str]) -> AsyncIterator[str]:
    for _ in range(number):
        yield await anext(lines)


async def record_three(services: Services) -> list[int]:
    return [await services.record(event.example()) for event in THREE]


async def test_an_event_comes_with_its_number_and_name(base_url: str, token: str, services: Services):
    async with following(base_url, token) as follower:
        number = await services.record(RunCompleted.example())
        event = await follower.next()
    assert (event.id, event.event) == (str(number), "session.run_completed")
    assert event.json() == {
        "type": "session.run_completed",
        "session_id": SESSION,
        "resource_id": SESSION,
        "sequence": number,
        "at": "2026-11-25T09:00:00Z",
        "data": RunCompleted.example().model_dump(mode="json") | {"usage": USED},
    }


async def test_a_stream_begins_now(base_url: str, token: str, services: Services):
    await record_three(services)
    async with following(base_url, token) as follower:
        number = await services.record(RunStarted.example())
        assert (await follower.next()).id == str(number)


async def test_a_stream_after_zero_begins_with_the_first_event(base_url: str, token: str, services: Services):
    await record_three(services)
    async with following(base_url, token, params={"after": "0"}) as follower:
        assert await follower.names(3) == NAMES


async def test_a_resumed_stream_has_what_came_meanwhile_and_goes_on(base_url: str, token: str, services: Services):
    first, *_ = await record_three(services)
    async with following(base_url, token, params={"after": str(first)}) as follower:
        assert await follower.names(2) == NAMES[1:]
        await services.record(RunRequested.example())
        assert await follower.names(1) == NAMES[:1]


async def test_the_last_event_id_wins_over_the_address(base_url: str, token: str, services: Services):
    *_, second, third = await record_three(services)
    options: dict[str, Any] = {"params": {"after": "0"}, "headers": {"last-event-id": str(second)}}
    async with following(base_url, token, **options) as follower:
        assert (await follower.next()).id == str(third)


@pytest.mark.parametrize(
    "query",
    [
        {"after": "soon"},
        {"after": "identity-1.session-2"},
        {"types": "a.b.c"},
        {"types": "session.*,session.run_finished"},
        {"types": "identity.password_set"},
        {"types": "session"},
        {"types": "message"},
    ],
)
async def test_an_address_that_makes_no_sense_is_a_problem(client: httpx.AsyncClient, query: dict[str, str]):
    answer = await client.get(EVENTS, params=query)
    assert (answer.status_code, answer.json()["error_code"]) == (422, "VALIDATION_ERROR")


async def test_a_session_of_another_does_not_exist(client: httpx.AsyncClient, services: Services):
    await services.answer(GetSession, Refused(code=Code.SESSION_NOT_FOUND, detail="There is none."))
    assert (await client.get(EVENTS.replace(SESSION, str(OTHER)))).status_code == 404


async def test_a_stream_without_a_token_is_refused(stranger: httpx.AsyncClient):
    assert (await stranger.get(EVENTS)).status_code == 401


async def test_events_that_cannot_be_followed_are_unavailable(
    client: httpx.AsyncClient, services: Services, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("gateway.streams.fan_out.START_TIMEOUT_SECONDS", 0.1)
    await services.js.delete_stream("EVT_SESSION")
    answer = await client.get(EVENTS)
    assert (answer.status_code, answer.json()["error_code"]) == (503, "UNAVAILABLE")


async def test_only_the_events_of_the_session_come(base_url: str, token: str, services: Services):
    async with following(base_url, token) as follower:
        await services.record(RunStarted.example(), at=str(OTHER))
        number = await services.record(RunStarted.example())
        assert (await follower.next()).id == str(number)


async def test_only_the_types_that_are_asked_for_come(base_url: str, token: str, services: Services):
    async with following(base_url, token, params={"types": "task.created,session.run_c*"}) as follower:
        await services.say("hello")
        await record_three(services)
        assert await follower.names(1) == ["session.run_completed"]


async def test_words_come_without_a_number(base_url: str, token: str, services: Services):
    async with following(base_url, token) as follower:
        await services.say("Hel")
        event = await follower.next()
    assert event.event == "text_delta"
    assert event.json() == {"session_id": SESSION, "run_id": RUN, "text": "Hel"}


async def test_a_quiet_stream_has_heartbeats(base_url: str, token: str):
    headers = {"authorization": f"Bearer {token}"}
    async with (
        asyncio.timeout(10),
        httpx.AsyncClient(base_url=base_url, headers=headers) as client,
        client.stream("GET", EVENTS) as answer,
    ):
        lines = [line async for line in first(5, answer.aiter_lines())]
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert lines[-1] == ": nothing new"


async def test_a_user_follows_all_that_is_theirs_and_nothing_else(base_url: str, token: str, services: Services):
    async with following(base_url, token, MINE) as follower:
        await services.record(SessionCreated.example(), owner=str(OTHER), at=RUN)
        await services.say("not asked for")
        await services.record(UserLoggedIn(family_id=UUID(FAMILY)), at=USER)
        login = await follower.next()
        await services.record(SessionCreated.example())
        created = await follower.next()
    assert (login.event, login.id) == ("identity.user_logged_in", "identity-1.session-0")
    assert login.json()["session_id"] is None
    assert (created.event, created.id) == ("session.created", "identity-1.session-2")


async def test_all_that_is_theirs_resumes_without_loss_or_repeat(base_url: str, token: str, services: Services):
    await services.record(UserLoggedIn(family_id=UUID(FAMILY)), at=USER)
    await record_three(services)
    async with following(base_url, token, MINE, headers={"last-event-id": "identity-0.session-2"}) as follower:
        assert await follower.names(2) == ["identity.user_logged_in", "session.run_completed"]
    async with following(base_url, token, MINE, params={"after": "0"}) as follower:
        assert len(await follower.names(4)) == 4


async def test_a_revoked_token_ends_its_streams(base_url: str, token: str, door: Door):
    async with following(base_url, token) as follower:
        door.gateway.revocations.add(UUID(FAMILY))
        [error] = await follower.rest()
    assert (error.event, error.json()["code"]) == ("error", "UNAUTHENTICATED")


async def test_an_expired_token_ends_its_streams(base_url: str, services: Services):
    async with following(base_url, services.token(exp=int(time.time()) + 2)) as follower:
        assert "expired" in (await follower.rest())[-1].json()["message"]


async def test_a_server_that_stops_ends_its_streams(base_url: str, token: str, door: Door):
    async with following(base_url, token) as follower:
        await door.gateway.streams.close()
        [error] = await follower.rest()
    assert error.json()["code"] == "UNAVAILABLE"
    assert not door.gateway.streams.open


async def test_a_client_that_leaves_leaves_nothing_behind(base_url: str, token: str, door: Door):
    before = len(asyncio.all_tasks())
    async with following(base_url, token):
        assert len(door.gateway.streams.open) == 1
    await eventually(lambda: not door.gateway.streams.open)
    await eventually(lambda: len(asyncio.all_tasks()) <= before)


async def test_streams_go_on_where_they_were_when_the_reader_of_events_fails(
    base_url: str, token: str, services: Services, door: Door
):
    async with following(base_url, token) as follower:
        for consumer in await services.js.consumers_info("EVT_SESSION"):
            await services.js.delete_consumer("EVT_SESSION", consumer.name)
        await record_three(services)
        assert await follower.names(3) == NAMES


@pytest.mark.parametrize(
    ("types", "name", "comes"),
    [
        (None, "session.created", True),
        ("session.*", "session.created", True),
        ("session.*", "task.created", False),
        ("*.created", "task.created", True),
        ("session.run_*ed", "session.run_started", True),
        ("task.created, text_delta", "text_delta", True),
        ("*", "text_delta", True),
        ("session.created", "session.created_too", False),
        ("report.finished", "report.finished", True),
    ],
)
def test_types_are_names_with_stars(types: str | None, name: str, comes: bool):
    assert wanted(types, "*.*")(name) is comes


def test_the_events_of_templates_can_be_asked_for():
    assert wanted("session.template_created", "*.*")("session.template_created")


async def test_types_that_match_no_event_are_explained(client: httpx.AsyncClient):
    answer = await client.get(EVENTS, params={"types": "tool_*"})
    why = "types: No event type matches tool_*; names begin with their service, like session.tool_*."
    assert answer.json()["detail"] == why
