"""A projector reads from the table of its source what the stream has dropped, and all of it for a rebuild."""

import asyncio
from collections.abc import AsyncGenerator
from uuid import UUID

import pytest
import pytest_asyncio
from contracts.messages import feed_query
from eventing.database import Connection, Database
from eventing.handling import Handlers, operations, subscribers
from eventing.handling.dispatch import Dispatcher
from eventing.handling.operations import read_page
from eventing.projectors.checkpoint import UnknownProjector, request_rebuild
from eventing.recording import Recorded
from eventing.relay import Relay
from eventing.store.postgres import PostgresStore
from eventing.testing.breaking import Breaking
from eventing.testing.following import append
from eventing.testing.label_model import LabelModel, insert_label, label_projector
from eventing.testing.messages import JarOpened, LockSet, MarbleAdded
from eventing.testing.relaying import open_jars, publish_all
from runtime.bus.jetstream import JetStream
from runtime.http.health import Health

pytestmark = pytest.mark.usefixtures("fast_ordered_reads", "fast_relay")

ReadFeed = feed_query("jar")


@pytest_asyncio.fixture
async def source(
    postgres_store: PostgresStore, nats_url: str, js: JetStream, monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[Relay]:
    """Provide the service of jars, which sends stored events in pages of two, and its relay, which does not run."""
    monkeypatch.setattr(operations, "PAGE_SIZE", 2)
    dispatcher = Dispatcher(postgres_store, postgres_store.database, None, Handlers(), Handlers())
    queries = operations.operations("jar", postgres_store, Health())
    async with subscribers.serving(nats_url, "jar", dispatcher, queries):
        yield Relay(postgres_store, js, "jar")


async def open_and_publish(relay: Relay, *numbers: int) -> None:
    await open_jars(relay.store, *numbers)
    await publish_all(relay)


async def test_events_that_the_stream_has_dropped_are_read_from_the_source(
    source: Relay, label_model: LabelModel, js: JetStream
) -> None:
    await open_and_publish(source, 1)
    async with label_model.projecting():
        await label_model.projected(1)
    await open_and_publish(source, *range(2, 8))
    await js.purge_stream("EVT_JAR", seq=6)
    async with label_model.projecting():
        await label_model.projected(*range(1, 8))
        await open_and_publish(source, 8)
        await label_model.projected(*range(1, 9))


async def test_a_new_projector_of_an_old_system_has_all_events(
    source: Relay, label_model: LabelModel, js: JetStream
) -> None:
    await open_and_publish(source, 1, 2, 3)
    await js.purge_stream("EVT_JAR")
    async with label_model.projecting():
        await label_model.projected(1, 2, 3)


async def test_events_that_are_stored_while_others_are_read_are_projected_once(
    source: Relay, label_model: LabelModel, js: JetStream
) -> None:
    numbers = range(1, 40)
    await open_and_publish(source, *numbers[:20])
    await js.purge_stream("EVT_JAR", seq=15)
    async with label_model.projecting():
        for number in numbers[20:]:
            await open_and_publish(source, number)
        await label_model.projected(*numbers)


async def test_a_projector_killed_between_two_pages_projects_nothing_twice(
    source: Relay, label_model: LabelModel, js: JetStream
) -> None:
    reached = asyncio.Event()

    async def hang_at_five(recorded: Recorded[JarOpened], db: Connection) -> None:
        await insert_label(recorded, db)
        if recorded.event.label == "5":
            reached.set()
            await asyncio.Event().wait()

    await open_and_publish(source, *range(1, 8))
    await js.purge_stream("EVT_JAR", seq=7)
    async with label_model.projecting(label_projector(hang_at_five)):
        await reached.wait()
        assert await label_model.labels() == [1, 2, 3, 4]
    async with label_model.projecting():
        await label_model.projected(*range(1, 8))


async def test_a_running_projector_rebuilds_its_read_model(
    source: Relay, label_model: LabelModel, database: Database
) -> None:
    await open_and_publish(source, 1, 2, 3)
    async with label_model.projecting():
        await label_model.projected(1, 2, 3)
        await database.execute("UPDATE labels SET label = '7' WHERE label = '2'")
        await request_rebuild(database, "jars")
        await label_model.projected(1, 2, 3)
        await open_and_publish(source, 4)
        await label_model.projected(1, 2, 3, 4)


async def test_a_rebuild_that_fails_leaves_the_read_model_as_it_was(
    source: Relay, label_model: LabelModel, database: Database
) -> None:
    failed = asyncio.Event()

    async def fail(recorded: Recorded[JarOpened], db: Connection) -> None:
        failed.set()
        raise LookupError

    await open_and_publish(source, 1, 2)
    async with label_model.projecting():
        await label_model.projected(1, 2)
    await request_rebuild(database, "jars")
    async with label_model.projecting(label_projector(fail)):
        await failed.wait()
    assert await label_model.labels() == [1, 2]


async def test_a_rebuild_of_an_unknown_projector_names_the_others(label_model: LabelModel, database: Database) -> None:
    await label_model.publish(1)
    async with label_model.projecting():
        await label_model.projected(1)
    with pytest.raises(UnknownProjector, match="jar has no projector 'jugs'; it has: jars"):
        await request_rebuild(database, "jugs")


async def test_only_published_events_of_the_wanted_kinds_are_sent(postgres_store: PostgresStore) -> None:
    await append(postgres_store, JarOpened(label="1"), LockSet(code="secret"), MarbleAdded(colour="blue", size=1))
    page = await read_page("jar", postgres_store, ReadFeed(after="0:0"))
    assert [item.headers["ce-type"] for item in page.items] == [JarOpened.subject, MarbleAdded.subject]
    page = await read_page("jar", postgres_store, ReadFeed(after="0:0", kinds=[MarbleAdded.subject], headers_only=True))
    assert [(item.headers["ce-type"], item.body) for item in page.items] == [(MarbleAdded.subject, None)]
    assert (await read_page("jar", postgres_store, ReadFeed(after=page.reached))).reached == page.reached


async def test_erased_events_are_not_sent(postgres_store: PostgresStore, js: JetStream) -> None:
    breaking = Breaking(postgres_store, js)
    await breaking.open(id=UUID(int=1))
    await breaking.break_jar(UUID(int=1))
    await breaking.publish()
    await breaking.erase()
    [deletion] = (await read_page("jar", postgres_store, ReadFeed(after="0:0"))).items
    assert deletion.headers["ce-type"] == "evt.jar.broken"
