"""The MCP endpoint as a part of the gateway: authentication, limits, methods and media types."""

from typing import Any

import httpx
import pytest
from contracts.samples import SESSION
from contracts.session.run import GetRunSummary, SubmitQuery
from contracts.session.session import GetSession
from contracts.wire import AGENT_DEPTH_HEADER
from gateway.routing.api_route import MAX_BODY_BYTES
from gateway.settings import Settings
from onebox.testing.mcp import mcp_client
from runtime.metrics import metrics_of
from runtime.testing import background, eventually

from services.gateway.tests import samples
from services.gateway.tests.cases import each
from services.gateway.tests.fake_services import FakeServices
from services.gateway.tests.harness import Harness

PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
EVENTS_TOO = {"accept": "application/json, text/event-stream"}
ONE_SESSION = {"session_id": SESSION}
HELLO = {"session_id": SESSION, "message": "Hello"}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"cors_origins": "https://app.example.com"})


def call(tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    return PING | {"method": "tools/call", "params": {"name": tool, "arguments": arguments}}


async def test_no_token_is_401_and_says_how_to_authenticate(anonymous: httpx.AsyncClient):
    response = await anonymous.post("/mcp", json=PING, headers=EVENTS_TOO)
    assert (response.status_code, response.headers["www-authenticate"]) == (401, "Bearer")


async def test_a_token_that_is_not_valid_is_401(harness: Harness):
    async with harness.client(None, authorization="Bearer made.up.token") as client:
        response = await client.post("/mcp", json=PING, headers=EVENTS_TOO)
    assert response.status_code == 401
    assert 'error="invalid_token"' in response.headers["www-authenticate"]


async def test_an_unknown_host_is_421(client: httpx.AsyncClient):
    response = await client.post("/mcp", json=PING, headers=EVENTS_TOO | {"host": "evil.example.com"})
    assert response.status_code == 421


@each(
    ("origin", "status"),
    [
        ("http://localhost", 200),
        ("https://app.example.com", 200),
        ("https://evil.example.com", 403),
        ("http://localhost:1", 403),
        ("null", 403),
        ("", 403),
    ],
)
async def test_a_page_of_another_origin_is_403(harness: Harness, origin: str, status: int):
    async with harness.client(origin=origin) as client:
        response = await client.post("/mcp", json=PING, headers=EVENTS_TOO)
    assert response.status_code == status


@each("chunked", [True, False])
async def test_a_body_that_is_too_large_is_413(client: httpx.AsyncClient, chunked: bool):
    async def chunks():
        yield b" " * MAX_BODY_BYTES
        yield b" "

    body = chunks() if chunked else b" " * (MAX_BODY_BYTES + 1)
    response = await client.post("/mcp", content=body, headers=EVENTS_TOO | {"content-type": "application/json"})
    assert response.status_code == 413


@each(
    ("body", "content_type", "status"),
    [
        (b"{", "application/json", 400),
        (b"\xff", "application/json", 400),
        (b'{"a": "\\u0000"}', "application/json", 422),
        (b"[" * 100_000, "application/json", 400),
        (b"", "application/json", 422),
        (b"{}", "text/plain", 415),
        (b"[]", "application/json", 400),
        (b'{"jsonrpc": "2.0"}', "application/json", 400),
    ],
)
async def test_a_body_that_is_no_message_is_refused(
    client: httpx.AsyncClient, body: bytes, content_type: str, status: int
):
    response = await client.post("/mcp", content=body, headers=EVENTS_TOO | {"content-type": content_type})
    assert response.status_code == status


@each("method", ["GET", "HEAD", "DELETE", "PUT"])
async def test_other_methods_are_405(client: httpx.AsyncClient, method: str):
    response = await client.request(method, "/mcp")
    assert (response.status_code, response.headers["allow"]) == (405, "POST")


@each("depth", ["-1", "x", "1.5", ""])
async def test_a_depth_that_is_no_number_is_422(client: httpx.AsyncClient, depth: str):
    response = await client.post("/mcp", json=PING, headers=EVENTS_TOO | {AGENT_DEPTH_HEADER: depth})
    assert response.status_code == 422


@each(("accept", "media_type"), [("application/json", "application/json"), (EVENTS_TOO["accept"], "text/event-stream")])
async def test_a_client_gets_the_media_type_that_it_accepts(
    client: httpx.AsyncClient, services: FakeServices, accept: str, media_type: str
):
    await services.answer(GetSession, samples.session())
    response = await client.post("/mcp", json=call("get_session", ONE_SESSION), headers={"accept": accept})
    assert (response.status_code, response.headers["content-type"].partition(";")[0]) == (200, media_type)
    assert SESSION in response.text


async def test_a_client_that_accepts_neither_is_406(client: httpx.AsyncClient):
    assert (await client.post("/mcp", json=PING, headers={"accept": "text/html"})).status_code == 406


async def test_calls_of_tools_are_counted_by_outcome(client: httpx.AsyncClient, services: FakeServices):
    def counted(outcome: str) -> float:
        return (
            metrics_of("gateway").get_sample_value("mcp_tool_calls_total", {"tool": "get_session", "outcome": outcome})
            or 0
        )

    before = counted("OK")
    await services.answer(GetSession, samples.session())
    await client.post("/mcp", json=call("get_session", ONE_SESSION), headers=EVENTS_TOO)
    assert counted("OK") == before + 1


async def test_two_clients_are_served_at_the_same_time(base_url: str, services: FakeServices):
    await services.answer(SubmitQuery, samples.run(status="running"))
    await services.answer(GetSession, samples.session())
    token = services.token()
    async with (
        mcp_client(base_url, token) as one,
        mcp_client(base_url, token) as two,
        background(one.call_tool("query_session", HELLO)),
    ):
        await eventually(lambda: services.of(SubmitQuery))
        assert not (await two.call_tool("get_session", ONE_SESSION)).is_error


@each("accept", ["application/json", EVENTS_TOO["accept"]])
async def test_the_wait_of_a_client_that_disconnects_ends(
    base_url: str, harness: Harness, services: FakeServices, accept: str
):
    await services.answer(SubmitQuery, samples.run(status="running"))
    await services.answer(GetRunSummary, samples.run_summary(status="running"))
    headers = {"authorization": f"Bearer {services.token()}", "accept": accept}
    async with (
        httpx.AsyncClient(base_url=base_url, headers=headers, timeout=60) as client,
        background(client.post("/mcp", json=call("query_session", HELLO), timeout=60)),
    ):
        await eventually(lambda: len(harness.gateway.runs.waiting))
    await eventually(lambda: not len(harness.gateway.runs.waiting))
