"""Traces, by OpenTelemetry: exported when an endpoint is set, carried along in any case."""

from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_PROPAGATOR = TraceContextTextMapPropagator()
EXPORT_TIMEOUT = 3.0
"""Also what a collector that is away may hold up the end of the process."""


def set_up(service: str, endpoint: str | None) -> None:
    """Export this process's spans to `endpoint` (OTLP over HTTP, its base URL); without one, make none."""
    if endpoint is None:
        return
    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    exporter = OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces", timeout=EXPORT_TIMEOUT)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)


def shut_down() -> None:
    """Send what is still held back; bounded by the exporter's own timeout."""
    provider = trace.get_tracer_provider()
    if isinstance(provider, TracerProvider):
        provider.shutdown()


def traceparent() -> str | None:
    """Give the current span as a W3C `traceparent`, or None outside of one."""
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    return carrier.get("traceparent")


def span(name: str, parent: str | None = None) -> AbstractContextManager[None]:
    """Open a span, under the `traceparent` of a message where there is one."""
    if parent is None and isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        return nullcontext()  # nobody traces, and a span costs as much as the rest of what is done for each message
    return _span(name, parent)


@contextmanager
def _span(name: str, parent: str | None) -> Generator[None]:
    context = _PROPAGATOR.extract({"traceparent": parent}) if parent else None
    with trace.get_tracer("agentapi").start_as_current_span(name, context=context):
        yield
