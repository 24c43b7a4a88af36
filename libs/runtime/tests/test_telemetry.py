import asyncio
import subprocess
import sys
from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from contracts.refusals import Code, Refusal
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased
from opentelemetry.trace import SpanKind, StatusCode, TraceFlags
from runtime import telemetry
from runtime.bus.envelope import Envelope
from runtime.http import health
from runtime.logging import bound_contextvars
from runtime.telemetry import Origin, new_trace, span, traceparent, untraced
from runtime.testing import recording
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture
def spans() -> Generator[InMemorySpanExporter]:
    with recording() as exporter:
        yield exporter


def test_there_is_no_traceparent_outside_of_a_span() -> None:
    assert traceparent() is None
    assert Envelope.begin().traceparent is None


def test_a_traceparent_is_propagated_without_tracing() -> None:
    with span("anything", parent=PARENT):
        assert traceparent() == PARENT


@pytest.mark.usefixtures("spans")
def test_a_new_message_carries_the_current_trace() -> None:
    with span("request", parent=PARENT):
        assert TRACE in (Envelope.begin().traceparent or "")


@pytest.mark.usefixtures("spans")
def test_a_caused_message_carries_the_current_span() -> None:
    envelope = Envelope.from_headers(Envelope.begin().headers() | {"traceparent": PARENT})
    with span("reaction", parent=envelope.traceparent):
        following = envelope.follow()
        assert following.traceparent == traceparent() != PARENT


def test_a_caused_message_keeps_the_trace_without_a_span() -> None:
    assert Envelope.from_headers(Envelope.begin().headers() | {"traceparent": PARENT}).follow().traceparent == PARENT


def test_a_span_is_a_child_of_the_span_of_the_message(spans: InMemorySpanExporter) -> None:
    with span("handle", parent=PARENT):
        pass
    [recorded] = spans.get_finished_spans()
    assert recorded.parent is not None
    assert f"{recorded.parent.trace_id:032x}" == TRACE


def test_an_invalid_traceparent_starts_a_new_trace(spans: InMemorySpanExporter) -> None:
    with span("handle", parent="nonsense"):
        pass
    assert spans.get_finished_spans()[0].parent is None


def test_nothing_is_recorded_outside_of_a_trace(spans: InMemorySpanExporter) -> None:
    with span("request", SpanKind.CLIENT, destination="qry.session.ping"):
        assert traceparent() is None
    assert spans.get_finished_spans() == ()


def test_a_new_trace_has_a_link_to_its_cause(spans: InMemorySpanExporter) -> None:
    with span("earlier", parent=PARENT), new_trace("GET", SpanKind.SERVER, link=PARENT):
        pass
    recorded = spans.get_finished_spans()[0]
    assert (recorded.parent, [f"{link.context.trace_id:032x}" for link in recorded.links]) == (None, [TRACE])


@pytest.mark.parametrize("link", ["nonsense", "", f"00-{'0' * 32}-{'0' * 16}-01", "00-é-1-1", "x" * 100_000])
def test_an_invalid_link_is_left_out(spans: InMemorySpanExporter, link: str) -> None:
    with new_trace("GET", link=link):
        pass
    assert spans.get_finished_spans()[0].links == ()


def test_the_cause_of_a_trace_does_not_decide_its_sampling() -> None:
    with recording(ParentBased(ALWAYS_OFF)) as spans, new_trace("GET", link=PARENT):
        assert not int((traceparent() or "")[-2:], 16) & TraceFlags.SAMPLED
    assert spans.get_finished_spans() == ()


def test_nothing_is_recorded_while_untraced(spans: InMemorySpanExporter) -> None:
    with new_trace("GET"), untraced(), span("request"):
        assert traceparent() is None
        assert telemetry.log_ids()
    assert [each.name for each in spans.get_finished_spans()] == ["GET"]


def test_a_span_of_a_message_names_its_subject(spans: InMemorySpanExporter) -> None:
    with span("request", SpanKind.CLIENT, destination="cmd.session.create", parent=PARENT):
        pass
    [recorded] = spans.get_finished_spans()
    assert (recorded.name, recorded.kind) == ("request cmd.session.create", SpanKind.CLIENT)
    assert dict(recorded.attributes or {}) == {
        "messaging.system": "nats",
        "messaging.destination.name": "cmd.session.create",
        "messaging.operation.name": "request",
        "messaging.operation.type": "send",
    }


def test_a_span_has_the_ids_that_logs_have(spans: InMemorySpanExporter) -> None:
    with bound_contextvars(session_id="s", run_id="r", user_id="u", other="o"), new_trace("work"):
        pass
    ids = {"agentapi.session.id": "s", "agentapi.run.id": "r", "agentapi.user.id": "u"}
    assert spans.get_finished_spans()[0].attributes == ids


def test_a_refusal_is_no_error(spans: InMemorySpanExporter) -> None:
    with pytest.raises(Refusal), new_trace("work"):
        raise Refusal(Code.SESSION_BUSY, "private")
    [recorded] = spans.get_finished_spans()
    assert recorded.status.status_code is StatusCode.UNSET
    assert recorded.attributes == {"agentapi.refusal.code": "SESSION_BUSY"}


def test_an_error_is_recorded_without_its_text(spans: InMemorySpanExporter) -> None:
    with pytest.raises(ValueError, match="private"), new_trace("work"):
        raise ValueError("private")
    [recorded] = spans.get_finished_spans()
    assert recorded.status.status_code is StatusCode.ERROR
    assert "private" not in recorded.to_json()
    assert recorded.attributes == {"error.type": "ValueError"}


def test_an_origin_is_resumed_within_other_work(spans: InMemorySpanExporter) -> None:
    with bound_contextvars(run_id="first"), span("first", parent=PARENT):
        origin = Origin()
    with new_trace("second"), origin.resumed(), span("request"):
        pass
    request = next(each for each in spans.get_finished_spans() if each.name == "request")
    assert f"{request.context.trace_id:032x}" == TRACE  # pyright: ignore[reportOptionalMemberAccess]
    assert request.attributes == {"agentapi.run.id": "first"}


@pytest.mark.parametrize("open_span", [lambda: span("work"), lambda: new_trace("work", link=PARENT)])
def test_without_tracing_no_span_is_created(monkeypatch: pytest.MonkeyPatch, open_span: Callable[[], object]) -> None:
    monkeypatch.setattr(TracerProvider, "get_tracer", None)
    assert open_span() is open_span()


async def test_spans_are_exported_to_the_endpoint(tmp_path: Path) -> None:
    received: list[tuple[str, bytes]] = []
    headers = tmp_path / "headers"
    headers.write_text("authorization=Bearer%20a%20b\n")

    async def receive(request: Request) -> Response:
        received.append((request.headers["authorization"], await request.body()))
        return Response()

    collector = Starlette(routes=[Route("/v1/traces", receive, methods=["POST"])])
    async with health.serving(collector, "127.0.0.1", 0) as server:
        host, port = server.address
        script = """
from runtime import settings, telemetry
from runtime.telemetry_settings import TelemetrySettings
telemetry.set_up("probe", settings.load(TelemetrySettings))
with telemetry.new_trace("a piece of work"):
    pass
telemetry.shut_down()"""
        environment = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{host}:{port}/",
            "OTEL_EXPORTER_OTLP_HEADERS_FILE": str(headers),
            "OTEL_RESOURCE_ATTRIBUTES": "team=ours,service.name=theirs,deployment.environment=staging",
        }
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", script, env=environment)
        assert await process.wait() == 0
    [(token, body)] = received
    assert token == "Bearer a b"
    assert all(part in body for part in (b"a piece of work", b"probe", b"ours", b"staging", b"service.instance.id"))
    assert b"theirs" not in body


def test_the_exporter_is_not_imported_without_an_endpoint() -> None:
    script = """
import sys
from runtime import process, telemetry
telemetry.set_up("probe", process.ProcessSettings())
telemetry.shut_down()
sys.exit(any(name.startswith("opentelemetry.sdk") for name in sys.modules))"""
    subprocess.run([sys.executable, "-c", script], check=True)  # noqa: S603  our own program
