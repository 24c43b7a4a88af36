import asyncio
import subprocess
import sys

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from runtime.bus.envelope import Envelope
from runtime.http import health
from runtime.telemetry import span, traceparent
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    return exporter


def test_there_is_no_traceparent_outside_of_a_span() -> None:
    assert traceparent() is None
    assert Envelope.begin().traceparent is None


def test_a_traceparent_is_propagated_without_tracing() -> None:
    with span("anything", PARENT):
        assert traceparent() == PARENT


@pytest.mark.usefixtures("spans")
def test_a_new_message_carries_the_current_trace() -> None:
    with span("request", PARENT):
        assert TRACE in (Envelope.begin().traceparent or "")


@pytest.mark.usefixtures("spans")
def test_a_caused_message_carries_the_current_span() -> None:
    envelope = Envelope.from_headers(Envelope.begin().headers() | {"traceparent": PARENT})
    with span("reaction", envelope.traceparent):
        following = envelope.follow()
        assert following.traceparent == traceparent() != PARENT


def test_a_caused_message_keeps_the_trace_without_a_span() -> None:
    assert Envelope.from_headers(Envelope.begin().headers() | {"traceparent": PARENT}).follow().traceparent == PARENT


def test_a_span_is_a_child_of_the_span_of_the_message(spans: InMemorySpanExporter) -> None:
    with span("handle", PARENT):
        pass
    [recorded] = spans.get_finished_spans()
    assert recorded.parent is not None
    assert f"{recorded.parent.trace_id:032x}" == TRACE


def test_an_invalid_traceparent_starts_a_new_trace(spans: InMemorySpanExporter) -> None:
    with span("handle", "nonsense"):
        pass
    assert spans.get_finished_spans()[0].parent is None


async def test_spans_are_exported_to_the_endpoint() -> None:
    received: list[bytes] = []

    async def receive(request: Request) -> Response:
        received.append(await request.body())
        return Response()

    collector = Starlette(routes=[Route("/v1/traces", receive, methods=["POST"])])
    async with health.serving(collector, "127.0.0.1", 0) as server:
        host, port = server.address
        script = f"""
from runtime import telemetry
telemetry.set_up("probe", "http://{host}:{port}")
with telemetry.span("a piece of work"):
    pass
telemetry.shut_down()"""
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", script)
        assert await process.wait() == 0
    assert b"a piece of work" in b"".join(received)
    assert b"probe" in b"".join(received)


def test_the_exporter_is_not_imported_without_an_endpoint() -> None:
    script = """
import sys
from runtime import process, telemetry
telemetry.set_up("probe", None)
telemetry.shut_down()
sys.exit(any(name.startswith("opentelemetry.sdk") for name in sys.modules))"""
    subprocess.run([sys.executable, "-c", script], check=True)  # noqa: S603  our own program
