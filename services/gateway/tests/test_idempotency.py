"""Requests with an Idempotency-Key: the first response, again."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from contracts.messages import Faulted, Page, Refused
from contracts.refusals import Code
from contracts.samples import SESSION
from contracts.session.run import InterruptSession
from contracts.session.session import ChangeSession, CreateSession, DeleteSession, ListSessions
from contracts.session.session_view import SessionView
from contracts.wire import IDEMPOTENCY
from gateway.entry.idempotency import attempts
from runtime import clock
from runtime.bus.jetstream import jetstream
from runtime.testing import background, eventually

from services.gateway.tests import samples
from services.gateway.tests.cases import each
from services.gateway.tests.fake_services import OTHER, FakeServices
from services.gateway.tests.harness import Harness

SESSIONS = "/api/v1/sessions"
ONE = f"{SESSIONS}/{SESSION}"
KEY = {"idempotency-key": "key-1"}
BODY = {"name": "one"}


async def create(client: httpx.AsyncClient, body: Any = BODY, key: str = "key-1", **headers: str) -> httpx.Response:
    return await client.post(SESSIONS, json=body, headers={"idempotency-key": key, **headers})


def problem(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error_code"]


def created(services: FakeServices) -> list[UUID]:
    return [command.session_id for command in services.of(CreateSession)]


def ids_of_messages(services: FakeServices, kind: type[Any]) -> list[UUID]:
    return [envelope.message_id for message, envelope in services.received if isinstance(message, kind)]


@pytest.fixture(autouse=True)
async def session(services: FakeServices) -> SessionView:
    view = samples.session()
    await services.answer_with(CreateSession, lambda command: view.model_copy(update={"id": command.session_id}))
    await services.answer(ChangeSession, view)
    await services.answer(DeleteSession, None)
    return view


async def test_a_repetition_gets_the_first_response(client: httpx.AsyncClient, services: FakeServices):
    first, again = await create(client), await create(client)
    assert (first.status_code, first.headers.get("idempotent-replayed")) == (201, None)
    assert (again.status_code, again.headers["idempotent-replayed"]) == (201, "true")
    assert (again.content, again.headers["location"]) == (first.content, first.headers["location"])
    assert len(created(services)) == 1


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
async def test_other_methods_are_replayed_too(client: httpx.AsyncClient, services: FakeServices, method: str):
    body = {"name": "two"} if method == "PATCH" else None
    first, again = [await client.request(method, ONE, json=body, headers=KEY) for _ in range(2)]
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers["idempotent-replayed"] == "true"
    assert len(services.of(ChangeSession, DeleteSession)) == 1


async def test_requests_without_a_key_are_carried_out_each_time(client: httpx.AsyncClient, services: FakeServices):
    for _ in range(2):
        await client.post(SESSIONS, json=BODY)
    assert len({*created(services)}) == 2


async def test_a_response_is_not_replayed_to_a_client_who_may_not_write(
    client: httpx.AsyncClient, harness: Harness, services: FakeServices
):
    await create(client)
    async with harness.client("viewer") as viewer:
        assert problem(await create(viewer)) == (403, "FORBIDDEN")
    assert (await create(client)).headers["idempotent-replayed"] == "true"
    assert len(created(services)) == 1


async def test_a_body_that_is_too_large_is_413(client: httpx.AsyncClient, services: FakeServices):
    assert problem(await create(client, {"name": "x" * 2**20})) == (413, "PAYLOAD_TOO_LARGE")
    assert (await create(client)).status_code == 201


async def test_a_key_does_not_count_for_reads(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(ListSessions, Page[SessionView](items=[], total=0))
    for _ in range(2):
        assert (await client.get(SESSIONS, headers=KEY)).headers.get("idempotent-replayed") is None


@pytest.mark.parametrize(
    "changed",
    [{"json": {"name": "two"}}, {"json": BODY, "params": {"x": "1"}}, {"content": b'{"name": "one"}'}],
    ids=["body", "query", "content type"],
)
async def test_the_key_of_another_request_is_refused(client: httpx.AsyncClient, changed: dict[str, Any]):
    await create(client)
    response = await client.post(SESSIONS, headers=KEY, **changed)
    assert problem(response) == (422, "IDEMPOTENCY_KEY_REUSED")


async def test_keys_belong_to_a_path_and_a_method(client: httpx.AsyncClient, services: FakeServices):
    await create(client)
    assert (await client.patch(ONE, json=BODY, headers=KEY)).headers.get("idempotent-replayed") is None
    assert (await client.delete(ONE, headers=KEY)).status_code == 204
    assert len(services.of(CreateSession, ChangeSession, DeleteSession)) == 3


async def test_keys_belong_to_a_user(client: httpx.AsyncClient, harness: Harness, services: FakeServices):
    await create(client)
    headers = {"authorization": f"Bearer {services.token(sub=str(OTHER))}"}
    async with harness.client(None, **headers) as other:
        assert (await create(other)).headers.get("idempotent-replayed") is None
    assert len({*created(services)}) == 2


@each("key", ["", " ", "a b", "x" * 256, "é".encode()])
async def test_an_invalid_key_is_422(client: httpx.AsyncClient, services: FakeServices, key: Any):
    response = await client.post(SESSIONS, json=BODY, headers={"idempotency-key": key})
    assert problem(response) == (422, "VALIDATION_ERROR")
    assert response.json()["errors"][0]["loc"] == ["header", "Idempotency-Key"]
    assert created(services) == []


async def test_two_keys_are_422(client: httpx.AsyncClient):
    headers = [("idempotency-key", "a"), ("idempotency-key", "b")]
    assert problem(await client.post(SESSIONS, json=BODY, headers=headers)) == (422, "VALIDATION_ERROR")


async def test_the_longest_key_is_accepted(client: httpx.AsyncClient):
    assert (await create(client, key="~" * 255)).status_code == 201


async def test_a_running_request_is_409(client: httpx.AsyncClient, services: FakeServices):
    await services.ignore(CreateSession)
    async with background(create(client)):
        await eventually(lambda: services.of(CreateSession))
        response = await create(client)
    assert problem(response) == (409, "IDEMPOTENCY_KEY_IN_USE")
    assert (response.headers["retry-after"], response.json()["retry_after"]) == ("1", 1)


async def test_many_at_once_are_carried_out_once(client: httpx.AsyncClient, services: FakeServices):
    responses = await asyncio.gather(*(create(client) for _ in range(20)))
    assert {response.status_code for response in responses} <= {201, 409}
    assert len(created(services)) == 1


@pytest.mark.usefixtures("impatient")
async def test_an_unanswered_request_is_continued_with_the_same_ids(
    client: httpx.AsyncClient, harness: Harness, services: FakeServices, session: SessionView
):
    await services.ignore(CreateSession)
    response = await create(client)
    assert problem(response) == (503, "UNAVAILABLE")
    assert response.headers["retry-after"] == "1"
    harness.gateway.bus.timeout = 60
    await services.answer(CreateSession, session)
    assert (await create(client)).status_code == 201
    assert len({*created(services)}) == 1
    assert len({*ids_of_messages(services, CreateSession)}) == 1


async def test_another_body_cannot_continue_a_request(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(CreateSession, Faulted(detail="Restarting."))
    await create(client)
    assert problem(await create(client, {"name": "two"})) == (422, "IDEMPOTENCY_KEY_REUSED")


async def test_a_request_whose_gateway_died_is_continued(
    client: httpx.AsyncClient, services: FakeServices, monkeypatch: pytest.MonkeyPatch
):
    later = clock.now() + timedelta(days=1)
    await services.ignore(CreateSession)
    async with background(create(client)):
        await eventually(lambda: services.of(CreateSession))
    # Cancelled, which leaves the record as SIGKILL does.
    assert problem(await create(client)) == (409, "IDEMPOTENCY_KEY_IN_USE")
    await services.answer(CreateSession, samples.session())
    monkeypatch.setattr(clock, "now", lambda: later)  # after the end of the lease
    assert (await create(client)).status_code == 201
    assert len({*created(services)}) == len({*ids_of_messages(services, CreateSession)}) == 1


async def test_the_lease_of_a_long_request_is_renewed(
    client: httpx.AsyncClient, services: FakeServices, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(attempts, "LEASE_SECONDS", 60.0)
    monkeypatch.setattr(attempts, "RENEWAL_SECONDS", 0.1)
    later = clock.now() + timedelta(days=1)
    await services.ignore(CreateSession)

    async def writes() -> int:
        return (await jetstream(services.client).stream_info(f"KV_{IDEMPOTENCY}")).state.last_seq

    async with background(create(client)):
        await eventually(lambda: services.of(CreateSession))
        monkeypatch.setattr(clock, "now", lambda: later)  # after the end of the first lease
        before = await writes()

        async def is_renewed() -> bool:
            return await writes() > before + 1  # the first of two may have been on its way

        await eventually(is_renewed)
        assert problem(await create(client)) == (409, "IDEMPOTENCY_KEY_IN_USE")
    assert len(created(services)) == 1


async def test_the_refusal_of_a_command_is_replayed(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(InterruptSession, Refused(code=Code.NOTHING_TO_INTERRUPT, detail="No run."))
    first, again = [await client.post(f"{ONE}/interrupt", headers=KEY) for _ in range(2)]
    assert (again.status_code, again.json()) == (409, first.json())
    assert again.headers["idempotent-replayed"] == "true"


@pytest.mark.parametrize(("quota", "status"), [("sessions_per_month", 429), ("budget_per_month_usd", 409)])
async def test_the_refusal_of_a_quota_is_not_replayed(
    client: httpx.AsyncClient, services: FakeServices, session: SessionView, quota: str, status: int
):
    await services.answer(CreateSession, Refused(code=Code.QUOTA_EXCEEDED, detail="Used up.", data={"quota": quota}))
    assert problem(await create(client)) == (status, "QUOTA_EXCEEDED")
    await services.answer(CreateSession, session)
    assert (await create(client)).status_code == 201
    assert len({*ids_of_messages(services, CreateSession)}) == 1


async def test_a_request_that_began_nothing_leaves_its_key_unused(client: httpx.AsyncClient, services: FakeServices):
    assert problem(await create(client, {"name": 1})) == (422, "VALIDATION_ERROR")
    assert (await create(client, {"name": "corrected"})).status_code == 201
    assert len(created(services)) == 1


async def test_a_large_response_is_replayed(client: httpx.AsyncClient, services: FakeServices, session: SessionView):
    await services.answer(CreateSession, session.model_copy(update={"metadata": {"lines": ["a line"] * 80_000}}))
    first, again = await create(client), await create(client)
    assert len(first.content) > 2**19
    assert (again.content, again.headers["idempotent-replayed"]) == (first.content, "true")


@pytest.mark.parametrize("limit", ["keyed_requests.MAX_RESPONSE_BYTES", "idempotency.responses.MAX_STORED_BYTES"])
async def test_a_too_large_response_is_computed_again(
    client: httpx.AsyncClient, services: FakeServices, monkeypatch: pytest.MonkeyPatch, limit: str
):
    monkeypatch.setattr(f"gateway.entry.{limit}", 10)
    responses = [await create(client) for _ in range(2)]
    assert [response.status_code for response in responses] == [201, 201]
    assert [response.headers.get("idempotent-replayed") for response in responses] == [None, None]
    assert len({*created(services)}) == len({*ids_of_messages(services, CreateSession)}) == 1


async def test_without_a_bus_keyed_requests_are_503(client: httpx.AsyncClient, harness: Harness):
    await harness.gateway.bus.client.close()
    response = await create(client)
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")


async def test_a_lost_bucket_is_created_again(client: httpx.AsyncClient, services: FakeServices):
    await create(client)
    await jetstream(services.client).delete_key_value(IDEMPOTENCY)
    responses = [await create(client, key="key-2") for _ in range(3)]
    assert [response.status_code for response in responses][1:] == [201, 201]
    assert responses[-1].headers["idempotent-replayed"] == "true"


async def test_a_strangers_body_is_not_read(anonymous: httpx.AsyncClient):
    assert problem(await create(anonymous)) == (401, "UNAUTHENTICATED")


async def test_a_large_body_of_a_stranger_is_not_kept(anonymous: httpx.AsyncClient):
    response = await anonymous.post("/api/v1/auth/api-keys", json={"name": "x" * 40_000}, headers=KEY)
    assert problem(response) == (413, "PAYLOAD_TOO_LARGE")


async def test_derived_ids_sort_by_the_time_of_the_request(client: httpx.AsyncClient, services: FakeServices):
    for key in ("a", "b", "c"):
        await create(client, key=key)
        await asyncio.sleep(0.002)
    assert [id.version for id in created(services)] == [7, 7, 7]
    assert created(services) == sorted(created(services))
