"""Conditional requests: entity tags, 304 and 412."""

from typing import Any
from unittest.mock import Mock

import httpx
import pytest
from contracts.files import FilePrecondition
from contracts.messages import Page, Refused
from contracts.refusals import Code
from contracts.samples import SESSION
from contracts.session.session import ChangeSession, DeleteSession, GetSession, ListSessions
from contracts.session.workspace import DeleteFile, FileWritten, WriteFile
from gateway.clients.auth.callers import User
from gateway.problems import Problem
from gateway.routing.entity_tags import expected_versions
from starlette.datastructures import Headers

from services.gateway.tests import samples
from services.gateway.tests.cases import each
from services.gateway.tests.fake_services import FakeServices
from services.gateway.tests.test_workspace import FILE as ENTRY
from services.gateway.tests.test_workspace import FILES, Store

SESSIONS = "/api/v1/sessions"
ONE = f"{SESSIONS}/{SESSION}"


@pytest.fixture(autouse=True)
async def session(services: FakeServices) -> None:
    services.version = 5
    await services.answer(GetSession, samples.session())
    await services.answer(ChangeSession, samples.session())
    await services.answer(DeleteSession, None)


async def tag(client: httpx.AsyncClient, path: str = ONE) -> str:
    return (await client.get(path)).headers["etag"]


async def change(client: httpx.AsyncClient, if_match: str) -> httpx.Response:
    return await client.patch(ONE, json={"name": "two"}, headers={"if-match": if_match})


def problem(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error_code"]


def expected(services: FakeServices) -> tuple[int, ...]:
    return services.received[-1][1].expected_versions


async def test_the_tag_of_a_resource_begins_with_its_version(client: httpx.AsyncClient):
    assert (await tag(client)).startswith('"5-')
    assert await tag(client) == await tag(client)


async def test_a_client_is_admitted_once(client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch):
    check = Mock()
    monkeypatch.setattr(User, "check", check)
    await client.patch(ONE, json={"name": "two"}, headers={"if-match": '"5-0"'}, params={"unknown": "x"})
    check.assert_called_once_with("write", viewers_write=False)


async def test_the_tag_changes_with_the_representation(client: httpx.AsyncClient, services: FakeServices):
    before = await tag(client)
    await services.answer(GetSession, samples.session(name="two"))
    assert await tag(client) != before


async def test_the_tag_changes_with_the_version(client: httpx.AsyncClient, services: FakeServices):
    before = await tag(client)
    services.version = 6
    assert await tag(client) != before


@each("wanted", ["{tag}", 'W/{tag}, "other"', '"other" , {tag}', "*"])
async def test_a_current_copy_is_304(client: httpx.AsyncClient, wanted: str):
    current = await tag(client)
    response = await client.get(ONE, headers={"if-none-match": wanted.replace("{tag}", current)})
    assert (response.status_code, response.content, response.headers["etag"]) == (304, b"", current)


@each("wanted", ['"other"', "", "5-", 'W/"'])
async def test_an_old_copy_is_200(client: httpx.AsyncClient, wanted: str):
    assert (await client.get(ONE, headers={"if-none-match": wanted})).status_code == 200


async def test_head_has_the_tag_and_is_conditional(client: httpx.AsyncClient):
    response = await client.head(ONE)
    assert response.headers["etag"] == await tag(client)
    conditional = await client.head(ONE, headers={"if-none-match": response.headers["etag"]})
    assert conditional.status_code == 304


async def test_lists_have_weak_tags(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(ListSessions, Page[Any](items=[], total=0))
    weak = await tag(client, SESSIONS)
    assert weak.startswith('W/"')
    assert (await client.get(SESSIONS, headers={"if-none-match": weak})).status_code == 304


async def test_errors_have_no_tag(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(GetSession, Refused(code=Code.SESSION_NOT_FOUND, detail="None."))
    response = await client.get(ONE, headers={"if-none-match": "*"})
    assert (response.status_code, response.headers.get("etag")) == (404, None)


async def test_a_change_expects_the_version_of_its_tag(client: httpx.AsyncClient, services: FakeServices):
    assert (await change(client, await tag(client))).status_code == 200
    assert expected(services) == (5,)


async def test_a_change_returns_the_tag_of_what_a_read_returns(client: httpx.AsyncClient):
    response = await change(client, "*")
    assert response.headers["etag"] == await tag(client)


async def test_a_change_may_have_several_tags(client: httpx.AsyncClient, services: FakeServices):
    first, services.version = await tag(client), 7
    await change(client, f"{first}, {await tag(client)}")
    assert expected(services) == (5, 7)


async def test_any_tag_expects_no_version(client: httpx.AsyncClient, services: FakeServices):
    assert (await change(client, "*")).status_code == 200
    assert expected(services) == ()


async def test_a_refused_precondition_is_412(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(DeleteSession, Refused(code=Code.PRECONDITION_FAILED, detail="Changed."))
    response = await client.delete(ONE, headers={"if-match": await tag(client)})
    assert problem(response) == (412, "PRECONDITION_FAILED")


@each("foreign", ['"other"', "W/{tag}", '"5-00000000aa"', '""'])
async def test_a_tag_of_something_else_is_412(client: httpx.AsyncClient, services: FakeServices, foreign: str):
    response = await change(client, foreign.replace("{tag}", await tag(client)))
    assert problem(response) == (412, "PRECONDITION_FAILED")
    assert services.of(ChangeSession) == []


@each("malformed", ["5", "'5'", '"5', '"a" "b"', "*, *", ""])
async def test_a_malformed_header_is_422(client: httpx.AsyncClient, malformed: str):
    response = await change(client, malformed)
    assert problem(response) == (422, "VALIDATION_ERROR")
    assert response.json()["errors"][0]["loc"] == ["header", "If-Match"]


async def test_changes_without_the_header_expect_nothing(client: httpx.AsyncClient, services: FakeServices):
    assert (await client.patch(ONE, json={"name": "two"})).status_code == 200
    assert expected(services) == ()


def test_a_long_header_is_parsed_in_linear_time():
    with pytest.raises(Problem):
        expected_versions(Headers({"if-match": '"' + '", "' * 10_000}), "/")


async def test_only_reads_of_what_can_be_changed_ask_for_the_version(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(ListSessions, Page[Any](items=[], total=0))
    await client.get(SESSIONS)
    await client.get(ONE)
    wanted = [isinstance(message, GetSession) for message, envelope in services.received if envelope.wants_version]
    assert wanted == [True]


async def test_a_strangers_precondition_is_401(anonymous: httpx.AsyncClient):
    assert problem(await anonymous.delete(ONE, headers={"if-match": '"other"'})) == (401, "UNAUTHENTICATED")


@pytest.fixture
async def store(services: FakeServices) -> Store:
    store = Store(services)
    await store.open()
    return store


FILE = f"{FILES}/a.txt"


@each(
    ("headers", "if_match", "if_none_match"),
    [
        ({"if-match": '"e1"'}, ("e1",), ()),
        ({"if-match": '"e0", W/"weak", "e1"'}, ("e0", "e1"), ()),
        ({"if-match": 'W/"weak"'}, (), ()),
        ({"if-match": "*"}, ("*",), ()),
        ({"if-none-match": "*"}, None, ("*",)),
        ({"if-none-match": 'W/"e0"', "if-match": '"e1"'}, ("e1",), ("e0",)),
        ({}, None, ()),
    ],
)
@pytest.mark.usefixtures("store")
async def test_the_precondition_of_a_file_reaches_the_command(
    client: httpx.AsyncClient,
    services: FakeServices,
    headers: dict[str, str],
    if_match: tuple[str, ...] | None,
    if_none_match: tuple[str, ...],
):
    await services.answer(DeleteFile, None)
    written = await client.put(FILE, content=b"new", headers=headers)
    await client.delete(FILE, headers=headers)
    changes = [message for message, _ in services.received if isinstance(message, FilePrecondition)]
    assert (written.status_code, [type(change) for change in changes]) == (201, [WriteFile, DeleteFile])
    assert {(change.if_match, change.if_none_match) for change in changes} == {(if_match, if_none_match)}


async def test_a_file_in_another_state_is_412(client: httpx.AsyncClient, store: Store):
    await store.services.answer(WriteFile, Refused(code=Code.PRECONDITION_FAILED, detail="Other."))
    response = await client.put(FILE, content=b"new", headers={"if-match": '"e0"'})
    assert problem(response) == (412, "PRECONDITION_FAILED")


@each("name", ["If-Match", "If-None-Match"])
async def test_a_malformed_precondition_of_a_file_is_422(client: httpx.AsyncClient, store: Store, name: str):
    response = await client.put(FILE, content=b"new", headers={name: "e1"})
    assert (response.status_code, response.json()["errors"][0]["loc"]) == (422, ["header", name])
    assert not store.uploaded


async def test_a_written_file_has_the_tag_of_its_downloads(client: httpx.AsyncClient, store: Store):
    await store.services.answer(WriteFile, FileWritten(file=ENTRY, created=False, etag="e2"))
    assert (await client.put(FILE, content=b"new")).headers["etag"] == '"e2"'
