"""The spans of requests: what they say, whose trace they are in, and which requests have none."""

from collections.abc import Generator
from typing import Any
from uuid import UUID

import httpx
import pytest
from contracts.refusals import Code
from contracts.samples import SESSION, USER
from contracts.session.session import GetSession
from gateway.entry import spans
from gateway.waiting import Waits
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from runtime import telemetry
from runtime.testing import recording
from runtime.waiters import Waiter

from services.gateway.tests import samples
from services.gateway.tests.cases import each
from services.gateway.tests.fake_services import FakeServices

ONE = f"/api/v1/sessions/{SESSION}"
TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


@pytest.fixture
def recorded() -> Generator[InMemorySpanExporter]:
    with recording() as exporter:
        yield exporter


def scope(path: str = ONE, **changed: Any) -> dict[str, Any]:
    headers = [(b"traceparent", PARENT.encode())]
    return {"type": "http", "method": "GET", "path": path, "scheme": "http", "headers": headers} | changed


async def test_a_request_and_what_it_asks_are_one_trace(
    recorded: InMemorySpanExporter, client: httpx.AsyncClient, services: FakeServices
):
    await services.answer(GetSession, samples.session())
    await client.get(ONE)
    asked, request = recorded.get_finished_spans()
    assert (asked.kind, request.kind) == (SpanKind.CLIENT, SpanKind.SERVER)
    assert asked.parent == request.context
    assert asked.context
    assert f"-{asked.context.trace_id:032x}-{asked.context.span_id:016x}-" in (
        services.received[-1][1].traceparent or ""
    )


async def test_a_request_is_described_without_its_path(
    recorded: InMemorySpanExporter, client: httpx.AsyncClient, services: FakeServices
):
    await services.answer(GetSession, samples.session())
    await client.get(ONE)
    request = recorded.get_finished_spans()[-1]
    assert request.name == "GET /api/v1/sessions/{session_id}"
    assert dict(request.attributes or {}) == {
        "http.request.method": "GET",
        "http.route": "/api/v1/sessions/{session_id}",
        "http.response.status_code": 200,
        "url.scheme": "http",
        "agentapi.session.id": SESSION,
        "agentapi.user.id": USER,
    }


async def test_a_refusal_has_its_code_and_is_no_error(
    recorded: InMemorySpanExporter, client: httpx.AsyncClient, services: FakeServices
):
    await services.deny(GetSession, Code.SESSION_NOT_FOUND, UUID(USER))
    await client.get(ONE)
    for span in recorded.get_finished_spans():
        assert span.status.status_code is StatusCode.UNSET
        assert (span.attributes or {})["agentapi.refusal.code"] == "SESSION_NOT_FOUND"


@pytest.mark.usefixtures("impatient")
async def test_an_outage_is_an_error(recorded: InMemorySpanExporter, client: httpx.AsyncClient):
    await client.get(ONE)
    asked, request = recorded.get_finished_spans()
    assert {span.status.status_code for span in (asked, request)} == {StatusCode.ERROR}
    assert (request.attributes or {})["error.type"] == "503"


async def test_what_a_client_makes_up_is_in_no_span(recorded: InMemorySpanExporter, client: httpx.AsyncClient):
    await client.request("BREW", "/secret/path")
    await client.get("/api/v1/sessions/secret")
    spans = recorded.get_finished_spans()
    assert [span.name for span in spans] == ["_OTHER", "GET /api/v1/sessions/{session_id}"]
    assert not [span for span in spans if "secret" in span.to_json() or "BREW" in span.to_json()]


@each("path", ["/health", "/health/live", "/health/ready", "/metrics"])
async def test_probes_leave_no_spans(recorded: InMemorySpanExporter, anonymous: httpx.AsyncClient, path: str):
    await anonymous.get(path, headers={"traceparent": PARENT})
    assert recorded.get_finished_spans() == ()


async def test_a_client_does_not_continue_its_trace(
    recorded: InMemorySpanExporter, client: httpx.AsyncClient, services: FakeServices
):
    await services.answer(GetSession, samples.session())
    await client.get(ONE, headers={"traceparent": PARENT})
    request = recorded.get_finished_spans()[-1]
    assert (request.parent, [f"{link.context.trace_id:032x}" for link in request.links]) == (None, [TRACE])
    assert TRACE not in (services.received[-1][1].traceparent or "")


def test_a_trusted_proxy_continues_its_trace(recorded: InMemorySpanExporter):
    with spans.request(scope(), is_trusted=True):
        pass
    [request] = recorded.get_finished_spans()
    assert request.parent is not None
    assert f"{request.parent.trace_id:032x}" == TRACE


@each("is_trusted", [True, False])
def test_without_tracing_only_the_trace_of_a_proxy_is_passed_on(is_trusted: bool):
    with spans.request(scope(), is_trusted=is_trusted):
        assert telemetry.traceparent() == (PARENT if is_trusted else None)


@pytest.mark.parametrize("woken", [True, False])
async def test_a_wait_is_in_the_trace_only_where_an_event_ends_it(recorded: InMemorySpanExporter, woken: bool):
    async def read(*_: object) -> bool:
        with telemetry.span("read"):
            return True

    async def stays() -> bool:
        return False

    waiter = Waiter()
    if woken:
        waiter.wake()
    with telemetry.new_trace("GET"):
        await Waits(60).until(bool, False, read, stays, waiter if woken else None)
    assert [span.name for span in recorded.get_finished_spans()] == (["read"] if woken else []) + ["GET"]
