"""A projector of public events projects all events of a service, but does not read what nobody wants."""

import json
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any
from uuid import UUID

import pytest
from contracts.public_event import PublicEvent
from contracts.wire import PUBLIC_PREFIX, PUBLIC_STREAM
from eventing.bus import public_stream
from eventing.database import Connection, Database, Reader
from eventing.projectors import public_events
from eventing.projectors.public_events import PublicEventProjector, Subscription
from eventing.recording import EventTooNew
from eventing.testing import background, eventually
from eventing.testing.messages import JarOpened
from eventing.testing.publishing import publish
from eventing.testing.waiting import eventually_equals
from nats.js.api import StreamConfig
from runtime.bus.jetstream import JetStream, headers_of, subject_counts
from runtime.clock import new_id
from runtime.forever import forever

pytestmark = pytest.mark.usefixtures("fast_ordered_reads")


def text(event: PublicEvent) -> str:
    return json.dumps(event.payload())


class Subscriber:
    """Stores the sequence numbers of events, while it wants any."""

    def __init__(self, database: Database, js: JetStream) -> None:
        self.database, self.js, self.is_wanted, self.stored = database, js, True, 0
        self.events = list[PublicEvent]()

    async def wanted(self, _: Reader) -> bool:
        return self.is_wanted

    async def project(self, events: Sequence[PublicEvent], db: Connection) -> None:
        self.events += events
        await db.execute("INSERT INTO subjects SELECT * FROM unnest($1::int[])", [event.sequence for event in events])

    def note(self) -> None:
        self.stored += 1

    def projecting(self) -> AbstractAsyncContextManager[object]:
        projector = PublicEventProjector("public", "jar", Subscription(self.wanted, self.project, self.note, text))
        return background(forever("projector", lambda: projector.run(self.database, self.js)))

    async def sequences(self) -> list[int]:
        return [row["sequence"] for row in await self.database.fetch("SELECT sequence FROM subjects ORDER BY 1")]

    async def checkpoint(self) -> int | None:
        return await self.database.fetchval("SELECT sequence FROM checkpoints WHERE name = 'public'")


@pytest.fixture
def tables() -> str:
    return "CREATE TABLE subjects (sequence int)"


@pytest.fixture
def subscriber(database: Database, js: JetStream, monkeypatch: pytest.MonkeyPatch) -> Subscriber:
    monkeypatch.setattr(public_events, "UNWANTED_SECONDS", 0.01)
    monkeypatch.setattr(public_events, "SKIP_SECONDS", 0.02)
    return Subscriber(database, js)


async def send(js: JetStream, **headers: Any) -> None:
    own: dict[str, Any] = {"ce_id": str(new_id())} | headers
    with suppress(EventTooNew, ValueError):  # raised after the event was published, because it cannot be read
        await publish(js, JarOpened.example(), at=new_id(), **own)


async def test_events_are_projected_in_their_public_form(subscriber: Subscriber, js: JetStream) -> None:
    await send(js)
    async with subscriber.projecting():
        await eventually(lambda: subscriber.stored)
    [event] = subscriber.events
    assert (event.type, event.sequence) == ("jar.opened", 1)
    assert event.data == json.loads(JarOpened.example().model_dump_json())


async def test_kinds_that_only_a_newer_release_knows_are_projected(subscriber: Subscriber, js: JetStream) -> None:
    await send(js, **{"ce_type": "evt.jar.painted", "fact-version": "7"})
    async with subscriber.projecting():
        await eventually(lambda: subscriber.stored)
    assert [event.type for event in subscriber.events] == ["jar.painted"]


@pytest.mark.parametrize("header", ["ce_id", "ce_time"])
async def test_an_event_without_id_or_time_does_not_stop_the_following(
    subscriber: Subscriber, js: JetStream, header: str
) -> None:
    await send(js, **{header: "unknown"})
    await send(js)
    async with subscriber.projecting():
        await eventually_equals(subscriber.sequences, [2])


async def test_events_that_nobody_wants_are_skipped(subscriber: Subscriber, js: JetStream) -> None:
    subscriber.is_wanted = False
    await send(js)
    async with subscriber.projecting():
        await eventually_equals(subscriber.checkpoint, 1)
        subscriber.is_wanted = True
        await send(js)
        await eventually_equals(subscriber.sequences, [2])


async def test_events_are_not_skipped_once_somebody_wants_them(
    subscriber: Subscriber, js: JetStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [False]

    async def wanted(_: Reader) -> bool:
        return answers.pop() if answers else True

    monkeypatch.setattr(subscriber, "wanted", wanted)
    await send(js)
    async with subscriber.projecting():
        await eventually_equals(subscriber.sequences, [1])


async def create_public_stream(js: JetStream) -> None:
    await js.add_stream(StreamConfig(name=PUBLIC_STREAM, subjects=[f"{PUBLIC_PREFIX}.>"]))


async def published(js: JetStream) -> list[tuple[str, dict[str, Any]]]:
    """Return the subjects and headers of all messages in the stream of public events."""
    state = (await js.stream_info(PUBLIC_STREAM)).state
    numbers = range(state.first_seq, state.last_seq + 1) if state.messages else ()
    found = [await js.get_msg(PUBLIC_STREAM, seq=number) for number in numbers]
    return [(message.subject or "", dict(headers_of(message))) for message in found]


async def count(js: JetStream) -> int:
    return (await js.stream_info(PUBLIC_STREAM)).state.messages


async def test_events_are_published_if_there_is_a_stream_for_them(subscriber: Subscriber, js: JetStream) -> None:
    subscriber.is_wanted = False
    await create_public_stream(js)
    owner, jar, id = (str(new_id()) for _ in range(3))
    time = "2026-11-30T12:00:00+00:00"
    await publish(js, JarOpened.example(), at=UUID(jar), owner=owner, ce_id=id, ce_time=time)
    async with subscriber.projecting():
        await eventually_equals(lambda: count(js), 1)
    [(subject, headers)] = await published(js)
    assert subject == f"public.v1.{owner}.jar.opened.{jar}"
    assert {name: value for name, value in headers.items() if name.startswith("ce-")} == {
        "ce-specversion": "1.0",
        "ce-id": id,
        "ce-type": "jar.opened",
        "ce-source": "/jar",
        "ce-subject": jar,
        "ce-time": "2026-11-30T12:00:00Z",
        "ce-datacontenttype": "application/json",
        "ce-dataschema": "urn:agentapi:public.v1:jar.opened",
    }


async def test_events_are_published_once_and_in_order_after_a_failure(subscriber: Subscriber, js: JetStream) -> None:
    await create_public_stream(js)
    failures = [ValueError("the process ends before its checkpoint moves")]
    project = subscriber.project

    async def fail_once(events: Sequence[PublicEvent], db: Connection) -> None:
        if failures:
            raise failures.pop()
        await project(events, db)

    subscriber.project = fail_once  # type: ignore[method-assign]
    ids = [str(new_id()) for _ in range(20)]
    for id in ids:
        await send(js, ce_id=id)
    async with subscriber.projecting():
        await eventually(lambda: len(subscriber.events) == len(ids))
    assert [headers["ce-id"] for _, headers in await published(js)] == ids


async def test_events_go_on_when_the_stream_is_removed(subscriber: Subscriber, js: JetStream) -> None:
    await create_public_stream(js)
    async with subscriber.projecting():
        await send(js)
        await eventually_equals(lambda: count(js), 1)
        await js.delete_stream(PUBLIC_STREAM)
        await send(js)
        await eventually_equals(subscriber.sequences, [1, 2])


async def test_events_of_a_deleted_resource_are_removed(subscriber: Subscriber, js: JetStream) -> None:
    await create_public_stream(js)
    jar, other = new_id(), new_id()
    for at in (jar, other, jar):
        await publish(js, JarOpened.example(), at=at, ce_id=str(new_id()))
    async with subscriber.projecting():
        await eventually_equals(lambda: count(js), 3)
    await public_stream.erase(js, jar)
    left = await subject_counts(js, PUBLIC_STREAM, f"{PUBLIC_PREFIX}.>")
    assert [subject.rpartition(".")[2] for subject in left] == [str(other)]


async def test_nothing_is_removed_where_nothing_was_published(js: JetStream) -> None:
    await public_stream.erase(js, new_id())
