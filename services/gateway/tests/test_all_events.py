"""The events of all users, for administrators: as a stream and in pages."""

from typing import Any

import httpx
import pytest
from contracts.identity.login import UserLoggedIn
from contracts.samples import FAMILY, USER
from contracts.session.run import RunCompleted, RunStarted
from contracts.session.session import FindSessions, SessionCreated, SessionDeleted
from gateway.settings import Settings
from gateway.streams import pages
from runtime import clock

from services.gateway.tests.cases import each
from services.gateway.tests.fake_services import OTHER, FakeServices
from services.gateway.tests.harness import Harness
from services.gateway.tests.sse_client import open_stream

ALL = "/api/v1/admin/events"
EVENTS = {"accept": "text/event-stream"}


@pytest.fixture
def settings(nats_url: str) -> Settings:
    return Settings(nats_url=nats_url, rate_limits="none", ask_timeout_seconds=60, stream_heartbeat_seconds=0.1)


@pytest.fixture(autouse=True)
async def service(services: FakeServices) -> FakeServices:
    await services.create_streams()
    return services


@pytest.fixture
async def admin(harness: Harness):
    async with harness.client("admin") as client:
        yield client


@pytest.fixture
def token(services: FakeServices) -> str:
    return services.token(role="admin")


async def publish_of_two_users(services: FakeServices) -> None:
    """Publish events of two users, that of identity before those of session."""
    await services.publish(UserLoggedIn.model_validate({"family_id": FAMILY}), owner=str(OTHER), at=str(OTHER))
    await services.publish(RunStarted.example())
    await services.publish(RunCompleted.example(), owner=str(OTHER), at=str(OTHER))


async def read(admin: httpx.AsyncClient, **parameters: Any) -> tuple[list[str], dict[str, Any]]:
    """Return the types of the events of a page, and the page."""
    response = await admin.get(ALL, params=parameters)
    response.raise_for_status()
    page = response.json()
    return [event["type"] for event in page["items"]], page


async def test_a_stream_has_the_events_of_all_users(base_url: str, token: str, services: FakeServices):
    async with open_stream(base_url, token, ALL, headers=EVENTS) as follower:
        await publish_of_two_users(services)
        sent = [(await follower.next()).json() for _ in range(3)]
    assert {event["user_id"] for event in sent} == {USER, str(OTHER)}


async def test_a_stream_is_resumed_from_the_id_of_an_event(base_url: str, token: str, services: FakeServices):
    await publish_of_two_users(services)
    async with open_stream(base_url, token, ALL, headers=EVENTS | {"last-event-id": "session-1"}) as follower:
        assert set(await follower.names(2)) == {"identity.user_logged_in", "session.run_completed"}


async def test_a_stream_of_one_user_has_only_their_events(base_url: str, token: str, services: FakeServices):
    options: dict[str, Any] = {"params": {"user_id": str(OTHER), "after": "0"}, "headers": EVENTS}
    await publish_of_two_users(services)
    async with open_stream(base_url, token, ALL, **options) as follower:
        assert set(await follower.names(2)) == {"identity.user_logged_in", "session.run_completed"}
        await services.publish(RunStarted.example())
        await services.publish(SessionCreated.example(), owner=str(OTHER))
        assert await follower.names(1) == ["session.created"]


async def test_deletions_are_sent_only_if_they_are_selected(base_url: str, token: str, services: FakeServices):
    options: dict[str, Any] = {"params": {"types": "session.run_*"}, "headers": EVENTS}
    async with open_stream(base_url, token, ALL, **options) as follower:
        await services.publish(SessionDeleted.example())
        await services.publish(RunStarted.example())
        assert await follower.names(1) == ["session.run_started"]


async def test_a_stream_of_everything_has_the_text_of_all_agents(base_url: str, token: str, services: FakeServices):
    async with open_stream(base_url, token, ALL, params={"types": "*"}, headers=EVENTS) as follower:
        await services.publish_text("Hel")
        assert (await follower.next()).json()["text"] == "Hel"


async def test_pages_have_all_events_once(admin: httpx.AsyncClient, services: FakeServices):
    await publish_of_two_users(services)
    first, page = await read(admin, limit=2)
    rest, last = await read(admin, limit=2, after=page["resume_from"])
    assert sorted(first + rest) == ["identity.user_logged_in", "session.run_completed", "session.run_started"]
    assert (page["more"], last["more"], last["expired"]) == (True, False, False)


async def test_a_page_without_events_says_where_the_next_one_begins(admin: httpx.AsyncClient, services: FakeServices):
    await publish_of_two_users(services)
    types, page = await read(admin, types="report.*")
    await services.publish(RunStarted.example())
    assert (types, page["more"]) == ([], False)
    assert (await read(admin, after=page["resume_from"]))[0] == ["session.run_started"]


async def test_a_page_has_the_events_of_one_user(admin: httpx.AsyncClient, services: FakeServices):
    await publish_of_two_users(services)
    assert (await read(admin, user_id=USER))[0] == ["session.run_started"]


async def test_a_page_begins_with_the_events_published_since_a_time(admin: httpx.AsyncClient, services: FakeServices):
    await publish_of_two_users(services)
    now = clock.now().isoformat()
    await services.publish(SessionCreated.example())
    assert (await read(admin, since=now))[0] == ["session.created"]
    assert len((await read(admin, since="2026-01-01T00:00:00Z"))[0]) == 4


async def test_a_page_is_bounded_in_bytes(
    admin: httpx.AsyncClient, services: FakeServices, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(pages, "PAGE_BYTES", 1)
    await services.publish(RunStarted.example())
    await services.publish(RunCompleted.example())
    types, page = await read(admin)
    assert (types, page["more"]) == (["session.run_started"], True)
    assert (await read(admin, after=page["resume_from"]))[0] == ["session.run_completed"]


async def test_a_page_says_that_events_have_expired(admin: httpx.AsyncClient, services: FakeServices):
    numbers = [await services.publish(RunStarted.example()) for _ in range(3)]
    await services.js.purge_stream("EVT_SESSION", seq=numbers[-1])
    types, page = await read(admin, after="session-1")
    assert (types, page["expired"]) == (["session.run_started"], True)


@each(
    "query",
    [
        {"after": "soon"},
        {"after": "12"},
        {"after": "other-1"},
        {"types": "session.creatd"},
        {"types": "*" * 100},
        {"since": "yesterday"},
        {"user_id": "ada"},
        {"limit": "101"},
        {"limit": "0"},
    ],
)
async def test_invalid_parameters_are_422(admin: httpx.AsyncClient, query: dict[str, str]):
    for headers in ({}, EVENTS):
        assert (await admin.get(ALL, params=query, headers=headers)).status_code == 422


@each("role", ["user", "viewer"])
async def test_others_are_refused(harness: Harness, role: str):
    async with harness.client(role) as client:
        for headers in ({}, EVENTS):
            assert (await client.get(ALL, headers=headers)).status_code == 403
        assert (await client.get(ALL, params={"user_id": USER})).status_code == 403


async def test_events_of_deleted_sessions_are_not_replayed(admin: httpx.AsyncClient, services: FakeServices):
    await services.answer(FindSessions, [OTHER])
    await publish_of_two_users(services)
    assert (await read(admin))[0] == ["identity.user_logged_in", "session.run_completed"]
