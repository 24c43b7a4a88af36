"""Events of a newer release, as a roll-back leaves them: they wait for a release that can read them."""

from typing import Any, ClassVar

import pytest
from contracts.messages import Event
from eventing import reactions as module
from eventing.database import Database
from eventing.reactions import Reaction, Reactor
from eventing.recording import EventMapper, EventTooNew, EventUnreadable, Recorded
from eventing.store.postgres import PostgresStore
from eventing.testing import eventually
from eventing.testing.deliveries import all_acknowledged, dead_letter_count
from eventing.testing.following import append
from eventing.testing.jars import Jar
from eventing.testing.messages import JAR, JarOpened
from eventing.testing.publishing import publish
from eventing.testing.reacting import ReactionSpy, replica, working
from runtime.bus import Client
from runtime.bus.jetstream import JetStream
from runtime.metrics import metrics_of

pytestmark = pytest.mark.usefixtures("fast_reactions", "few_deliveries")


@pytest.fixture
def few_deliveries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_DELIVERIES", 3)


@pytest.fixture
def reactor(client: Client, database: Database) -> Reactor[str]:
    """Provide a replica that records in the database how often an event had to wait."""
    reactor = replica(client)
    reactor.postponements.database = database
    return reactor


@pytest.fixture
async def newer_event(js: JetStream, monkeypatch: pytest.MonkeyPatch) -> None:
    """Publish an event in a version that the running release does not know."""
    with monkeypatch.context() as newer_release:
        newer_release.setattr(JarOpened, "version", 2)
        await publish(js, JarOpened.example())


def wait_count() -> float:
    outcome = {"reaction": "open", "outcome": "waits for a newer release"}
    return metrics_of("eventing").get_sample_value("reactions_total", outcome) or 0


async def wait_often(waited_before: float) -> None:
    """Wait until the event had to wait more often than an event may fail."""
    await eventually(lambda: wait_count() >= waited_before + 5)


@pytest.mark.usefixtures("newer_event")
async def test_an_event_of_a_newer_version_waits_for_a_release_that_reads_it(
    reactor: Reactor[str], js: JetStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ACK_WAIT", 2.0)
    spy, waited_before = ReactionSpy(), wait_count()
    async with working((reactor, spy)):
        await wait_often(waited_before)
    assert (spy.seen, await dead_letter_count(js)) == ([], 0)
    monkeypatch.setattr(JarOpened, "version", 2)  # the newer release is rolled out again
    async with working((reactor, spy)):
        await eventually(lambda: spy.seen)
    assert await dead_letter_count(js) == 0


@pytest.mark.usefixtures("newer_event")
async def test_waiting_uses_up_none_of_the_deliveries_of_an_event(
    reactor: Reactor[str], js: JetStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise LookupError

    spy, waited_before = ReactionSpy(fail), wait_count()
    async with working((reactor, spy)):
        await wait_often(waited_before)
        monkeypatch.setattr(JarOpened, "version", 2)
        await eventually(lambda: dead_letter_count(js))
    assert len(spy.seen) == module.MAX_DELIVERIES


async def test_a_reaction_waits_while_its_aggregate_has_an_event_too_new(
    reactor: Reactor[str], js: JetStream, postgres_store: PostgresStore
) -> None:
    async def load(recorded: Recorded[Any], _: Reaction[Any]) -> None:
        await postgres_store.load(Jar, recorded.id)

    spy, waited_before = ReactionSpy(load), wait_count()
    await append(postgres_store, JarOpened.example())
    await postgres_store.database.execute("UPDATE events SET topic = 'evt.jar.opened;7'")
    await publish(js, JarOpened.example(), at=JAR)
    async with working((reactor, spy)):
        await wait_often(waited_before)
        await postgres_store.database.execute("UPDATE events SET topic = 'evt.jar.opened;1'")
        await eventually(lambda: all_acknowledged(js))
    assert await dead_letter_count(js) == 0


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
def test_an_event_that_a_newer_release_may_have_written_is_too_new(topic: str, state: bytes) -> None:
    with pytest.raises(EventTooNew):
        EventMapper().to_event(topic, state, EVENTS)


@pytest.mark.parametrize("state", [b"no json", b"{}", b'{"colour": 1}', b'{"added": 1}'])
def test_an_event_that_no_release_can_have_written_is_unreadable(state: bytes) -> None:
    with pytest.raises(EventUnreadable):
        EventMapper().to_event("evt.jar.chosen;1", state, EVENTS)
