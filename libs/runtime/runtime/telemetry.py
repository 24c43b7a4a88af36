"""Tracing with OpenTelemetry: spans are recorded if `set_up` has an endpoint; trace context is always propagated.

A request of a client, or a time that is reached, begins a trace (`new_trace`). All other spans (`span`) are within one,
so what nobody asked for, such as a probe, leaves none. Without an endpoint no span is created.
"""

from collections.abc import Generator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field

from contracts.refusals import Refusal
from opentelemetry import context as otel
from opentelemetry import trace
from opentelemetry.trace import INVALID_SPAN, Link, Span, SpanKind, Status, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from structlog.contextvars import bound_contextvars, get_contextvars

from runtime.telemetry_settings import TelemetrySettings

__all__ = ["Origin", "Span", "SpanKind"]

type Attributes = Mapping[str, str | int]

IDS = {"session_id": "agentapi.session.id", "run_id": "agentapi.run.id", "user_id": "agentapi.user.id"}
"""The attributes of all spans, by the names under which their values are bound for logs."""
OPERATION_TYPES = {SpanKind.CLIENT: "send", SpanKind.PRODUCER: "send"}

_PROPAGATOR = TraceContextTextMapPropagator()
_UNTRACED = otel.create_key("untraced")
_NOTHING = nullcontext()


@dataclass
class _Tracing:
    tracer: Tracer | None = None


tracing = _Tracing()
"""The tracer of this process; none without an endpoint. Spans cost as much as all else that is done per message."""


def set_up(service: str, settings: TelemetrySettings) -> None:
    """Export the spans of this process to an OTLP/HTTP collector, if there is one."""
    if settings.traces_url is not None:
        from runtime import span_export

        tracing.tracer = span_export.set_up(service, settings)


def shut_down() -> None:
    """Export the remaining spans, within the timeout of the exporter."""
    if tracing.tracer:
        from runtime import span_export

        span_export.shut_down()


def traceparent() -> str | None:
    """Return the current span as a W3C `traceparent`, or None outside of a span."""
    current = trace.get_current_span().get_span_context()
    if not current.is_valid or otel.get_value(_UNTRACED):
        return None
    return f"00-{current.trace_id:032x}-{current.span_id:016x}-{current.trace_flags:02x}"


def log_ids() -> dict[str, str]:
    """Return the ids of the current span, for a line of the log."""
    current = trace.get_current_span().get_span_context()
    if not current.is_valid:
        return {}
    return {"trace_id": f"{current.trace_id:032x}", "span_id": f"{current.span_id:016x}"}


def span(
    operation: str,
    kind: SpanKind = SpanKind.INTERNAL,
    *,
    destination: str | None = None,
    parent: str | None = None,
    attributes: Attributes | None = None,
) -> AbstractContextManager[None]:
    """Open a span within the current trace, or within that of `parent`, the `traceparent` of a message.

    Outside of a trace there is no span. `destination` is the subject of a message, without any ids. An exception is
    recorded by its type alone: its text may be private.
    """
    if tracing.tracer is None:
        return _NOTHING if parent is None else _within(_remote(parent))
    if parent is None and not _is_traced():
        return _NOTHING
    context = None if parent is None else trace.set_span_in_context(_remote(parent))
    return _recorded(_name(operation, destination), kind, context, _all(operation, kind, destination, attributes))


def new_trace(
    operation: str, kind: SpanKind = SpanKind.INTERNAL, *, link: str | None = None, attributes: Attributes | None = None
) -> AbstractContextManager[None]:
    """Open the first span of a trace, whose sampling is decided here; `link` is the `traceparent` of its cause."""
    if tracing.tracer is None:
        return _NOTHING
    cause = _remote(link).get_span_context() if link else None
    links = [Link(cause)] if cause and cause.is_valid else []
    return _recorded(operation, kind, otel.Context(), _all(operation, kind, None, attributes), links)


def begin(operation: str, attributes: Attributes, at: float) -> Span:
    """Return a new span that the caller ends, and that does not become the current one.

    It began `at` this time, in seconds since 1970.
    """
    if tracing.tracer is None or not _is_traced():
        return INVALID_SPAN
    kind = SpanKind.INTERNAL
    every = _all(operation, kind, None, attributes)
    return tracing.tracer.start_span(operation, kind=kind, attributes=every, start_time=nanoseconds(at))


def nanoseconds(seconds: float) -> int:
    """Return a time as spans have it, which cannot be before 1970."""
    return max(0, int(seconds * 1e9))


def is_recording() -> bool:
    """Return whether there is a current span that is recorded."""
    return trace.get_current_span().is_recording()


def annotate(attributes: Attributes, name: str | None = None) -> None:
    """Add attributes to the current span, and change its name if there is another one."""
    current = trace.get_current_span()
    if current.is_recording():
        current.set_attributes(attributes)
        if name:
            current.update_name(name)


def note(error: Exception) -> None:
    """Record what ended the work of the current span: the code of a refusal, or an error."""
    current = trace.get_current_span()
    if isinstance(error, Refusal):
        current.set_attribute("agentapi.refusal.code", str(error.code))
    else:
        fail(type(error).__qualname__)


def fail(kind: str, failed: Span | None = None) -> None:
    """Mark a span, by default the current one, as failed with a kind of error."""
    failed = failed or trace.get_current_span()
    failed.set_attribute("error.type", kind)
    failed.set_status(Status(StatusCode.ERROR))


@contextmanager
def untraced() -> Generator[None]:
    """Record nothing of what is done in this context, here and in other services."""
    token = otel.attach(otel.set_value(_UNTRACED, True))
    try:
        yield
    finally:
        otel.detach(token)


@dataclass(frozen=True)
class Origin:
    """The trace and the ids of the work that the caller does, for tasks that an earlier work has started."""

    traceparent: str | None = field(default_factory=traceparent)
    ids: Mapping[str, str] = field(default_factory=get_contextvars)

    @contextmanager
    def resumed(self) -> Generator[None]:
        """Work within that trace, and log with those ids."""
        with bound_contextvars(**self.ids), _within(_remote(self.traceparent) if self.traceparent else INVALID_SPAN):
            yield


def _is_traced() -> bool:
    return trace.get_current_span().get_span_context().is_valid and not otel.get_value(_UNTRACED)


def _name(operation: str, destination: str | None) -> str:
    return f"{operation} {destination}" if destination else operation


def _all(operation: str, kind: SpanKind, destination: str | None, attributes: Attributes | None) -> Attributes:
    known = get_contextvars()
    ids = {name: str(known[key]) for key, name in IDS.items() if known.get(key)}
    messaging: Attributes = {}
    if destination:
        messaging = {
            "messaging.system": "nats",
            "messaging.destination.name": destination,
            "messaging.operation.name": operation,
            "messaging.operation.type": OPERATION_TYPES.get(kind, "process"),
        }
    return ids | messaging | dict(attributes or {})


def _remote(parent: str) -> Span:
    return trace.get_current_span(_PROPAGATOR.extract({"traceparent": parent}, otel.Context()))


@contextmanager
def _within(parent: Span) -> Generator[None]:
    with trace.use_span(parent, record_exception=False, set_status_on_exception=False):
        yield


@contextmanager
def _recorded(
    name: str, kind: SpanKind, context: otel.Context | None, attributes: Attributes, links: Sequence[Link] = ()
) -> Generator[None]:
    tracer = tracing.tracer or trace.get_tracer("agentapi")
    with tracer.start_as_current_span(
        name, context, kind, attributes, links, record_exception=False, set_status_on_exception=False
    ):
        try:
            yield
        except Exception as error:
            note(error)
            raise
