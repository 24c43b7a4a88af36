"""The role in force and disabled accounts: changes reach every gateway through the bucket of revocations."""

import asyncio
from collections.abc import Iterator

import httpx
import pytest
from contracts.identity.user import GetUser
from contracts.identity.values import Access, Role
from contracts.samples import SESSION, USER
from contracts.session.run import GetRun, GetRunSummary, SubmitQuery
from contracts.session.session import CreateSession, GetSession
from contracts.wire import ACCESS_PREFIX, REVOCATIONS
from gateway.clients.auth import revocations
from gateway.settings import Settings
from runtime.bus.key_value import Bucket
from runtime.testing import eventually

from services.gateway.tests import samples
from services.gateway.tests.cases import each
from services.gateway.tests.fake_services import FakeServices
from services.gateway.tests.harness import Harness, running_gateway
from services.gateway.tests.sse_client import open_stream
from services.gateway.tests.test_roles import operations
from services.gateway.tests.websocket_client import open_websocket

ME = "/api/v1/auth/me"


async def publish(services: FakeServices, version: int = 2, role: Role = "user", *, is_active: bool = True) -> None:
    bucket = await Bucket.ensure(services.client, REVOCATIONS, seconds=3600)
    access = Access(version=version, role=role, is_active=is_active)
    await bucket.put(f"{ACCESS_PREFIX}{USER}", access.model_dump_json().encode())


async def known(harness: Harness, version: int = 2) -> None:
    def is_known() -> bool:
        access = harness.gateway.revocations.access_of(samples.user().id)
        return access is not None and access.version == version

    await eventually(is_known)


@pytest.fixture(autouse=True)
async def service(services: FakeServices) -> None:
    await services.create_streams()
    await services.answer(GetUser, samples.user())
    await services.answer(GetSession, samples.session())
    await services.answer(CreateSession, samples.session())


async def test_a_demoted_administrator_loses_the_role_at_once(harness: Harness, services: FakeServices):
    async with harness.client("admin") as client:
        await publish(services, role="user")
        await known(harness)
        await client.get(ME)
        _, envelope = services.received[-1]
        assert envelope.actor
        assert envelope.actor.role == "user"
        assert (await client.patch(f"/api/v1/admin/users/{USER}", json={})).status_code == 403


async def test_a_new_viewer_can_no_longer_write(client: httpx.AsyncClient, harness: Harness, services: FakeServices):
    assert (await client.post("/api/v1/sessions", json={})).status_code == 201
    await publish(services, role="viewer")
    await known(harness)
    assert (await client.post("/api/v1/sessions", json={})).status_code == 403


async def test_a_disabled_user_is_401_until_enabled(
    client: httpx.AsyncClient, harness: Harness, services: FakeServices
):
    await publish(services, 2, is_active=False)
    await known(harness, 2)
    assert (await client.get(ME)).status_code == 401
    await publish(services, 3)
    await known(harness, 3)
    assert (await client.get(ME)).status_code == 200


async def test_earlier_changes_are_known_after_a_start(services: FakeServices, settings: Settings):
    await publish(services, role="viewer")
    async with running_gateway(settings) as gateway:
        await eventually(lambda: gateway.revocations.known and gateway.keys.published is not None)
        assert (await gateway.tokens.verify(services.token())).actor.role == "viewer"


@each("is_active", [True, False])
async def test_a_change_ends_open_event_streams(base_url: str, services: FakeServices, is_active: bool):
    async with open_stream(base_url, services.token()) as stream:
        await publish(services, role="viewer", is_active=is_active)
        [last] = await stream.remaining()
        assert (last.event, last.json()["code"]) == ("error", "UNAUTHENTICATED")


@each("is_active", [True, False])
async def test_a_change_ends_open_websockets(base_url: str, services: FakeServices, is_active: bool):
    async with open_websocket(base_url, services.token()) as client:
        await client.next()
        await publish(services, role="viewer", is_active=is_active)
        assert await client.wait_closed() == (1008, ["error"])


async def test_a_disabled_user_gets_no_result_of_a_waiting_query(
    client: httpx.AsyncClient, harness: Harness, services: FakeServices
):
    harness.gateway.waits.timeout = 60
    for kind in (SubmitQuery, GetRun, GetRunSummary):
        await services.answer(kind, samples.run(status="running"))
    async with asyncio.TaskGroup() as tasks:
        query = tasks.create_task(client.post(f"/api/v1/sessions/{SESSION}/query", json={"message": "Hello"}))
        await eventually(lambda: services.of(SubmitQuery))
        await publish(services, is_active=False)
    assert (query.result().status_code, query.result().json()["error_code"]) == (401, "UNAUTHENTICATED")


async def test_a_client_with_another_role_can_connect_again(base_url: str, harness: Harness, services: FakeServices):
    await publish(services, role="viewer")
    await known(harness)
    async with open_stream(base_url, services.token()):
        [listener] = harness.gateway.streams.open
        assert listener.token.actor.role == "viewer"


async def test_expired_changes_are_removed(harness: Harness, monkeypatch: pytest.MonkeyPatch, services: FakeServices):
    monkeypatch.setattr(revocations, "RETENTION_SECONDS", -1)
    await publish(services)
    await known(harness)
    harness.gateway.revocations._apply(None)  # pyright: ignore[reportPrivateUsage]
    assert harness.gateway.revocations.access_of(samples.user().id) is None


def admin_operations() -> Iterator[tuple[str, str]]:
    yield from ((method, path) for method, path in operations() if path.startswith("/api/v1/admin/"))


@each("role", ["user", "viewer"])
@each(("method", "path"), list(admin_operations()))
async def test_every_operation_of_administrators_needs_the_role(harness: Harness, role: str, method: str, path: str):
    async with harness.client(role) as client:
        response = await client.request(method, path, json={} if method == "POST" else None)
    assert (response.status_code, response.json()["error_code"]) == (403, "FORBIDDEN")


async def test_a_session_path_is_no_path_of_administrators(client: httpx.AsyncClient):
    assert (await client.get(f"/api/v1/sessions/{SESSION}")).status_code == 200
