"""What requests with an Idempotency-Key do when they are sent again: queries, streams, imports and files."""

import json
from typing import Any

import httpx
import pytest
from contracts.identity.user import RegisterUser
from contracts.mcp_registry.server import CreateServer, ExportServers
from contracts.messages import Faulted
from contracts.refusals import Code
from contracts.session.run import RunCompleted, RunRequested, RunStarted, SubmitQuery
from contracts.session.workspace import UploadPart, WriteFile
from runtime.testing import background, eventually

from services.gateway.tests import samples, server_samples
from services.gateway.tests.fake_services import FakeServices
from services.gateway.tests.harness import Harness
from services.gateway.tests.sse_client import open_stream
from services.gateway.tests.test_mcp_imports import IMPORT, TWO
from services.gateway.tests.test_queries import BODY, QUERY
from services.gateway.tests.test_query_stream import ACCEPT, Session
from services.gateway.tests.test_query_stream import session as session
from services.gateway.tests.test_workspace import CONTENT, FILES, Store

KEY = {"idempotency-key": "key-1"}


def same_command(services: FakeServices, *kinds: type[Any]) -> bool:
    """Return whether all received messages of these kinds are one command, sent several times."""
    sent = [(message.model_dump_json(), envelope) for message, envelope in services.received if type(message) in kinds]
    return len(sent) > 1 and len({(body, envelope.message_id) for body, envelope in sent}) == 1


async def query(client: httpx.AsyncClient, **headers: str) -> httpx.Response:
    return await client.post(QUERY, json=BODY, headers=KEY | headers)


async def test_a_query_starts_one_run_and_its_answer_is_replayed(client: httpx.AsyncClient, session: Session):
    session.end()
    session.services.received.clear()
    await session.services.answer_with(SubmitQuery, lambda command: _ended(session, command))
    first, again = await query(client), await query(client)
    assert (first.status_code, again.content) == (200, first.content)
    assert again.headers["idempotent-replayed"] == "true"
    assert len(session.services.of(SubmitQuery)) == 1


def _ended(session: Session, command: SubmitQuery) -> object:
    session.run = session.run.model_copy(update={"id": command.run_id})
    session.end()
    return session.run


async def test_a_failed_run_stays_failed(client: httpx.AsyncClient, session: Session):
    def fail(command: SubmitQuery) -> object:
        session.run = session.run.model_copy(update={"id": command.run_id})
        session.end(status="failed", error_code=Code.MODEL_ERROR, error_detail="529")
        return session.run

    await session.services.answer_with(SubmitQuery, fail)
    assert [(await query(client)).status_code for _ in range(2)] == [502, 502]
    assert same_command(session.services, SubmitQuery)


async def test_a_query_without_an_answer_can_be_sent_again(client: httpx.AsyncClient, session: Session):
    await session.services.answer(SubmitQuery, Faulted(detail="Restarting."))
    response = await query(client)
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")
    await session.services.answer_with(SubmitQuery, lambda command: _ended(session, command))
    assert (await query(client)).json()["run_id"] == response.json()["run_id"]
    assert same_command(session.services, SubmitQuery)


async def test_a_wait_that_timed_out_is_continued(client: httpx.AsyncClient, session: Session, harness: Harness):
    harness.gateway.waits.timeout = 0.2
    assert (await query(client)).status_code == 504
    session.end()
    assert (await query(client)).status_code == 200
    assert same_command(session.services, SubmitQuery)


async def test_another_form_of_the_answer_starts_no_other_run(client: httpx.AsyncClient, session: Session):
    assert (await query(client, prefer="respond-async")).status_code == 202
    session.end()
    assert (await query(client)).status_code == 200
    assert same_command(session.services, SubmitQuery)


async def test_a_stream_follows_the_run_that_its_key_has_started(
    base_url: str, services: FakeServices, session: Session
):
    async with open_stream(base_url, services.token(), QUERY, "POST", json=BODY, headers=ACCEPT | KEY) as follower:
        await session.publish(RunRequested)
        assert await follower.names(1) == ["session.run_requested"]
        async with open_stream(base_url, services.token(), QUERY, "POST", json=BODY, headers=ACCEPT | KEY) as second:
            await session.publish(RunStarted)
            assert await second.names(1) == ["session.run_started"]
            session.end()
            await session.publish(RunCompleted)
            assert await second.names(2) == ["session.run_completed", "result"]
    assert same_command(services, SubmitQuery)


async def test_a_client_that_left_a_wait_continues_it(base_url: str, services: FakeServices, session: Session):
    headers = {"authorization": f"Bearer {services.token()}"}
    async with httpx.AsyncClient(base_url=base_url, headers=headers, timeout=60) as client:
        async with background(query(client)):
            await eventually(lambda: services.of(SubmitQuery))
        session.end()
        await eventually(lambda: _is_200(client))
    assert same_command(services, SubmitQuery)


async def _is_200(client: httpx.AsyncClient) -> bool:
    return (await query(client)).status_code == 200


async def put(client: httpx.AsyncClient, content: bytes = CONTENT) -> httpx.Response:
    return await client.put(f"{FILES}/a.txt", content=content, headers=KEY)


async def test_an_upload_is_replayed(client: httpx.AsyncClient, services: FakeServices):
    store = Store(services)
    await store.open()
    first, again = await put(client), await put(client)
    assert (again.status_code, again.headers["idempotent-replayed"]) == (first.status_code, "true")
    assert bytes(store.uploaded) == CONTENT
    assert (await put(client, CONTENT + b"x")).json()["error_code"] == "IDEMPOTENCY_KEY_REUSED"


async def test_a_repeated_upload_has_the_same_id(client: httpx.AsyncClient, services: FakeServices):
    await Store(services).open()
    await services.answer(WriteFile, Faulted(detail="Restarting."))
    for _ in range(2):
        assert (await put(client)).status_code == 503
    assert len({part.upload_id for part in services.of(UploadPart)}) == 1


async def importing(client: httpx.AsyncClient, **options: str) -> httpx.Response:
    file = {"file": ("mcp.json", json.dumps(TWO))}
    return await client.post(IMPORT, files=file, params=options, headers=KEY)


async def test_an_import_is_replayed_whatever_its_boundary(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(ExportServers, [])
    await services.answer_with(CreateServer, _created)
    first, again = await importing(client), await importing(client)
    assert (again.content, again.headers["idempotent-replayed"]) == (first.content, "true")
    assert len(services.of(CreateServer)) == 2


@pytest.mark.parametrize("on_conflict", ["skip", "rename", "replace"])
async def test_an_import_that_ended_in_the_middle_is_continued(
    client: httpx.AsyncClient, services: FakeServices, on_conflict: str
):
    created = list[Any]()

    def once(command: CreateServer) -> object:
        if created:
            return Faulted(detail="Restarting.")
        created.append(server_samples.exported_server(id=command.server_id, name=command.definition.name))
        return _created(command)

    await services.answer(ExportServers, [])
    await services.answer_with(CreateServer, once)
    assert (await importing(client, on_conflict=on_conflict)).status_code == 503
    await services.answer(ExportServers, created)
    await services.answer_with(CreateServer, _created)
    result = (await importing(client, on_conflict=on_conflict)).json()
    assert (result["imported_count"], result["skipped_count"]) == (2, 0)
    assert len({command.server_id for command in services.of(CreateServer)}) == 2


def _created(command: CreateServer) -> Any:
    return server_samples.mcp_server(id=command.server_id, **dict(command.definition))


@pytest.mark.usefixtures("impatient")
async def test_an_unanswered_registration_is_continued(
    anonymous: httpx.AsyncClient, harness: Harness, services: FakeServices
):
    body = {"email": "ada@example.com", "username": "ada", "password": "plantedsecret-analytical engine"}
    await services.ignore(RegisterUser)
    assert (await anonymous.post("/api/v1/auth/register", json=body, headers=KEY)).status_code == 503
    harness.gateway.bus.timeout = 60
    await services.answer(RegisterUser, samples.user())
    assert (await anonymous.post("/api/v1/auth/register", json=body, headers=KEY)).status_code == 201
    assert same_command(services, RegisterUser)
