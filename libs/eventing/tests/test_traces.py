"""The spans of messages and events: from the command, over the append and the relay, to the reactions."""

from collections.abc import Generator
from datetime import timedelta
from typing import Any

import pytest
from contracts.refusals import Refusal
from eventing import tracing
from eventing.database import Database
from eventing.handling import Handlers, subscribers
from eventing.handling.dispatch import Dispatcher
from eventing.recording import Recorded
from eventing.store.postgres import PostgresStore
from eventing.testing import eventually, jars
from eventing.testing.closing import LONG_AGO, Closing
from eventing.testing.messages import GetJar, JarOpened, OpenJar
from eventing.testing.reacting import ReactionSpy, working
from eventing.testing.relaying import open_jars, relaying, replica_of
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from runtime import clock, telemetry
from runtime.bus import Bus, Client, Unavailable
from runtime.bus.envelope import Envelope
from runtime.bus.jetstream import JetStream
from runtime.testing import recording

pytestmark = pytest.mark.usefixtures("fast_relay", "fast_reactions")


@pytest.fixture
def spans() -> Generator[InMemorySpanExporter]:
    with recording() as exporter:
        yield exporter


def by_name(spans: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {span.name: span for span in spans.get_finished_spans()}


def is_within(child: ReadableSpan, parent: ReadableSpan) -> bool:
    assert child.parent
    assert parent.context
    return (child.parent.trace_id, child.parent.span_id) == (parent.context.trace_id, parent.context.span_id)


@pytest.fixture
async def bus(nats_url: str, postgres_store: PostgresStore, database: Database, client: Client) -> Any:
    broken = Handlers()

    @broken
    async def fail(_: GetJar, context: Any) -> None:  # pyright: ignore[reportUnusedFunction]
        raise LookupError("private")

    dispatcher = Dispatcher(postgres_store, database, None, jars.handles, broken)
    async with subscribers.serving(nats_url, "jar", dispatcher):
        yield Bus(client, timeout=60)


async def test_a_command_its_handler_and_its_append_are_one_trace(bus: Bus, spans: InMemorySpanExporter) -> None:
    with telemetry.new_trace("root"), pytest.raises(Unavailable):  # the query for its outcome fails
        await bus.ask(OpenJar.example(), Envelope.begin())
    found = by_name(spans)
    request, handler = found["request cmd.jar.open"], found["handle cmd.jar.open"]
    assert is_within(request, found["root"])
    assert is_within(handler, request)
    assert is_within(found["append events"], handler)
    assert (request.kind, handler.kind) == (SpanKind.CLIENT, SpanKind.SERVER)


async def test_a_fault_is_an_error_without_its_text(bus: Bus, spans: InMemorySpanExporter) -> None:
    with telemetry.new_trace("root"), pytest.raises((Unavailable, Refusal)):
        await bus.ask(GetJar.example(), Envelope.begin())
    handler = by_name(spans)["handle qry.jar.get"]
    assert handler.status.status_code is StatusCode.ERROR
    assert "private" not in handler.to_json()


async def test_a_message_of_no_trace_leaves_no_span(bus: Bus, spans: InMemorySpanExporter) -> None:
    with pytest.raises(Unavailable):
        await bus.ask(GetJar.example(), Envelope.begin())
    assert spans.get_finished_spans() == ()


async def test_a_reaction_is_within_the_span_of_the_relay(
    postgres_store: PostgresStore, js: JetStream, client: Client, spans: InMemorySpanExporter
) -> None:
    spy = ReactionSpy()
    async with relaying(postgres_store, js), working((replica_of(client, postgres_store), spy)):
        with telemetry.new_trace("root"):
            await open_jars(postgres_store, 1)
        await eventually(lambda: "open evt.jar.opened" in by_name(spans))
    sent = [span for span in spans.get_finished_spans() if span.name == "send evt.jar.opened"]
    reaction = by_name(spans)["open evt.jar.opened"]
    assert all(is_within(span, by_name(spans)["root"]) for span in sent)
    assert sum(is_within(reaction, span) for span in sent) == 1
    assert ({span.kind for span in sent}, reaction.kind) == ({SpanKind.PRODUCER}, SpanKind.CONSUMER)


def test_an_event_of_the_past_is_sent_without_a_span(spans: InMemorySpanExporter) -> None:
    with telemetry.new_trace("root"):
        envelope = Envelope.begin()
    at = clock.now() - timedelta(minutes=2)
    with tracing.sending(Recorded(clock.new_id(), 1, at, JarOpened(label=""), envelope, clock.new_id())) as headers:
        assert headers == {}
    assert list(by_name(spans)) == ["root"]


async def test_a_due_time_begins_a_trace_with_a_link(closing: Closing, spans: InMemorySpanExporter) -> None:
    with telemetry.new_trace("root"):
        await closing.open_jar(LONG_AGO)
    await closing.send_batch()
    root, due = by_name(spans)["root"], by_name(spans)["closing"]
    assert (due.parent, [link.context for link in due.links]) != (None, [])
    assert root.context
    assert {link.context.span_id for link in due.links} == {root.context.span_id}
