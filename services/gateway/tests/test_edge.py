"""Request ids, traces, metrics and logs of all requests."""

import asyncio
import re
from uuid import UUID

import httpx
from contracts.messages import Page
from contracts.samples import SESSION, USER
from contracts.session.session import GetSession, ListSessions
from runtime.metrics import metrics_of
from runtime.testing import eventually
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from services.gateway.tests import samples
from services.gateway.tests.cases import each
from services.gateway.tests.fake_services import FakeServices

ONE = f"/api/v1/sessions/{SESSION}"


def request_count(method: str, path: str) -> float:
    return metrics_of("gateway").get_sample_value("api_requests_total", {"method": method, "path": path}) or 0


@each("request_id", ["abc", "A-1._z", "x" * 128])
async def test_a_request_id_is_accepted_and_passed_on(
    client: httpx.AsyncClient, services: FakeServices, request_id: str
):
    await services.answer(GetSession, samples.session())
    response = await client.get(ONE, headers={"x-request-id": request_id})
    assert response.headers.get_list("x-request-id") == [request_id]
    assert services.received[-1][1].correlation_id == request_id


@each("request_id", ["", "x" * 129, "a b", "a\tb", "é", "a;b", '"', "<script>", "a%0d%0a"])
async def test_an_invalid_request_id_is_replaced(anonymous: httpx.AsyncClient, request_id: str):
    response = await anonymous.get("/health/live", headers=[(b"x-request-id", request_id.encode())])
    assert UUID(response.headers["x-request-id"]).version == 7


async def test_errors_have_their_request_id(anonymous: httpx.AsyncClient):
    response = await anonymous.get(ONE, headers={"x-request-id": "abc"})
    assert (response.status_code, response.headers["x-request-id"]) == (401, "abc")
    assert response.json()["request_id"] == "abc"


async def test_the_response_time_is_in_milliseconds(anonymous: httpx.AsyncClient):
    response = await anonymous.get("/health/live")
    assert re.fullmatch(r"\d+\.\d\d", response.headers["x-response-time"])


async def test_log_lines_have_the_request_id(client: httpx.AsyncClient):
    with capture_logs([merge_contextvars]) as logged:
        await client.get(ONE, headers={"x-request-id": "abc"})
    assert logged[0]["correlation_id"] == "abc"


@each("parent", ["", "x", "00-0-0-0", "é"])
async def test_an_invalid_trace_is_ignored(client: httpx.AsyncClient, services: FakeServices, parent: str):
    await services.answer(GetSession, samples.session())
    response = await client.get(ONE, headers=[(b"traceparent", parent.encode())])
    assert response.status_code == 200


async def test_requests_are_counted_by_route(client: httpx.AsyncClient):
    before = request_count("GET", "/api/v1/sessions/{session_id}")
    await client.get(ONE)
    assert request_count("GET", "/api/v1/sessions/{session_id}") == before + 1


async def test_requests_for_files_are_counted_by_route(client: httpx.AsyncClient):
    before = request_count("GET", "/api/v1/sessions/{session_id}/workspace/{path}")
    await client.get(f"{ONE}/workspace/a/b")
    assert request_count("GET", "/api/v1/sessions/{session_id}/workspace/{path}") == before + 1


async def test_requests_without_a_route_are_one_series(client: httpx.AsyncClient):
    before = request_count("GET", "unmatched")
    for number in range(3):
        await client.get(f"/made/up/{number}")
    assert request_count("GET", "unmatched") == before + 3


async def test_unknown_methods_are_one_series(client: httpx.AsyncClient):
    before = request_count("OTHER", "unmatched")
    for method in ("BREW", "COFFEE"):
        assert (await client.request(method, "/made/up")).status_code == 404
    assert request_count("OTHER", "unmatched") == before + 2


async def test_durations_are_counted_by_status(client: httpx.AsyncClient):
    labels = {"method": "GET", "path": "/health/live", "status": "200"}
    before = metrics_of("gateway").get_sample_value("api_request_duration_seconds_count", labels) or 0
    await client.get("/health/live")
    assert metrics_of("gateway").get_sample_value("api_request_duration_seconds_count", labels) == before + 1


async def test_a_disconnect_during_the_request_is_not_an_error(base_url: str, services: FakeServices):
    labels = {"method": "POST", "path": "/api/v1/sessions", "status": "499"}
    before = metrics_of("gateway").get_sample_value("api_request_duration_seconds_count", labels) or 0
    with capture_logs() as logged:
        _, writer = await asyncio.open_connection("127.0.0.1", int(base_url.rpartition(":")[2]))
        head = f"host: localhost\r\nauthorization: Bearer {services.token()}\r\ncontent-length: 10"
        writer.write(f"POST /api/v1/sessions HTTP/1.1\r\n{head}\r\n\r\n{{".encode())
        await writer.drain()
        writer.close()
        await eventually(
            lambda: metrics_of("gateway").get_sample_value("api_request_duration_seconds_count", labels) == before + 1
        )
    assert [(line["event"], line["status"]) for line in logged] == [("request", 499)]


async def test_the_log_of_a_request_has_only_its_route_and_user(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(ListSessions, Page(items=[samples.session()], total=1))
    with capture_logs([merge_contextvars]) as logged:
        await client.get("/api/v1/sessions", params={"status": "active"}, headers={"x-request-id": "abc"})
    [line] = logged
    assert line.pop("duration_ms") > 0
    assert line == {
        "event": "request",
        "log_level": "info",
        "correlation_id": "abc",
        "method": "GET",
        "route": "/api/v1/sessions",
        "status": 200,
        "user_id": USER,
    }


async def test_the_log_of_an_unmatched_request_has_no_path(anonymous: httpx.AsyncClient):
    with capture_logs() as logged:
        await anonymous.get("/made/up?token=secret")
    assert [(line["route"], line["status"]) for line in logged] == [("unmatched", 404)]
    assert "user_id" not in logged[0]
