"""The traces and the ids in logs of messages, events and their reactions."""

from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from contracts.messages import Command, Event, Query
from runtime import clock, telemetry
from runtime.bus.envelope import Envelope
from runtime.logging import bound_contextvars
from runtime.telemetry import SpanKind

from eventing.recording import Recorded

MAX_AGE = timedelta(minutes=1)
"""An older event is sent without a span: to fill a stream again would repeat all the traces of the past."""


def log_ids(message: Command[Any] | Query[Any] | Event, envelope: Envelope) -> dict[str, str]:
    """Return the ids that logs and spans have while a message is handled."""
    ids = {"correlation_id": envelope.correlation_id}
    if envelope.actor:
        ids["user_id"] = str(envelope.actor.user_id)
    for name in ("session_id", "run_id"):
        if value := getattr(message, name, None):
            ids[name] = str(value)
    return ids


def log_ids_of(recorded: Recorded[Any]) -> dict[str, str]:
    """Return the ids that logs and spans have while a reaction acts on an event."""
    ids = log_ids(recorded.event, recorded.envelope)
    if "run_id" in ids:  # an event about a run that does not name its session is that of the session
        ids.setdefault("session_id", str(recorded.id))
    return ids


@contextmanager
def sending(recorded: Recorded[Any]) -> Generator[dict[str, str]]:
    """Send an event in a span, and yield the headers that make its consumers children of that."""
    parent = recorded.envelope.traceparent
    if telemetry.tracing.tracer is None or parent is None or clock.now() - recorded.at > MAX_AGE:
        yield {}
        return
    with (
        bound_contextvars(**log_ids_of(recorded)),
        telemetry.span("send", SpanKind.PRODUCER, destination=recorded.event.subject, parent=parent),
    ):
        yield {"traceparent": telemetry.traceparent() or parent}
