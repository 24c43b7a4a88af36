"""MCP servers that options name are checked wherever options are accepted."""

from typing import Any

import httpx
from contracts.mcp_registry.server import CheckReferences
from contracts.messages import Refused
from contracts.refusals import Code
from contracts.samples import SESSION, TASK, TEMPLATE
from contracts.session.session import ChangeSession, CheckOptions, CreateSession
from contracts.session.template import ChangeTemplate, CreateTemplate
from contracts.task_scheduler.task import ChangeTask, CreateTask

from services.gateway.tests import samples
from services.gateway.tests.cases import each
from services.gateway.tests.fake_services import FakeServices

OPTIONS: dict[str, Any] = {"sdk_options": {"mcp_servers": ["kubernetes", "weather"]}}
REQUESTS: list[tuple[str, str, dict[str, Any], Any, Any]] = [
    ("POST", "/sessions", {}, CreateSession, samples.session()),
    ("PATCH", f"/sessions/{SESSION}", {}, ChangeSession, samples.session()),
    ("POST", "/session-templates", {"name": "one"}, CreateTemplate, samples.template()),
    ("PATCH", f"/session-templates/{TEMPLATE}", {}, ChangeTemplate, samples.template()),
    ("POST", "/tasks", {"name": "one", "prompt_template": "x"}, CreateTask, samples.task()),
    ("PATCH", f"/tasks/{TASK}", {}, ChangeTask, samples.task()),
]
everywhere = each(("method", "path", "body", "kind", "view"), REQUESTS)


@everywhere
async def test_servers_are_checked_before_options_are_used(
    client: httpx.AsyncClient,
    services: FakeServices,
    method: str,
    path: str,
    body: dict[str, Any],
    kind: Any,
    view: Any,
):
    await services.answer(CheckOptions, None)
    await services.answer(CheckReferences, None)
    await services.answer(kind, view)
    response = await client.request(method, f"/api/v1{path}", json=body | OPTIONS)
    assert response.status_code in {200, 201}
    [check, _] = services.of(CheckReferences, kind)
    assert check == CheckReferences(references=["kubernetes", "weather"])


@everywhere
async def test_an_unknown_server_is_422_and_changes_nothing(
    client: httpx.AsyncClient,
    services: FakeServices,
    method: str,
    path: str,
    body: dict[str, Any],
    kind: Any,
    view: Any,
):
    await services.answer(CheckOptions, None)
    await services.answer(CheckReferences, Refused(code=Code.MCP_SERVER_NOT_FOUND, detail="There is no weather."))
    await services.answer(kind, view)
    response = await client.request(method, f"/api/v1{path}", json=body | OPTIONS)
    problem = response.json()
    assert (response.status_code, problem["error_code"]) == (422, "UNKNOWN_MCP_SERVER")
    assert problem["errors"][0]["loc"] == ["body", "sdk_options", "mcp_servers"]
    assert services.of(kind) == []


async def test_options_without_servers_need_no_check(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(CreateSession, samples.session())
    assert (await client.post("/api/v1/sessions", json={"sdk_options": {"mcp_servers": []}})).status_code == 201
