"""Events that only a newer release can read, as there are after one was rolled back: they wait for it."""

from typing import Any, ClassVar

import pytest
from contracts.messages import Event
from contracts.wire import DEAD_LETTERS
from eventing import reactions as module
from eventing.database import Database
from eventing.postgres import PostgresStore
from eventing.reactions import Reaction
from eventing.recording import EventMapper, EventTooNew, EventUnreadable, Recorded
from eventing.testing import eventually
from eventing.testing.following import append
from eventing.testing.jars import Jar
from eventing.testing.messages import JAR, JarOpened
from eventing.testing.publishing import publish
from eventing.testing.reacting import ReactionSpy, replica, working
from prometheus_client import REGISTRY
from runtime.bus import Client
from runtime.jetstream import JetStream


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_DELAY", 0.01)
    monkeypatch.setattr(module, "FETCH_TIMEOUT", 0.2)
    monkeypatch.setattr(module, "MAX_DELIVERIES", 3)


async def waits() -> float:
    outcome = {"reaction": "open", "outcome": "waits for a newer release"}
    return REGISTRY.get_sample_value("reactions_total", outcome) or 0


async def dead(js: JetStream) -> int:
    return (await js.stream_info(DEAD_LETTERS)).state.messages


async def test_an_event_of_a_newer_version_waits_until_a_release_runs_that_reads_it(
    client: Client, js: JetStream, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    spy, before = ReactionSpy(), await waits()
    monkeypatch.setattr(JarOpened, "version", 2)
    await publish(js, JarOpened.example())
    monkeypatch.setattr(JarOpened, "version", 1)
    old = replica(client)
    old.postponements.database = database
    async with working((old, spy)):
        await eventually(lambda: _more(before + 5))  # more than an event may fail
    assert (spy.seen, await dead(js)) == ([], 0)
    monkeypatch.setattr(JarOpened, "version", 2)  # rolled forward
    new = replica(client)
    new.postponements.database = database
    async with working((new, spy)):
        await eventually(lambda: spy.seen)
    assert await dead(js) == 0


async def _more(number: float) -> bool:
    return await waits() >= number


async def test_after_it_waited_an_event_may_fail_as_often_as_any(
    client: Client, js: JetStream, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise LookupError

    spy, before = ReactionSpy(fail), await waits()
    monkeypatch.setattr(JarOpened, "version", 2)
    await publish(js, JarOpened.example())
    monkeypatch.setattr(JarOpened, "version", 1)
    reactor = replica(client)
    reactor.postponements.database = database
    async with working((reactor, spy)):
        await eventually(lambda: _more(before + 5))
        monkeypatch.setattr(JarOpened, "version", 2)
        await eventually(lambda: dead(js))
    assert len(spy.seen) == module.MAX_DELIVERIES


async def test_a_reaction_waits_when_the_aggregate_has_an_event_of_a_newer_release(
    client: Client, js: JetStream, postgres_store: PostgresStore
) -> None:
    async def load(recorded: Recorded[Any], _: Reaction[Any]) -> None:
        await postgres_store.load(Jar, recorded.id)

    spy, before = ReactionSpy(load), await waits()
    await append(postgres_store, JarOpened.example())
    await postgres_store.database.execute("UPDATE events SET topic = 'evt.jar.opened;7'")
    reactor = replica(client)
    reactor.postponements.database = postgres_store.database
    await publish(js, JarOpened.example(), at=JAR)
    async with working((reactor, spy)):
        await eventually(lambda: _more(before + 5))
        await postgres_store.database.execute("UPDATE events SET topic = 'evt.jar.opened;1'")
        await eventually(lambda: _settled(js))
    assert await dead(js) == 0


async def _settled(js: JetStream) -> bool:
    info = await js.consumer_info("EVT_JAR", "shelf-open")
    return not info.num_pending and not info.num_ack_pending


class Choice(Event):
    """An event to which releases add fields and values."""

    subject = "evt.jar.chosen"
    sample: ClassVar[dict[str, Any]] = {"colour": "blue"}

    colour: str


EVENTS: dict[str, type[Event]] = {Choice.subject: Choice}


@pytest.mark.parametrize(
    ("topic", "state"),
    [
        ("evt.jar.unheard;1", b"{}"),
        ("evt.jar.chosen;2", b'{"colour": "blue"}'),
        ("evt.jar.chosen;1", b'{"colour": "blue", "added": 1}'),
    ],
)
def test_what_a_newer_release_may_have_written_is_not_taken_for_corrupt(topic: str, state: bytes) -> None:
    with pytest.raises(EventTooNew):
        EventMapper().to_event(topic, state, EVENTS)


@pytest.mark.parametrize("state", [b"no json", b"{}", b'{"colour": 1}', b'{"added": 1}'])
def test_what_no_release_has_written_is_corrupt(state: bytes) -> None:
    with pytest.raises(EventUnreadable):
        EventMapper().to_event("evt.jar.chosen;1", state, EVENTS)
