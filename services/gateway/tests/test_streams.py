"""Server-sent events: every fact once, in order, from where the client was."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any
from uuid import UUID

import httpx
import pytest
from contracts.identity.events import UserLoggedIn
from contracts.messages import Refused
from contracts.refusals import Code
from contracts.samples import FAMILY, RUN, SESSION, USER
from contracts.session.events import MessageRecorded, RunCompleted, RunRequested, RunStarted, SessionCreated
from contracts.session.queries import GetSession
from contracts.session.values import Usage
from gateway.settings import Settings
from gateway.streams import events, listener, past
from gateway.streams.items import Fact, Gap
from gateway.streams.listener import Listener
from gateway.streams.types import wanted
from runtime.testing import eventually
from starlette.types import Message

from services.gateway.tests import samples
from services.gateway.tests.conftest import OTHER, Door, Services
from services.gateway.tests.following import EVENTS, following

MINE = "/api/v1/events"
THREE = (RunRequested, RunStarted, RunCompleted)
NAMES = ["session.run_requested", "session.run_started", "session.run_completed"]


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


async def first(number: int, lines: AsyncIterator[str]) -> AsyncIterator[str]:
    for _ in range(number):
        yield await anext(lines)


async def record_three(services: Services) -> list[int]:
    return [await services.record(fact.example()) for fact in THREE]


async def test_a_fact_comes_with_its_number_and_name(base_url: str, token: str, services: Services):
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
        "data": {"run_id": RUN, "usage": Usage(duration_ms=3250).model_dump(mode="json") | {"cost_usd": 0.0}},
    }


async def test_a_stream_begins_now(base_url: str, token: str, services: Services):
    await record_three(services)
    async with following(base_url, token) as follower:
        number = await services.record(RunStarted.example())
        assert (await follower.next()).id == str(number)


async def test_a_stream_after_zero_begins_with_the_first_fact(base_url: str, token: str, services: Services):
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


async def test_facts_that_cannot_be_followed_are_unavailable(
    client: httpx.AsyncClient, services: Services, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("gateway.streams.READY", 0.1)
    await services.js.delete_stream("EVT_SESSION")
    answer = await client.get(EVENTS)
    assert (answer.status_code, answer.json()["error_code"]) == (503, "UNAVAILABLE")


async def test_only_the_facts_of_the_session_come(base_url: str, token: str, services: Services):
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


async def test_a_quiet_stream_tells_from_where_to_resume_when_the_facts_of_others_are_gone(
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
    door.gateway.streams.past.pause = 0
    for _ in range(150):
        await services.record(RunStarted.example())
    async with following(base_url, token, params={"after": "0", "types": "session.run_completed"}) as follower:
        assert (await follower.beat()).id == "100"


async def test_a_client_whose_turn_to_resume_has_not_come_has_heartbeats(
    base_url: str, token: str, services: Services, door: Door
):
    await record_three(services)
    readers = door.gateway.streams.past.readers
    for _ in range(past.READERS):
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


async def test_facts_that_go_while_a_client_reads_its_past_are_a_gap(door: Door, services: Services):
    for _ in range(250):
        await services.record(RunStarted.example())
    slow = Listener.of_session(await door.gateway.tokens.verify(services.token()), UUID(SESSION))
    with door.gateway.streams.listening(slow):
        await door.gateway.streams.start(slow, "0")
        async with aclosing(door.gateway.streams.told(slow)) as told:
            await anext(told)
            await services.js.purge_stream("EVT_SESSION", seq=200)
            assert [item async for item in told][-1] == Gap("250", "expired")


async def test_a_client_whose_bus_lost_the_facts_gets_a_gap(door: Door, services: Services):
    client = Listener.of_session(await door.gateway.tokens.verify(services.token()), UUID(SESSION))
    client.place.seen = {"session": 0}
    client.miss()
    assert [item async for item in client.heard(1)] == [Gap("0", "expired")]


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


async def test_streams_go_on_where_they_were_when_the_reader_of_facts_fails(
    base_url: str, token: str, services: Services, door: Door
):
    async with following(base_url, token) as follower:
        for consumer in await services.js.consumers_info("EVT_SESSION"):
            await services.js.delete_consumer("EVT_SESSION", consumer.name)
        await record_three(services)
        assert await follower.names(3) == NAMES


def offered(sequence: int, size: int = 2) -> Fact:
    return Fact("session", sequence, "session.run_started", {}, "x" * size)


async def test_a_client_that_does_not_keep_up_gets_what_waits_and_then_a_gap(door: Door, services: Services):
    slow = Listener.of_session(await door.gateway.tokens.verify(services.token()), UUID(SESSION))
    slow.place.seen = {"session": 0}
    for sequence in range(1, listener.QUEUE + 3):
        slow.offer(offered(sequence))
    told = [events.written(item, slow) async for item in slow.heard(1)]
    assert len(told) == listener.QUEUE + 1
    assert told[-1] == b'id: 256\nevent: gap\ndata: {"resume_from":"256","reason":"slow"}\n\n'


async def test_what_waits_for_a_client_is_bounded_in_bytes(door: Door, services: Services):
    slow = Listener.of_session(await door.gateway.tokens.verify(services.token()), UUID(SESSION))
    slow.place.seen = {"session": 0}
    for sequence in range(1, 10):
        slow.offer(offered(sequence, listener.QUEUE_BYTES // 3))
    assert [type(item) async for item in slow.heard(1)] == [Fact, Fact, Fact, Fact, Gap]
    assert slow.idle is False


async def test_a_client_that_takes_nothing_is_given_up(
    base_url: str, token: str, door: Door, services: Services, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(events, "PATIENCE", 0.2)
    host, port = httpx.URL(base_url).host, httpx.URL(base_url).port
    reader, writer = await asyncio.open_connection(host, port, limit=1024)
    writer.write(f"GET {EVENTS} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\r\n".encode())
    await reader.readuntil(b"connected")
    large = MessageRecorded.model_validate(MessageRecorded.sample | {"model": "x" * 500_000})
    for _ in range(40):
        await services.record(large)
    await eventually(lambda: not door.gateway.streams.open, within=20)
    writer.close()


async def test_a_client_that_takes_a_large_event_slowly_is_not_given_up(
    door: Door, services: Services, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(events, "PATIENCE", 0.3)
    slow = Listener.of_session(await door.gateway.tokens.verify(services.token()), UUID(SESSION))
    taken: list[bytes] = []

    async def blocks() -> AsyncGenerator[bytes]:
        yield b"x" * events.PIECE * 30

    async def send(message: Message) -> None:
        await asyncio.sleep(0.02)
        taken.append(message.get("body", b""))

    await events.EventStream(slow, blocks())({"type": "http"}, asyncio.Event().wait, send)  # pyright: ignore[reportArgumentType]
    assert slow.last is None
    assert len(b"".join(taken)) == events.PIECE * 30


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
