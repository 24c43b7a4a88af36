"""Importing and exporting MCP servers over HTTP."""

import json
from typing import Any

import httpx
import pytest
import yaml
from contracts.mcp_registry.server import CreateServer, ExportServers, SetServerEnabled, UpdateServer
from contracts.messages import Refused
from contracts.refusals import Code
from contracts.samples import MCP_SERVER

from services.gateway.tests import server_samples
from services.gateway.tests.cases import each
from services.gateway.tests.fake_services import FakeServices
from services.gateway.tests.harness import Harness

SERVERS = "/api/v1/mcp-servers"
IMPORT, EXPORT = f"{SERVERS}/import", f"{SERVERS}/export"
GITHUB = {"url": "https://mcp.example.com/"}
ONE: dict[str, Any] = {"mcpServers": {"Kubernetes": {"command": "kubectl-mcp", "env": {"A": "${A}"}}}}
TWO: dict[str, Any] = {"mcpServers": {"github": GITHUB, "weather": {"url": "https://weather.example.com/sse"}}}


def _created(command: CreateServer) -> Any:
    return server_samples.mcp_server(id=command.server_id, **dict(command.definition))


@pytest.fixture
async def registry(services: FakeServices) -> FakeServices:
    """The user owns one server, `kubernetes`."""
    await services.answer(ExportServers, [server_samples.exported_server()])
    await services.answer_with(CreateServer, _created)
    await services.answer(UpdateServer, server_samples.mcp_server())
    await services.answer(SetServerEnabled, server_samples.mcp_server(is_enabled=False))
    return services


async def imported(client: httpx.AsyncClient, content: Any, **query: str) -> dict[str, Any]:
    response = await client.post(IMPORT, files={"file": ("mcp.json", json.dumps(content))}, params=query)
    assert response.status_code == 200, response.text
    return response.json()


async def test_the_servers_of_a_file_are_registered(client: httpx.AsyncClient, registry: FakeServices):
    result = await imported(client, TWO)
    assert (result["imported_count"], result["skipped_count"], result["errors"]) == (2, 0, [])
    assert [server["name"] for server in result["servers"]] == ["github", "weather"]
    assert [command.definition.server_type for command in registry.of(CreateServer)] == ["HTTP", "SSE"]


@each("name", ["Kubernetes", "ＫＵＢＥＲＮＥＴＥＳ"])  # noqa: RUF001  letters of full width
async def test_an_existing_name_is_skipped_in_any_form(client: httpx.AsyncClient, registry: FakeServices, name: str):
    result = await imported(client, {"servers": {name: GITHUB}})
    assert (result["imported_count"], result["skipped_count"]) == (0, 1)
    assert registry.of(CreateServer, UpdateServer) == []


async def test_a_server_that_is_registered_during_an_import_is_skipped(
    client: httpx.AsyncClient, registry: FakeServices
):
    await registry.answer(CreateServer, Refused(code=Code.SERVER_NAME_TAKEN, detail="Choose another one."))
    result = await imported(client, TWO)
    assert (result["imported_count"], result["skipped_count"], result["errors"]) == (0, 2, [])


async def test_a_name_that_is_twice_in_a_file_is_skipped(client: httpx.AsyncClient, registry: FakeServices):
    result = await imported(client, {"servers": {"github": GITHUB, "GitHub": GITHUB}})
    assert (result["imported_count"], result["skipped_count"]) == (1, 1)


async def test_an_existing_server_is_replaced(client: httpx.AsyncClient, registry: FakeServices):
    result = await imported(client, ONE, on_conflict="replace")
    [update] = registry.of(UpdateServer)
    assert (result["imported_count"], str(update.server_id)) == (1, MCP_SERVER)
    sent: dict[str, Any] = {"name": "Kubernetes", "command": "kubectl-mcp", "args": [], "env": {"A": "${A}"}}
    assert update.changes.model_dump(exclude_unset=True) == sent


async def test_replacing_a_server_may_disable_it(client: httpx.AsyncClient, registry: FakeServices):
    await imported(client, {"servers": {"kubernetes": {"command": "x", "disabled": True}}}, on_conflict="replace")
    assert [type(message) for message in registry.of(UpdateServer, SetServerEnabled)] == [
        UpdateServer,
        SetServerEnabled,
    ]


async def test_a_server_of_another_type_is_not_replaced(client: httpx.AsyncClient, registry: FakeServices):
    result = await imported(client, {"servers": {"kubernetes": GITHUB}}, on_conflict="replace")
    assert "server_type: the existing server is STDIO" in result["errors"][0]["detail"]
    assert registry.of(UpdateServer) == []


@each(("name", "free"), [("Kubernetes", "Kubernetes 2"), ("K" * 64, "K" * 62 + " 2")])
async def test_a_server_is_registered_under_a_free_name(
    client: httpx.AsyncClient, registry: FakeServices, name: str, free: str
):
    await registry.answer(ExportServers, [server_samples.exported_server(name=name)])
    result = await imported(client, {"servers": {name: GITHUB}}, on_conflict="rename")
    assert [server["name"] for server in result["servers"]] == [free]


async def test_a_free_name_is_not_used_twice(client: httpx.AsyncClient, registry: FakeServices):
    content = {"servers": {"kubernetes": GITHUB, "KUBERNETES": GITHUB}}
    result = await imported(client, content, on_conflict="rename")
    assert [server["name"] for server in result["servers"]] == ["kubernetes 2", "KUBERNETES 3"]


async def test_wrong_servers_are_listed_and_the_others_imported(client: httpx.AsyncClient, registry: FakeServices):
    refused = Refused(code=Code.COMMAND_NOT_ALLOWED, detail="Not allowed.")
    await registry.answer_with(
        CreateServer, lambda command: refused if command.definition.command == "rm" else _created(command)
    )
    result = await imported(client, {"servers": {"a": {}, "b": {"command": "rm"}, "c": GITHUB}})
    assert [server["name"] for server in result["servers"]] == ["c"]
    assert result["errors"] == [
        {"name": "a", "detail": "has neither `command` nor `url`", "error_code": "VALIDATION_ERROR"},
        {"name": "b", "detail": "Not allowed.", "error_code": "COMMAND_NOT_ALLOWED"},
    ]


async def test_an_outage_during_an_import_is_503(client: httpx.AsyncClient, harness: Harness, registry: FakeServices):
    harness.gateway.bus.timeout = 0.2
    await registry.ignore(CreateServer)
    response = await client.post(IMPORT, files={"file": json.dumps(TWO).encode()})
    assert (response.status_code, response.json()["error_code"]) == (503, "UNAVAILABLE")


async def test_a_file_that_cannot_be_read_is_422(client: httpx.AsyncClient):
    response = await client.post(IMPORT, files={"file": b"{"})
    assert (response.status_code, response.json()["error_code"]) == (422, "INVALID_FILE")


@each("sent", [{"data": {"file": "{}"}}, {"files": {"other": b"{}"}}])
async def test_a_form_without_a_file_is_422(client: httpx.AsyncClient, sent: dict[str, Any]):
    sent.setdefault("files", {"more": (None, "x")})
    response = await client.post(IMPORT, **sent)
    assert (response.status_code, response.json()["errors"][0]["loc"]) == (422, ["body", "file"])


async def test_a_form_with_another_field_is_422(client: httpx.AsyncClient, registry: FakeServices):
    response = await client.post(IMPORT, files={"file": json.dumps(ONE)}, data={"on_conflict": "replace"})
    assert (response.status_code, response.json()["errors"][0]["loc"]) == (422, ["body", "on_conflict"])
    assert registry.of(CreateServer) == []


async def test_a_malformed_form_is_422(client: httpx.AsyncClient):
    headers = {"content-type": "multipart/form-data; boundary=x"}
    response = await client.post(IMPORT, content=b"--y\r\n", headers=headers)
    assert (response.status_code, response.json()["error_code"]) == (422, "VALIDATION_ERROR")


async def test_a_form_without_a_boundary_is_422(client: httpx.AsyncClient):
    response = await client.post(IMPORT, content=b"x", headers={"content-type": "multipart/form-data"})
    assert (response.status_code, response.json()["error_code"]) == (422, "VALIDATION_ERROR")


async def test_a_body_that_is_no_form_is_415(client: httpx.AsyncClient):
    assert (await client.post(IMPORT, json=ONE)).status_code == 415


async def test_a_file_of_more_than_one_mebibyte_is_read(client: httpx.AsyncClient, registry: FakeServices):
    content = json.dumps(TWO).encode() + b" " * (4 * 1024 * 1024)
    assert (await client.post(IMPORT, files={"file": content})).json()["imported_count"] == 2


async def test_a_too_large_file_is_413(client: httpx.AsyncClient):
    assert (await client.post(IMPORT, files={"file": b" " * (5 * 1024 * 1024)})).status_code == 413


@each("role", [None, "viewer"])
async def test_an_import_needs_an_account_that_may_write(harness: Harness, role: str | None):
    async with harness.client(role) as client:
        assert (await client.post(IMPORT, files={"file": b"{"})).status_code == (403 if role else 401)


@each(("kind", "load"), [("yaml", yaml.safe_load), ("json", json.loads)])
async def test_servers_are_exported_without_secrets(
    client: httpx.AsyncClient, registry: FakeServices, kind: str, load: Any
):
    response = await client.get(EXPORT, params={"format": kind})
    assert registry.of(ExportServers) == [ExportServers(include_secrets=False)]
    assert response.headers["content-disposition"] == f'attachment; filename="mcp-servers.{kind}"'
    assert (response.headers["content-type"], response.headers["cache-control"]) == (f"application/{kind}", "no-store")
    [server] = load(response.text)["mcp_servers"]
    assert (server["name"], "env" in server) == ("kubernetes", False)


async def test_secrets_are_exported_on_request(client: httpx.AsyncClient, registry: FakeServices):
    await registry.answer(ExportServers, [server_samples.exported_server(env={"A": "b"})])
    query = {"format": "json", "style": "mcpServers", "include_secrets": "true"}
    exported = (await client.get(EXPORT, params=query)).json()
    assert exported["mcpServers"]["kubernetes"]["env"] == {"A": "b"}
    assert registry.of(ExportServers) == [ExportServers(include_secrets=True)]


async def test_secrets_are_not_exported_to_a_viewer(harness: Harness, registry: FakeServices):
    async with harness.client("viewer") as client:
        assert (await client.get(EXPORT)).status_code == 200
        assert (await client.get(EXPORT, params={"include_secrets": "true"})).status_code == 403
    assert registry.of(ExportServers) == [ExportServers(include_secrets=False)]


@each("query", ["format=xml", "style=cursor", "include_secrets=maybe", "secrets=true"])
async def test_invalid_parameters_of_an_export_are_422(client: httpx.AsyncClient, query: str):
    assert (await client.get(f"{EXPORT}?{query}")).status_code == 422
