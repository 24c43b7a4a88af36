"""MCP servers are registered, listed, changed, checked and accepted."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import httpx
import pytest
from contracts.mcp_registry.check import AcceptTools, CheckServer, ServerChecked
from contracts.mcp_registry.server import (
    CreateServer,
    DeleteServer,
    GetServer,
    ListServers,
    ServerDeleted,
    SetServerEnabled,
    UpdateServer,
)
from contracts.messages import Event, Page, Refused
from contracts.refusals import Code
from contracts.samples import MCP_SERVER, TIME
from gateway import waiting

from services.gateway.tests import server_samples
from services.gateway.tests.cases import each
from services.gateway.tests.fake_services import OTHER, FakeServices

SERVERS = "/api/v1/mcp-servers"
ONE = f"{SERVERS}/{MCP_SERVER}"
ID = UUID(MCP_SERVER)
PROGRAM: dict[str, Any] = {"name": "kubernetes", "server_type": "STDIO", "command": "kubectl-mcp-server"}
REMOTE: dict[str, Any] = {"name": "github", "server_type": "HTTP", "url": "https://mcp.example.com/"}
LATER = {"prefer": "respond-async"}


async def test_a_program_is_registered(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(CreateServer, server_samples.mcp_server())
    body = PROGRAM | {"args": ["--read-only"], "env": {"TOKEN": "t"}, "network_hosts": ["*.example.com"]}
    response = await client.post(SERVERS, json=body | {"workspace": "read", "is_enabled": False})
    command: CreateServer = services.received[-1][0]
    assert (response.status_code, response.headers["location"]) == (201, ONE)
    assert (command.definition.command, command.definition.args) == ("kubectl-mcp-server", ["--read-only"])
    assert (command.secrets.env, command.is_enabled) == ({"TOKEN": "t"}, False)
    assert response.json()["env"] == {"KUBECONFIG": "***"}


@each("server_type", ["HTTP", "SSE"])
async def test_a_remote_server_is_registered(client: httpx.AsyncClient, services: FakeServices, server_type: str):
    await services.answer(CreateServer, server_samples.mcp_server())
    body = REMOTE | {"server_type": server_type, "headers": {"Authorization": "Bearer ${TOKEN}"}}
    assert (await client.post(SERVERS, json=body)).status_code == 201
    command: CreateServer = services.received[-1][0]
    assert (command.definition.url, command.definition.server_type) == (REMOTE["url"], server_type)
    assert command.secrets.headers == {"Authorization": "Bearer ${TOKEN}"}


@each(
    "wrong",
    [
        PROGRAM | {"name": " "},
        PROGRAM | {"name": 1},
        PROGRAM | {"server_type": "WS"},
        PROGRAM | {"args": "x"},
        PROGRAM | {"env": {"A": 1}},
        PROGRAM | {"workspace": "all"},
        PROGRAM | {"is_global": "yes"},
        PROGRAM | {"is_enabled": None},
        PROGRAM | {"health": "healthy"},
        {"name": "x"},
    ],
)
async def test_a_malformed_server_is_422(client: httpx.AsyncClient, wrong: dict[str, Any]):
    response = await client.post(SERVERS, json=wrong)
    assert (response.status_code, response.json()["error_code"]) == (422, "VALIDATION_ERROR")


async def test_an_invalid_server_is_422_and_names_the_field(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(CreateServer, Refused(code=Code.INVALID_SERVER, detail="url: is for HTTP servers only."))
    problem = (await client.post(SERVERS, json=PROGRAM | {"url": "https://example.com"})).json()
    assert (problem["error_code"], problem["errors"][0]["loc"]) == ("INVALID_SERVER", ["body", "url"])


async def test_a_viewer_must_not_register_a_server(harness: Any):
    async with harness.client("viewer") as viewer:
        assert (await viewer.post(SERVERS, json=PROGRAM)).status_code == 403


async def test_servers_are_listed_with_their_filters(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(ListServers, Page(items=[server_samples.mcp_server_summary()], total=7, more=True))
    query = {"q": "kube", "server_type": "STDIO", "health": "healthy", "limit": 1, "after": str(OTHER)}
    page = (await client.get(SERVERS, params=query | {"is_enabled": "true", "is_global": "false"})).json()
    assert services.received[-1][0] == ListServers.model_validate(query | {"is_enabled": True, "is_global": False})
    assert (page["items"][0]["id"], page["total"], "tools" in page["items"][0]) == (MCP_SERVER, 7, False)


async def test_a_server_is_returned_with_its_tools(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(GetServer, server_samples.mcp_server())
    assert (await client.get(ONE)).json()["tools"][0]["name"] == "list_pods"


async def test_a_change_contains_only_the_fields_that_were_sent(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(UpdateServer, server_samples.mcp_server())
    body = {"command": "other", "allowed_tools": None, "env": {"A": "***"}}
    assert (await client.patch(ONE, json=body)).status_code == 200
    assert services.received[-1][0].changes.model_dump(exclude_unset=True) == body


async def test_a_change_may_enable_the_server(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(UpdateServer, server_samples.mcp_server())
    await services.answer(SetServerEnabled, server_samples.mcp_server(is_enabled=False))
    response = await client.patch(ONE, json={"name": "new", "is_enabled": False})
    assert [type(message) for message, _ in services.received[-2:]] == [UpdateServer, SetServerEnabled]
    assert response.json()["is_enabled"] is False


@each("wrong", [{"name": None}, {"server_type": "HTTP"}, {"url": 1}, {"env": None}, {"args": "x"}])
async def test_an_invalid_change_of_a_server_is_422(client: httpx.AsyncClient, wrong: dict[str, Any]):
    assert (await client.patch(ONE, json=wrong)).status_code == 422


@each(("action", "is_enabled"), [("enable", True), ("disable", False)])
async def test_a_server_is_enabled_or_disabled(
    client: httpx.AsyncClient, services: FakeServices, action: str, is_enabled: bool
):
    await services.answer(SetServerEnabled, server_samples.mcp_server(is_enabled=is_enabled))
    assert (await client.post(f"{ONE}/{action}")).json()["is_enabled"] is is_enabled
    assert services.received[-1][0] == SetServerEnabled(server_id=ID, is_enabled=is_enabled)


async def test_the_tools_of_a_server_are_accepted(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(AcceptTools, server_samples.mcp_server())
    assert (await client.post(f"{ONE}/accept", json={"tools_version": "v1"})).status_code == 200
    assert services.received[-1][0] == AcceptTools(server_id=ID, tools_version="v1")


async def test_a_server_is_deleted(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(DeleteServer, None)
    assert (await client.delete(ONE)).status_code == 204
    assert services.received[-1][0] == DeleteServer(server_id=ID)


@each(
    ("method", "path", "kind", "code", "status"),
    [
        ("GET", ONE, GetServer, Code.MCP_SERVER_NOT_FOUND, 404),
        ("DELETE", ONE, DeleteServer, Code.ADMINS_ONLY, 403),
        ("POST", SERVERS, CreateServer, Code.SERVER_NAME_TAKEN, 409),
        ("POST", SERVERS, CreateServer, Code.COMMAND_NOT_ALLOWED, 403),
        ("POST", SERVERS, CreateServer, Code.TOO_MANY_SERVERS, 409),
    ],
)
async def test_a_refusal_about_a_server_is_a_problem(
    client: httpx.AsyncClient, services: FakeServices, method: str, path: str, kind: Any, code: Code, status: int
):
    await services.answer(kind, Refused(code=code, detail="No."))
    response = await client.request(method, path, json=PROGRAM if method == "POST" else None)
    assert (response.status_code, response.json()["error_code"]) == (status, code)


class Registry:
    """A fake of the registry with one server, whose check the test ends."""

    def __init__(self, services: FakeServices) -> None:
        self.services, self.requested = services, asyncio.Event()
        self.server: Any = server_samples.mcp_server(health="unknown", checked_at=None)

    async def open(self) -> None:
        await self.services.answer_with(CheckServer, self._request)
        await self.services.answer_with(GetServer, lambda _: self.server)

    async def publish(self, event: type[Event]) -> None:
        await self.services.client.publish(
            f"{event.subject}.{OTHER}.{MCP_SERVER}", event.example().model_dump_json().encode()
        )

    def _request(self, command: CheckServer) -> UUID:
        self.requested.set()
        return command.check_id


@pytest.fixture
async def registry(services: FakeServices) -> Registry:
    registry = Registry(services)
    await registry.open()
    return registry


@pytest.fixture
def slow_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "POLL_SECONDS", 60)


@asynccontextmanager
async def pending_check(client: httpx.AsyncClient, registry: Registry) -> AsyncGenerator[asyncio.Task[httpx.Response]]:
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        pending = tasks.create_task(client.post(f"{ONE}/check"))
        await registry.requested.wait()
        yield pending


@pytest.mark.usefixtures("slow_poll")
async def test_a_check_returns_the_server_when_it_was_checked(client: httpx.AsyncClient, registry: Registry):
    async with pending_check(client, registry) as pending:
        registry.server = server_samples.mcp_server(checked_at=TIME, health="healthy", latency_ms=41.6)
        await registry.publish(ServerChecked)
    body = pending.result().json()
    assert (pending.result().status_code, body["health"], body["latency_ms"]) == (200, "healthy", 42)


async def test_a_check_ends_even_if_its_event_is_lost(
    client: httpx.AsyncClient, registry: Registry, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(waiting, "POLL_SECONDS", 0.05)
    async with pending_check(client, registry) as pending:
        registry.server = server_samples.mcp_server(checked_at=TIME)
    assert pending.result().status_code == 200


@pytest.mark.usefixtures("slow_poll")
async def test_a_check_of_a_server_that_is_deleted_is_404(client: httpx.AsyncClient, registry: Registry):
    async with pending_check(client, registry) as pending:
        registry.server = Refused(code=Code.MCP_SERVER_NOT_FOUND, detail="There is none.")
        await registry.publish(ServerDeleted)
    assert pending.result().status_code == 404


async def test_a_check_that_takes_too_long_is_504(client: httpx.AsyncClient, harness: Any, registry: Registry):
    harness.gateway.waits.timeout = 0.05
    response = await client.post(f"{ONE}/check")
    assert registry.requested.is_set()
    assert (response.status_code, response.headers["location"]) == (504, ONE)


async def test_a_check_need_not_be_waited_for(client: httpx.AsyncClient, registry: Registry):
    response = await client.post(f"{ONE}/check", headers=LATER)
    assert registry.requested.is_set()
    assert (response.status_code, response.headers["location"], response.json()["health"]) == (202, ONE, "unknown")


async def test_a_disabled_server_cannot_be_checked(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(GetServer, server_samples.mcp_server(is_enabled=False))
    await services.answer(CheckServer, Refused(code=Code.SERVER_DISABLED, detail="It is disabled."))
    assert (await client.post(f"{ONE}/check")).json()["error_code"] == "SERVER_DISABLED"
