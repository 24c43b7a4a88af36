"""How much of the stored keyed requests may be those of one user."""

import asyncio
import json
import os
import secrets
import signal
from uuid import UUID

import httpx
import pytest
from contracts.identity.user import RegisterUser
from contracts.samples import USER
from contracts.session.session import CreateSession
from contracts.session.session_view import SessionView
from contracts.wire import IDEMPOTENCY, IDEMPOTENCY_USAGE
from gateway.entry.idempotency import records, usage
from gateway.entry.idempotency.attempts import Attempt, begin
from gateway.entry.idempotency.keys import KeyedRequest
from gateway.entry.idempotency.records import Records
from gateway.entry.idempotency.usage import Usage
from onebox.nats import EmbeddedNats
from runtime.bus import counters
from runtime.bus.jetstream import jetstream
from runtime.bus.key_value import Bucket
from runtime.testing import eventually

from services.gateway.tests import samples
from services.gateway.tests.fake_services import OTHER, FakeServices
from services.gateway.tests.harness import Harness
from services.gateway.tests.test_idempotency import create, created, ids_of_messages, problem
from services.gateway.tests.test_idempotency import session as session

KIB = 1024
REGISTER = "/api/v1/auth/register"
NEAR_MIDNIGHT = 20_000 * usage.DAY_SECONDS - 100.0


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a user store responses of 8 KiB, and records of 32 KiB; strangers 16 KiB together; in a bucket of 128 KiB."""
    monkeypatch.setattr(usage, "MAX_DAY_BYTES", 64 * KIB)
    monkeypatch.setattr(usage, "MAX_RESPONSES_BYTES", 8 * KIB)
    monkeypatch.setattr(usage, "MAX_RECORDS_BYTES", 32 * KIB)
    monkeypatch.setattr(usage, "MAX_ANONYMOUS_BYTES", 16 * KIB)
    monkeypatch.setattr(records, "MAX_BUCKET_BYTES", 128 * KIB)
    monkeypatch.setattr(counters, "TIMEOUT_SECONDS", 60.0)  # or a busy machine would make the gateway count alone


def request_of(user: UUID | str, *, authenticated: bool = True) -> KeyedRequest:
    return KeyedRequest(UUID(int=1), str(user), authenticated, "/api/v1/sessions", "key", "user")


ADA = request_of("ada")
STRANGER, OTHER_STRANGER = (request_of(f"anonymous 192.0.2.{n}", authenticated=False) for n in (1, 2))


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


async def test_many_users_do_not_fill_the_bucket_with_responses(services: FakeServices):
    counted, users = Usage(services.client), [request_of(f"user-{number}") for number in range(40)]
    totals = await store_responses(counted, users)
    assert sum(totals.values()) <= usage.MAX_DAY_BYTES
    assert max(totals.values()) - min(totals.values()) <= 512


async def test_few_users_store_as_many_responses_as_one(services: FakeServices):
    totals = await store_responses(Usage(services.client), [ADA, request_of("eve")])
    assert {*totals.values()} == {usage.MAX_RESPONSES_BYTES}


async def test_on_a_full_day_responses_are_not_stored_and_nobody_is_refused(
    client: httpx.AsyncClient, services: FakeServices
):
    await create(client)
    await Usage(services.client).add(request_of("others"), usage.MAX_DAY_BYTES)
    assert (await create(client, key="key-2")).status_code == 201
    assert [await replayed(client, key) for key in ("key-1", "key-2")] == [True, False]


async def test_a_request_whose_record_was_dropped_is_recognised(client: httpx.AsyncClient, services: FakeServices):
    await create(client)
    bucket = await Bucket.ensure(services.client, IDEMPOTENCY, seconds=60)
    for number in range(8):
        await bucket.put(f"newer-{number}", bytes(16 * KIB))
    assert not await replayed(client, "key-1")
    assert len(ids_of_messages(services, CreateSession)) == 2
    assert len({*ids_of_messages(services, CreateSession)}) == 1


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
    await one.add(ADA, 8 * KIB)
    assert two.stores_responses(ADA)
    await two.add(ADA, 1)
    assert not two.stores_responses(ADA)


async def test_another_gateway_knows_the_total_before_it_stores_a_response(
    client: httpx.AsyncClient, services: FakeServices
):
    await Usage(services.client).add(request_of(USER), 8 * KIB)
    await create(client)
    assert not await replayed(client, "key-1")


async def test_a_repetition_is_not_counted(client: httpx.AsyncClient, services: FakeServices):
    await create(client)
    before = await counted_bytes(services)
    assert await replayed(client, "key-1")
    assert await counted_bytes(services) == before


async def test_a_gateway_that_is_killed_has_counted_what_it_stored(services: FakeServices):
    records = Records(services.client)
    attempt = await begin(records, ADA, "digest")
    assert isinstance(attempt, Attempt)
    assert await counted_bytes(services) >= await stored_bytes(services) > 0


async def test_a_bus_that_restarts_has_the_totals(services: FakeServices, nats_server: EmbeddedNats):
    await Usage(services.client).add(ADA, 32 * KIB)
    await asyncio.to_thread(kill_and_restart, nats_server)
    await eventually(lambda: services.client.stats["reconnects"])
    again = Usage(services.client)
    await again.add(ADA, 1)
    assert again.is_full(ADA)


async def test_all_strangers_have_one_share(services: FakeServices):
    counted = Usage(services.client)
    await counted.add(STRANGER, 16 * KIB)
    assert (counted.stores_responses(OTHER_STRANGER), counted.is_full(OTHER_STRANGER)) == (False, True)
    assert counted.stores_responses(ADA)


async def test_strangers_beyond_their_share_are_served_without_records(
    anonymous: httpx.AsyncClient, services: FakeServices
):
    await services.answer(RegisterUser, samples.user())
    await fill_as_strangers(anonymous, services)
    before, requests = await stored_bytes(services), len(services.of(RegisterUser))
    assert [(await register(anonymous)).status_code for _ in range(2)] == [201, 201]
    assert (len(services.of(RegisterUser)) - requests, await stored_bytes(services)) == (2, before)


async def test_strangers_beyond_their_share_get_stored_responses(anonymous: httpx.AsyncClient, services: FakeServices):
    await services.answer(RegisterUser, samples.user())
    await register(anonymous)
    await fill_as_strangers(anonymous, services)
    assert (await register(anonymous)).headers["idempotent-replayed"] == "true"


async def test_a_new_day_begins_with_nothing(services: FakeServices):
    now = NEAR_MIDNIGHT
    counted = Usage(services.client, lambda: now)
    await counted.add(ADA, 32 * KIB)
    assert (counted.is_full(ADA), counted.refusal().headers["Retry-After"]) == (True, "100")
    now += 101
    assert (counted.is_full(ADA), counted.stores_responses(ADA)) == (False, True)


async def test_a_gateway_counts_alone_if_the_bus_does_not(services: FakeServices):
    counted = Usage(services.client)
    await services.client.close()
    for _ in range(2):
        await counted.add(ADA, 16 * KIB)
    assert counted.is_full(ADA)


async def store_responses(counted: Usage, users: list[KeyedRequest]) -> dict[str, int]:
    """Count 512 bytes for each user in turn as long as responses are stored; return the bytes of each user."""
    totals = {user.user: 0 for user in users}
    while storing := [user for user in users if counted.stores_responses(user)]:
        for user in storing:
            await counted.add(user, 512)
            totals[user.user] += 512
    return totals


async def register(client: httpx.AsyncClient, key: str = "key-1") -> httpx.Response:
    body = {"email": "ada@example.com", "username": "ada", "password": "plantedsecret-analytical engine"}
    return await client.post(REGISTER, json=body, headers={"idempotency-key": key})


async def fill_as_strangers(client: httpx.AsyncClient, services: FakeServices) -> None:
    """Use up the share, and let the gateway learn of it."""
    await Usage(services.client).add(STRANGER, 16 * KIB)
    await register(client, "learns-the-total")


async def counted_bytes(services: FakeServices) -> int:
    """Return the total that was counted last."""
    js = jetstream(services.client)
    last = (await js.stream_info(IDEMPOTENCY_USAGE)).state.last_seq
    return int(json.loads((await js.get_msg(IDEMPOTENCY_USAGE, last)).data or b"")["val"])


async def stored_bytes(services: FakeServices) -> int:
    return (await jetstream(services.client).stream_info(f"KV_{IDEMPOTENCY}")).state.bytes


def kill_and_restart(server: EmbeddedNats) -> None:
    assert server.child.pid
    os.kill(server.child.pid, signal.SIGKILL)
    server.child.finish()
    server.start()
