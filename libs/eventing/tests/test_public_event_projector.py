"""A projector of public events projects all events of a service, but does not read what nobody wants."""

import json
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any

import pytest
import pytest_asyncio
from contracts.public_event import PublicEvent
from eventing.database import Connection, Database, Reader
from eventing.projectors import public_events
from eventing.projectors.public_events import PublicEventProjector, Subscription
from eventing.recording import EventTooNew
from eventing.testing import background, eventually
from eventing.testing.messages import JarOpened
from eventing.testing.publishing import publish
from eventing.testing.waiting import eventually_equals
from runtime.bus.jetstream import JetStream
from runtime.clock import new_id
from runtime.forever import forever

pytestmark = pytest.mark.usefixtures("fast_ordered_reads")


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
        projector = PublicEventProjector("public", "jar", Subscription(self.wanted, self.project, self.note))
        return background(forever("projector", lambda: projector.run(self.database, self.js)))

    async def sequences(self) -> list[int]:
        return [row["sequence"] for row in await self.database.fetch("SELECT sequence FROM subjects ORDER BY 1")]

    async def checkpoint(self) -> int | None:
        return await self.database.fetchval("SELECT sequence FROM checkpoints WHERE name = 'public'")


@pytest_asyncio.fixture
async def subscriber(database: Database, js: JetStream, monkeypatch: pytest.MonkeyPatch) -> Subscriber:
    monkeypatch.setattr(public_events, "UNWANTED_SECONDS", 0.01)
    monkeypatch.setattr(public_events, "SKIP_SECONDS", 0.02)
    await database.execute("CREATE TABLE subjects (sequence int)")
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
