"""Tracing with OpenTelemetry: spans are exported if an endpoint is set; trace context is always propagated."""

from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_PROPAGATOR = TraceContextTextMapPropagator()


def set_up(service: str, endpoint: str | None) -> None:
    """Export the spans of this process to `endpoint`, the base URL of an OTLP/HTTP collector. None disables tracing."""
    if endpoint is not None:
        from runtime import span_export

        span_export.set_up(service, endpoint)


def shut_down() -> None:
    """Export the remaining spans, within the timeout of the exporter."""
    if not _is_off():
        from runtime import span_export

        span_export.shut_down()


def traceparent() -> str | None:
    """Return the current span as a W3C `traceparent`, or None outside of a span."""
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    return carrier.get("traceparent")


def span(name: str, parent: str | None = None) -> AbstractContextManager[None]:
    """Open a span, as a child of `parent`, the `traceparent` of a message, if there is one."""
    if parent is None and _is_off():
        return nullcontext()  # tracing is off, and a span costs as much as all else done per message
    return _span(name, parent)


def _is_off() -> bool:
    return isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)


@contextmanager
def _span(name: str, parent: str | None) -> Generator[None]:
    context = _PROPAGATOR.extract({"traceparent": parent}) if parent else None
    with trace.get_tracer("agentapi").start_as_current_span(name, context=context):
        yield
