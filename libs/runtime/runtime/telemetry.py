"""Tracing with OpenTelemetry: spans are exported if an endpoint is set; trace context is always propagated."""

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
"""Seconds. Also the longest delay of shutdown if the collector is unavailable."""


def set_up(service: str, endpoint: str | None) -> None:
    """Export the spans of this process to `endpoint`, the base URL of an OTLP/HTTP collector. None disables tracing."""
    if endpoint is None:
        return
    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    exporter = OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces", timeout=EXPORT_TIMEOUT)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)


def shut_down() -> None:
    """Export the remaining spans, within the timeout of the exporter."""
    provider = trace.get_tracer_provider()
    if isinstance(provider, TracerProvider):
        provider.shutdown()


def traceparent() -> str | None:
    """Return the current span as a W3C `traceparent`, or None outside of a span."""
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    return carrier.get("traceparent")


def span(name: str, parent: str | None = None) -> AbstractContextManager[None]:
    """Open a span, as a child of `parent`, the `traceparent` of a message, if there is one."""
    if parent is None and isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        return nullcontext()  # tracing is off, and a span costs as much as all else done per message
    return _span(name, parent)


@contextmanager
def _span(name: str, parent: str | None) -> Generator[None]:
    context = _PROPAGATOR.extract({"traceparent": parent}) if parent else None
    with trace.get_tracer("agentapi").start_as_current_span(name, context=context):
        yield
