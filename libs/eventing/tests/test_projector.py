"""Events of another service in a read model: in order, each once, whatever happens."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
import pytest_asyncio
from eventing.database import Connection, Database
from eventing.projector import Projector
from eventing.recording import Recorded
from eventing.testing import background, eventually
from eventing.testing.messages import JarOpened, MarbleAdded
from eventing.testing.publishing import publish
from runtime import ordered
from runtime.forever import forever
from runtime.jetstream import JetStream

type CutOff = Callable[[], Awaitable[None]]


@pytest_asyncio.fixture
async def tables(database: Database) -> Database:
    await database.execute("CREATE TABLE told (n int GENERATED ALWAYS AS IDENTITY, label text)")
    return database


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ordered, "FETCH_TIMEOUT", 0.2)


async def write(recorded: Recorded[JarOpened], db: Connection) -> None:
    await db.execute("INSERT INTO told (label) VALUES ($1)", recorded.event.label)


class Stumbling:
    """Writes, and stands still or fails where the test wants."""

    def __init__(self) -> None:
        self.at, self.there, self.fails = "", asyncio.Event(), False

    async def __call__(self, recorded: Recorded[JarOpened], db: Connection) -> None:
        await write(recorded, db)
        if recorded.event.label == self.at:
            self.there.set()
            if self.fails:
                raise LookupError
            await asyncio.Event().wait()


def projector(project: Any = write) -> Projector:
    return Projector("jars", "jar", [JarOpened], project)


def running(database: Database, js: JetStream, one: Projector | None = None) -> AbstractAsyncContextManager[object]:
    projecting = one or projector()
    return background(forever("projector", lambda: projecting.run(database, js)))


async def labels(database: Database) -> list[str]:
    return [row["label"] for row in await database.fetch("SELECT label FROM told ORDER BY n")]


async def tell(js: JetStream, *numbers: int) -> None:
    for n in numbers:
        await publish(js, JarOpened(label=str(n)))


async def told(database: Database, count: int) -> None:
    """Wait until so many events were told, and see that they are the right ones."""
    await eventually(lambda: _enough(database, count))
    assert await labels(database) == [str(n) for n in range(count)]


async def _enough(database: Database, count: int) -> bool:
    return await database.fetchval("SELECT count(*) FROM told") >= count


async def test_events_are_projected_in_order(tables: Database, js: JetStream) -> None:
    await tell(js, *range(5))
    async with running(tables, js):
        await tell(js, *range(5, 10))
        await told(tables, 10)


async def test_events_of_other_kinds_are_passed_over(tables: Database, js: JetStream) -> None:
    await publish(js, MarbleAdded.example())
    await tell(js, 0)
    async with running(tables, js):
        await told(tables, 1)
    assert await tables.fetchval("SELECT sequence FROM checkpoints WHERE name = 'jars'") == 2


async def test_a_projector_goes_on_where_the_last_one_stopped(tables: Database, js: JetStream) -> None:
    for n in range(3):
        await tell(js, n)
        async with running(tables, js):
            await told(tables, n + 1)


async def test_a_projector_killed_in_the_middle_leaves_nothing_half_done(tables: Database, js: JetStream) -> None:
    stumbling = Stumbling()
    stumbling.at = "2"
    await tell(js, *range(4))
    async with running(tables, js, projector(stumbling)):
        await stumbling.there.wait()
    async with running(tables, js):
        await told(tables, 4)


async def test_an_event_that_cannot_be_projected_is_not_passed_over(tables: Database, js: JetStream) -> None:
    stumbling = Stumbling()
    stumbling.at, stumbling.fails = "1", True
    await tell(js, *range(3))
    async with running(tables, js, projector(stumbling)):
        await stumbling.there.wait()
        stumbling.at = ""
        await told(tables, 3)


async def test_while_another_one_projects_it_waits(tables: Database, js: JetStream) -> None:
    await tell(js, 0)
    async with tables.advisory_lock("projector:jars"):
        await projector().run(tables, js)
    assert await labels(tables) == []


async def test_one_that_lost_its_lock_without_noticing_projects_nothing_twice(tables: Database, js: JetStream) -> None:
    async with running(tables, js):
        await tell(js, 0)
        await told(tables, 1)
        lock = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'jar projector:jars'"
        assert await tables.fetchval(lock)
        async with running(tables, js):
            await tell(js, *range(1, 10))
            await told(tables, 10)


async def test_a_bus_that_was_away_before_the_first_event_does_not_bring_the_past_again(
    tables: Database, js: JetStream, cut_off: CutOff
) -> None:
    await tell(js, 0)
    async with running(tables, js):
        await told(tables, 1)
    async with running(tables, js):
        await eventually(lambda: _consumers(js))
        await cut_off()
        await tell(js, 1)
        await told(tables, 2)


async def test_a_consumer_that_is_deleted_is_made_again(tables: Database, js: JetStream) -> None:
    await tell(js, 0)
    async with running(tables, js):
        await told(tables, 1)
        for consumer in await js.consumers_info("EVT_JAR"):
            await js.delete_consumer("EVT_JAR", consumer.name)
        await tell(js, 1)
        await told(tables, 2)


async def test_messages_that_did_not_arrive_are_asked_for_again(tables: Database, js: JetStream) -> None:
    await tell(js, 0)
    async with running(tables, js):
        await told(tables, 1)
        [consumer] = await js.consumers_info("EVT_JAR")
        thief = await js.pull_subscribe_bind(consumer.name, "EVT_JAR")
        async with background(thief.fetch(3, timeout=5)) as [stealing]:
            await tell(js, *range(1, 7))
            await eventually(stealing.done)
        await told(tables, 7)


async def _consumers(js: JetStream) -> int:
    return (await js.stream_info("EVT_JAR")).state.consumer_count
