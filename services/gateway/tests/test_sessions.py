"""The routes of sessions and their conversations."""

from typing import Any

import httpx
from contracts.messages import Page, Refused
from contracts.refusals import Code
from contracts.samples import MESSAGE, SESSION, TIME, USER
from contracts.session.conversation import GetMessage, ListMessages, ListToolCalls, MessageView
from contracts.session.run import GetRun
from contracts.session.session import CreateSession, DeleteSession, GetSession, ListSessions

from services.gateway.tests import samples
from services.gateway.tests.cases import each
from services.gateway.tests.fake_services import OTHER, FakeServices

SESSIONS = "/api/v1/sessions"
ONE = f"{SESSIONS}/{SESSION}"


def page_of(*items: Any, total: int) -> Page[Any]:
    return Page(items=list(items), total=total)


async def test_a_session_is_created(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(CreateSession, samples.session())
    body = {"name": "My Session", "mode": "non_interactive", "sdk_options": {"allowed_tools": ["Read"]}}
    response = await client.post(SESSIONS, json=body)
    command, envelope = services.received[-1]
    assert (response.status_code, response.headers["location"]) == (201, ONE)
    assert (command.name, command.mode) == ("My Session", "non_interactive")
    assert command.sdk_options.allowed_tools == ["Read"]
    assert str(envelope.actor.user_id if envelope.actor else None) == USER


async def test_a_session_can_be_created_without_options(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(CreateSession, samples.session())
    assert (await client.post(SESSIONS, json={})).status_code == 201
    command, _ = services.received[-1]
    assert (command.name, command.mode) == ("Untitled session", None)


async def test_costs_are_numbers_and_times_are_utc(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(GetSession, samples.session())
    body = (await client.get(ONE)).json()
    assert (body["total_cost_usd"], body["created_at"]) == (0.0523, TIME)
    assert body.keys() == samples.session().model_dump().keys()


@each(
    "wrong",
    [
        {"name": ""},
        {"name": "   "},
        {"name": "x" * 201},
        {"name": None},
        {"mode": "forked"},
        {"mode": "other"},
        {"sdk_options": None},
        {"sdk_options": []},
        {"sdk_options": {"other": 1}},
        {"sdk_options": {"permission_mode": "all"}},
        {"sdk_options": {"max_turns": 0}},
        {"sdk_options": {"max_turns": "many"}},
        {"sdk_options": {"allowed_tools": "Read"}},
        {"sdk_options": {"allowed_tools": ["Raed"]}},
        {"sdk_options": {"disallowed_tools": ["Bash()"]}},
        {"sdk_options": {"timeout_seconds": 10**30}},
        {"template_id": "x"},
        {"id": SESSION},
    ],
)
async def test_an_invalid_session_is_422(client: httpx.AsyncClient, wrong: dict[str, Any]):
    response = await client.post(SESSIONS, json=wrong)
    assert (response.status_code, response.json()["error_code"]) == (422, "VALIDATION_ERROR")


BYPASS = {"sdk_options": {"permission_mode": "bypassPermissions"}}


async def test_an_option_for_administrators_is_403(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(CreateSession, Refused(code=Code.ADMINS_ONLY, detail="For admins only."))
    response = await client.post(SESSIONS, json=BYPASS)
    assert (response.status_code, response.json()["error_code"]) == (403, "ADMINS_ONLY")


async def test_only_the_options_that_were_sent_reach_the_service(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(CreateSession, samples.session())
    await client.post(SESSIONS, json={"sdk_options": {"model": None, "timeout_seconds": 600}})
    assert services.received[-1][0].sdk_options.model_fields_set == {"model", "timeout_seconds"}


async def test_sessions_are_listed_with_their_filters(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(ListSessions, page_of(samples.session(), total=42))
    response = await client.get(SESSIONS, params={"skip": 20, "limit": 10, "status": "active", "mode": "interactive"})
    assert services.received[-1][0] == ListSessions(skip=20, limit=10, status="active", mode="interactive")
    body = response.json()
    assert (body["total"], body["skip"], body["limit"]) == (42, 20, 10)
    assert body["links"] == {
        "next": f"{SESSIONS}?skip=30&limit=10&status=active&mode=interactive",
        "prev": f"{SESSIONS}?skip=10&limit=10&status=active&mode=interactive",
    }


async def test_sessions_are_found_by_name_and_metadata(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(ListSessions, page_of(samples.session(), total=2))
    found = {"q": "fix", "metadata.ticket": "OPS-42", "metadata.team.name": "a b"}
    response = await client.get(SESSIONS, params={"limit": 1, **found})
    asked = services.received[-1][0]
    assert asked == ListSessions(limit=1, q="fix", metadata={"ticket": "OPS-42", "team.name": "a b"})
    query = "skip=1&limit=1&q=fix&metadata.ticket=OPS-42&metadata.team.name=a+b"
    assert response.json()["links"]["next"] == f"{SESSIONS}?{query}"


@each("query", ["metadata=a", "metadata.=a", "data.a=b", "q=", "q=%00", "metadata.a=1&metadata.a=2", "metadata.a=%00"])
async def test_an_invalid_filter_is_422(client: httpx.AsyncClient, query: str):
    response = await client.get(f"{SESSIONS}?{query}")
    assert (response.status_code, response.json()["error_code"]) == (422, "VALIDATION_ERROR")


async def test_more_than_ten_filters_of_metadata_are_422(client: httpx.AsyncClient):
    response = await client.get(SESSIONS, params={f"metadata.{n}": "a" for n in range(11)})
    assert response.status_code == 422


async def test_the_metadata_of_a_new_session_reaches_the_service(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(CreateSession, samples.session())
    await client.post(SESSIONS, json={"metadata": {"ticket": 42}})
    assert services.received[-1][0].metadata == {"ticket": 42}


async def test_a_single_page_has_no_links(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(ListSessions, page_of(samples.session(), total=1))
    body = (await client.get(SESSIONS)).json()
    assert (body["limit"], body["links"]) == (100, {"next": None, "prev": None})


async def test_a_session_is_deleted(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(DeleteSession, None)
    response = await client.delete(ONE)
    assert (response.status_code, response.content) == (204, b"")
    assert str(services.received[-1][0].session_id) == SESSION


@each("path", ["x", f"{SESSION}0", "..%2f..%2fetc"])
async def test_an_id_that_is_not_a_uuid_is_422_or_404(client: httpx.AsyncClient, path: str):
    assert (await client.get(f"{SESSIONS}/{path}")).status_code in {404, 422}


async def test_messages_are_listed(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(ListMessages, page_of(samples.message(), total=10))
    response = await client.get(f"{ONE}/messages", params={"skip": 2, "limit": 1})
    assert services.received[-1][0] == ListMessages.model_validate({"session_id": SESSION, "skip": 2, "limit": 1})
    assert response.json()["items"][0]["content"] == MessageView.sample["content"]
    assert response.json()["links"]["next"] == f"{ONE}/messages?skip=3&limit=1"


async def test_a_message_is_returned(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(GetMessage, samples.message())
    assert (await client.get(f"{ONE}/messages/{MESSAGE}")).json()["content"] == MessageView.sample["content"]
    assert str(services.received[-1][0].message_id) == MESSAGE


async def test_tool_calls_are_listed(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(ListToolCalls, page_of(samples.tool_call(), total=1))
    [call] = (await client.get(f"{ONE}/tool-calls")).json()["items"]
    assert (call["tool_name"], call["status"], call["duration_ms"]) == ("Read", "success", 120)


async def test_a_run_is_returned(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(GetRun, samples.run())
    body = (await client.get(f"{ONE}/runs/{OTHER}")).json()
    assert (body["status"], body["usage"]["cost_usd"]) == ("completed", 0.0012)


async def test_another_users_session_is_404(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(GetSession, Refused(code=Code.SESSION_NOT_FOUND, detail="There is none."))
    assert (await client.get(ONE)).status_code == 404
