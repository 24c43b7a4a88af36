"""What a projector does when the stream is not as it left it, or holds what it cannot read."""

from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
import pytest_asyncio
from contracts.wire import DEAD_LETTERS
from eventing import projector as module
from eventing.database import Connection, Database
from eventing.projector import Projector
from eventing.recording import Recorded
from eventing.streams import provision
from eventing.testing import background, eventually
from eventing.testing.following import messages
from eventing.testing.messages import JAR, JarOpened, MarbleAdded
from eventing.testing.publishing import publish
from prometheus_client import REGISTRY
from runtime import ordered
from runtime.forever import forever
from runtime.health import NotReady
from runtime.jetstream import JetStream


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ordered, "FETCH_TIMEOUT", 0.2)
    monkeypatch.setattr(module, "STOPPED_RETRY_SECONDS", 0.05)


@pytest_asyncio.fixture
async def tables(database: Database) -> Database:
    await database.execute("CREATE TABLE told (n int GENERATED ALWAYS AS IDENTITY, label text)")
    return database


async def write(recorded: Recorded[JarOpened], db: Connection) -> None:
    await db.execute("INSERT INTO told (label) VALUES ($1)", recorded.event.label)


@pytest.fixture
def projector() -> Projector:
    return Projector("jars", "jar", [JarOpened], write)


def running(database: Database, js: JetStream, one: Projector) -> AbstractAsyncContextManager[object]:
    return background(forever("projector", lambda: one.run(database, js)))


async def tell(js: JetStream, *numbers: int) -> None:
    """Publish events as the relay does, each with its place in the feed."""
    for n in numbers:
        await publish(js, JarOpened(label=str(n)), feed_cursor=f"{1000 + n}:{n}")


def unchanged(_: int, state: dict[str, Any]) -> dict[str, Any]:
    return state


async def labels(database: Database) -> list[str]:
    return [row["label"] for row in await database.fetch("SELECT label FROM told ORDER BY n")]


async def told(database: Database, *numbers: int) -> None:
    expected = [str(n) for n in numbers]
    last: list[Any] = []

    async def as_expected() -> bool:
        last[:] = await labels(database)
        return last == expected

    try:
        await eventually(as_expected)
    except TimeoutError:
        raise AssertionError(f"projected: {last}") from None


async def test_a_stream_that_was_made_anew_is_read_and_nothing_is_projected_twice(
    tables: Database, js: JetStream, projector: Projector
) -> None:
    for _ in range(5):  # so that the numbers in the new stream are others
        await publish(js, MarbleAdded.example())
    await tell(js, 0, 1, 2)
    async with running(tables, js, projector):
        await told(tables, 0, 1, 2)
    await js.delete_stream("EVT_JAR")
    await provision(js, "EVT_JAR", ["evt.jar.>"])
    await tell(js, 0, 1, 2, 3, 4)  # the relay fills it from the start
    async with running(tables, js, projector):
        await told(tables, 0, 1, 2, 3, 4)
        await tell(js, 5)
        await told(tables, 0, 1, 2, 3, 4, 5)


async def test_a_stream_that_is_made_anew_under_a_running_projector_is_read(
    tables: Database, js: JetStream, projector: Projector
) -> None:
    for _ in range(5):
        await publish(js, MarbleAdded.example())
    await tell(js, 0, 1, 2)
    async with running(tables, js, projector):
        await told(tables, 0, 1, 2)
        await js.delete_stream("EVT_JAR")
        await provision(js, "EVT_JAR", ["evt.jar.>"])
        await tell(js, 0)
        await tell(js, 1, 2, 3)
        await told(tables, 0, 1, 2, 3)


async def test_events_that_the_stream_dropped_before_they_were_projected_stop_it(
    tables: Database, js: JetStream, projector: Projector
) -> None:
    await tell(js, 0)
    async with running(tables, js, projector):
        await told(tables, 0)
    await tell(js, 1, 2, 3)
    await js.purge_stream("EVT_JAR", seq=3)
    async with running(tables, js, projector):
        await eventually(lambda: projector.stopped)
        with pytest.raises(NotReady, match="has dropped the messages between 1 and 3"):
            await projector.check()
        assert REGISTRY.get_sample_value("projector_stopped", {"projector": "jars"}) == 1
        assert await labels(tables) == ["0"]
        await tables.execute("UPDATE checkpoints SET sequence = 2")  # as the runbook says
        await told(tables, 0, 2, 3)
        await eventually(lambda: not projector.stopped)
        await projector.check()


async def test_a_new_projector_begins_with_what_the_stream_still_has(
    tables: Database, js: JetStream, projector: Projector
) -> None:
    await tell(js, 0, 1, 2)
    await js.purge_stream("EVT_JAR", seq=2)
    async with running(tables, js, projector):
        await told(tables, 1, 2)


async def test_an_event_of_a_newer_release_stops_it_behind_what_it_can_read(
    tables: Database, js: JetStream, projector: Projector, monkeypatch: pytest.MonkeyPatch
) -> None:
    await tell(js, 0)
    monkeypatch.setattr(JarOpened, "version", 2)
    await tell(js, 1)
    monkeypatch.setattr(JarOpened, "version", 1)
    async with running(tables, js, projector):
        await eventually(lambda: projector.stopped)
        assert "1 is the newest version" in (projector.stopped or "")
        assert await labels(tables) == ["0"]
        monkeypatch.setattr(JarOpened, "version", 2)
        monkeypatch.setattr(JarOpened, "upcast", unchanged)
        await told(tables, 0, 1)


async def test_an_event_that_nobody_can_read_is_dead_lettered_and_passed_over(
    tables: Database, js: JetStream, projector: Projector
) -> None:
    await tell(js, 0)
    await js.publish(f"evt.jar.opened.{JAR}.{JAR}", b"no json", headers={"ce-type": "evt.jar.opened"})
    await tell(js, 2)
    async with running(tables, js, projector):
        await told(tables, 0, 2)
    [letter] = await messages(js, DEAD_LETTERS)
    assert (letter.subject, letter.data) == ("dead.jar.jars", b"no json")


async def test_the_checkpoint_of_an_earlier_release_goes_on(
    tables: Database, js: JetStream, projector: Projector
) -> None:
    await tell(js, 0, 1, 2)
    await tables.execute("INSERT INTO checkpoints VALUES ('jars', 2)")
    async with running(tables, js, projector):
        await told(tables, 2)
