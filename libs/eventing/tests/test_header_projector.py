"""A projector of headers writes all events of a service but the ignored ones, also those that it does not know."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any

import pytest
from eventing.bus.wire import EventHeaders
from eventing.database import Connection, Database
from eventing.projectors.projector import HeaderProjector
from eventing.recording import EventTooNew
from eventing.testing import background
from eventing.testing.messages import JarOpened, MarbleAdded
from eventing.testing.publishing import publish
from eventing.testing.waiting import eventually_equals
from runtime.bus.jetstream import JetStream
from runtime.forever import forever

pytestmark = pytest.mark.usefixtures("fast_ordered_reads")


async def insert_subjects(events: Sequence[EventHeaders], db: Connection) -> None:
    statement = "INSERT INTO subjects (subject, batch) SELECT *, $2 FROM unnest($1::text[])"
    await db.execute(statement, [event.subject for event in events], len(events))


async def send(js: JetStream, **headers: Any) -> None:
    """Publish an event with these headers, which a projector that decodes it cannot read."""
    with suppress(ValueError, EventTooNew):
        await publish(js, JarOpened.example(), at=None, envelope=None, **headers)


class Subjects:
    """The subjects of projected events, in the order in which they were projected."""

    def __init__(self, database: Database, js: JetStream) -> None:
        self.database, self.js = database, js

    def projecting(self) -> AbstractAsyncContextManager[object]:
        projector = HeaderProjector("headers", "jar", [MarbleAdded], insert_subjects)
        return background(forever("projector", lambda: projector.run(self.database, self.js)))

    async def all(self) -> list[str]:
        return [row["subject"] for row in await self.database.fetch("SELECT subject FROM subjects ORDER BY n")]

    async def checkpoint(self) -> int | None:
        return await self.database.fetchval("SELECT sequence FROM checkpoints WHERE name = 'headers'")

    async def projected(self, *subjects: str) -> None:
        await eventually_equals(self.all, [*subjects])


@pytest.fixture
def tables() -> str:
    return "CREATE TABLE subjects (n int GENERATED ALWAYS AS IDENTITY, subject text, batch int)"


@pytest.fixture
def subjects(database: Database, js: JetStream) -> Subjects:
    return Subjects(database, js)


async def test_ignored_events_are_skipped(subjects: Subjects, js: JetStream) -> None:
    await publish(js, MarbleAdded.example())
    await publish(js, JarOpened.example())
    async with subjects.projecting():
        await subjects.projected("evt.jar.opened")


async def test_events_that_wait_are_projected_together(subjects: Subjects, js: JetStream) -> None:
    for event in (JarOpened.example(), MarbleAdded.example(), JarOpened.example(), JarOpened.example()):
        await publish(js, event)
    async with subjects.projecting():
        await subjects.projected(*["evt.jar.opened"] * 3)
    assert await subjects.database.fetchval("SELECT array_agg(DISTINCT batch) FROM subjects") == [3]


async def test_ignored_events_alone_write_nothing(subjects: Subjects, js: JetStream) -> None:
    await publish(js, MarbleAdded.example())
    async with subjects.projecting():
        await eventually_equals(subjects.checkpoint, 1)
    assert await subjects.all() == []


async def test_an_unknown_event_is_projected(subjects: Subjects, js: JetStream) -> None:
    await send(js, ce_type="evt.jar.exploded")
    await send(js, **{"fact-version": "99"})
    async with subjects.projecting():
        await subjects.projected("evt.jar.exploded", "evt.jar.opened")


async def test_an_event_is_projected_once_after_a_restart(subjects: Subjects, js: JetStream) -> None:
    for n in range(1, 4):
        await publish(js, JarOpened.example())
        async with subjects.projecting():
            await subjects.projected(*["evt.jar.opened"] * n)


async def test_a_message_that_is_no_event_is_dead_lettered(subjects: Subjects, js: JetStream) -> None:
    await send(js, owner="nobody")
    await publish(js, JarOpened.example())
    async with subjects.projecting():
        await subjects.projected("evt.jar.opened")


async def test_a_service_that_has_never_started_is_no_failure(database: Database, js: JetStream) -> None:
    await HeaderProjector("headers", "nowhere", [], insert_subjects).run(database, js)
