"""How much of the stored keyed requests may be those of one user."""

import secrets

import httpx
import pytest
from contracts.session.session import CreateSession, SessionView
from gateway.idempotency import records, usage
from gateway.idempotency.usage import OVERHEAD_BYTES, Usage

from services.gateway.tests.fake_services import OTHER, FakeServices
from services.gateway.tests.harness import Harness
from services.gateway.tests.test_idempotency import create, created, ids_of_messages, problem
from services.gateway.tests.test_idempotency import session as session

KIB = 1024
NEAR_MIDNIGHT = 20_000 * usage.DAY_SECONDS - 100.0


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a user store responses of 8 KiB, and records of 32 KiB, in a bucket of 64 KiB."""
    monkeypatch.setattr(usage, "MAX_RESPONSES_BYTES", 8 * KIB)
    monkeypatch.setattr(usage, "MAX_RECORDS_BYTES", 32 * KIB)
    monkeypatch.setattr(records, "MAX_BUCKET_BYTES", 64 * KIB)


@pytest.fixture
async def other(harness: Harness, services: FakeServices) -> httpx.AsyncClient:
    return harness.client(None, authorization=f"Bearer {services.token(sub=str(OTHER))}")


@pytest.fixture(autouse=True)
async def incompressible(services: FakeServices, session: SessionView) -> None:
    """Let a response take 2 KiB."""
    changes = {"metadata": {"noise": secrets.token_hex(2 * KIB)}}
    view = session.model_copy(update=changes)
    await services.answer_with(CreateSession, lambda command: view.model_copy(update={"id": command.session_id}))


async def replayed(client: httpx.AsyncClient, key: str) -> bool:
    return "idempotent-replayed" in (await create(client, key=key)).headers


async def fill(client: httpx.AsyncClient) -> None:
    """Send requests until no more are recorded."""
    number = 0
    while (await create(client, key=f"filling-{number}")).status_code == 201:
        number += 1


async def test_a_user_with_many_responses_gets_no_more_stored(client: httpx.AsyncClient, services: FakeServices):
    for number in range(6):
        await create(client, key=f"{number}")
    assert [await replayed(client, f"{number}") for number in range(6)][::5] == [True, False]
    assert len({*created(services)}) == len({*ids_of_messages(services, CreateSession)}) == 6


async def test_the_responses_of_others_are_stored_meanwhile(client: httpx.AsyncClient, other: httpx.AsyncClient):
    await fill(client)
    await create(other)
    assert await replayed(other, "key-1")


async def test_nobody_pushes_out_the_responses_of_others(client: httpx.AsyncClient, other: httpx.AsyncClient):
    await create(other)
    await fill(client)
    assert await replayed(other, "key-1")


async def test_a_user_with_too_many_records_is_refused(client: httpx.AsyncClient, services: FakeServices):
    await fill(client)
    response = await create(client, key="one-more")
    assert problem(response) == (429, "RATE_LIMIT_EXCEEDED")
    assert 0 < int(response.headers["retry-after"]) <= usage.DAY_SECONDS


async def test_recorded_requests_can_be_repeated_nevertheless(client: httpx.AsyncClient):
    await create(client)
    await fill(client)
    assert await replayed(client, "key-1")


async def test_requests_without_a_key_are_not_refused(client: httpx.AsyncClient):
    await fill(client)
    assert (await client.post("/api/v1/sessions", json={"name": "one"})).status_code == 201


async def test_gateways_count_together(services: FakeServices):
    one, two = Usage(services.client), Usage(services.client)
    await one.add("ada", 8 * KIB)
    assert two.stores_responses("ada")
    await two.add("ada", 0)
    assert not two.stores_responses("ada")


async def test_a_new_day_begins_with_nothing(services: FakeServices):
    now = NEAR_MIDNIGHT
    counted = Usage(services.client, lambda: now)
    await counted.add("ada", 32 * KIB)
    assert (counted.is_full("ada"), counted.refusal().headers["Retry-After"]) == (True, "100")
    now += 101
    assert (counted.is_full("ada"), counted.stores_responses("ada")) == (False, True)


async def test_a_gateway_counts_alone_if_the_bus_does_not(services: FakeServices):
    counted = Usage(services.client)
    await services.client.close()
    for _ in range(2):
        await counted.add("ada", 16 * KIB - OVERHEAD_BYTES)
    assert counted.is_full("ada")
