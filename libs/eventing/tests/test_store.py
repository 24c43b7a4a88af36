"""One suite for both stores, so that the memory store behaves exactly like the PostgreSQL store."""

from uuid import UUID

import pytest
from contracts.messages import Actor, Event
from eventing.aggregate import Aggregate
from eventing.store import START, AggregateNotFound, Conflict, DuplicateCommand, EventStore, FeedEntry
from eventing.store.memory import MemoryStore
from eventing.testing.jars import Jar
from eventing.testing.messages import JAR, JarEvent, JarOpened, LockSet, MarbleAdded
from runtime import clock
from runtime.bus.envelope import Envelope

OTHER = UUID(int=2)
OPENED, ADDED = JarOpened.example(), MarbleAdded.example()


async def save(store: EventStore, *aggregates: Jar, envelope: Envelope | None = None) -> Envelope:
    envelope = envelope or Envelope.begin()
    await store.save(aggregates, envelope)
    return envelope


def jar(*events: JarEvent, at: UUID = JAR) -> Jar:
    new = Jar(at)
    for event in events or (OPENED if at == JAR else JarOpened(label="red ones"),):
        new.record(event)
    return new


async def feed(store: EventStore) -> list[FeedEntry]:
    return await store.feed(START, 1000)


async def test_a_saved_aggregate_is_loaded(store: EventStore) -> None:
    await save(store, jar(OPENED, ADDED))
    loaded = await store.load(Jar, JAR)
    assert (loaded.version, loaded.label, loaded.colours) == (2, "blue ones", ["blue"])


async def test_a_saved_aggregate_has_nothing_pending_and_can_be_saved_again(store: EventStore) -> None:
    saved = jar()
    await save(store, saved)
    assert (saved.version, saved.pending) == (1, [])
    saved.record(ADDED)
    await save(store, saved)
    assert (await store.load(Jar, JAR)).version == 2


async def test_an_unknown_id_is_not_found(store: EventStore) -> None:
    await save(store, jar(at=OTHER))
    with pytest.raises(AggregateNotFound, match=f"Jar {JAR}"):
        await store.load(Jar, JAR)


class LidLost(Event):
    subject = "evt.jar.lid_lost"
    sample = {}


class Lid(Aggregate[LidLost]):
    @property
    def owner(self) -> UUID:
        return self.id

    def apply(self, event: LidLost) -> None: ...


async def test_the_id_of_an_aggregate_of_another_type_is_not_found(store: EventStore) -> None:
    await save(store, jar())
    with pytest.raises(AggregateNotFound, match=f"Lid {JAR}"):
        await store.load(Lid, JAR)


async def test_saving_without_events_stores_nothing(store: EventStore) -> None:
    await save(store, Jar(JAR))
    assert await feed(store) == []


async def test_one_of_two_decisions_on_the_same_state_conflicts(store: EventStore) -> None:
    await save(store, jar())
    one, two = await store.load(Jar, JAR), await store.load(Jar, JAR)
    one.add("red")
    two.add("green")
    await save(store, one)
    with pytest.raises(Conflict):
        await save(store, two)
    assert (await store.load(Jar, JAR)).colours == ["red"]


async def test_an_aggregate_cannot_be_created_twice(store: EventStore) -> None:
    await save(store, jar())
    with pytest.raises(Conflict):
        await save(store, jar())


async def test_a_conflict_leaves_the_events_pending(store: EventStore) -> None:
    await save(store, jar())
    late = jar()
    with pytest.raises(Conflict):
        await save(store, late)
    assert (late.version, late.pending) == (0, [OPENED])


async def test_a_repeated_command_that_creates_is_recognised(store: EventStore) -> None:
    envelope = await save(store, jar())
    with pytest.raises(DuplicateCommand):
        await save(store, jar(), envelope=envelope)


async def test_a_repeated_command_that_changes_is_recognised(store: EventStore) -> None:
    await save(store, saved := jar())
    saved.record(ADDED)
    envelope = await save(store, saved)
    saved.record(ADDED)
    with pytest.raises(DuplicateCommand):
        await save(store, saved, envelope=envelope)
    assert len(await feed(store)) == 2


async def test_a_repeated_command_is_recognised_even_if_it_conflicts(store: EventStore) -> None:
    await save(store, jar())
    one, two = await store.load(Jar, JAR), await store.load(Jar, JAR)
    one.record(ADDED)
    two.record(ADDED)
    envelope = await save(store, one)
    with pytest.raises(DuplicateCommand):
        await save(store, two, envelope=envelope)


async def test_a_repeated_command_is_recognised_when_it_loads(store: EventStore) -> None:
    envelope = await save(store, jar(OPENED, ADDED), jar(at=OTHER))
    for saved in (JAR, OTHER):
        with pytest.raises(DuplicateCommand):
            await store.load(Jar, saved, envelope.message_id)
    assert await store.load(Jar, JAR, Envelope.begin().message_id)


async def test_several_aggregates_are_saved_together(store: EventStore) -> None:
    await save(store, jar(), jar(at=OTHER))
    assert (await store.load(Jar, OTHER)).label == "red ones"


async def test_no_aggregate_is_saved_when_one_of_several_conflicts(store: EventStore) -> None:
    await save(store, jar())
    with pytest.raises(Conflict):
        await save(store, jar(at=OTHER), jar())
    with pytest.raises(AggregateNotFound):
        await store.load(Jar, OTHER)


async def test_the_feed_returns_events_in_the_order_of_saving(store: EventStore) -> None:
    await save(store, jar(OPENED, ADDED))
    await save(store, jar(at=OTHER))
    assert [(fed.recorded.id, fed.recorded.version) for fed in await feed(store)] == [(JAR, 1), (JAR, 2), (OTHER, 1)]


async def test_the_feed_continues_after_any_event_of_a_save(store: EventStore) -> None:
    await save(store, jar(OPENED, *[ADDED] * 9))
    whole = await feed(store)
    for number, entry in enumerate(whole, start=1):
        assert await store.feed(entry.cursor, 3) == whole[number : number + 3]


async def test_the_feed_restores_an_event_with_its_envelope_and_time(store: EventStore) -> None:
    started_at, actor = clock.now(), Actor(user_id=OTHER, role="user")
    envelope = await save(store, jar(), envelope=Envelope.begin(actor=actor).follow().within(5))
    [fed] = await feed(store)
    assert (fed.recorded.event, fed.recorded.envelope) == (OPENED, envelope)
    assert started_at <= fed.recorded.at <= clock.now()


async def test_the_feed_contains_secret_events_without_their_secrets(store: EventStore) -> None:
    await save(store, jar(OPENED, LockSet.example()))
    assert [fed.recorded.event for fed in await feed(store)] == [OPENED, LockSet()]


async def test_a_loaded_aggregate_equals_the_live_one(store: EventStore) -> None:
    live = jar(OPENED, ADDED, LockSet.example(), MarbleAdded(colour="grün\u0000", size=3))
    await save(store, live)
    loaded = await store.load(Jar, JAR)
    assert {**vars(loaded), "modified_on": None} == vars(live)


async def test_saving_signals_that_events_were_appended(store: MemoryStore) -> None:
    assert not store.appended.is_set()
    await save(store, jar())
    assert store.appended.is_set()


async def test_the_newest_event_of_a_kind_has_its_version(store: EventStore) -> None:
    red = MarbleAdded(colour="red", size=1)
    await save(store, jar(OPENED, ADDED, red, LockSet.example()))
    await save(store, jar(at=OTHER))
    newest = await store.latest(MarbleAdded, JAR)
    assert newest
    assert (newest.id, newest.version, newest.event) == (JAR, 3, red)
    assert newest == (await feed(store))[2].recorded


async def test_there_is_no_newest_event_of_a_kind_that_never_occurred(store: EventStore) -> None:
    await save(store, jar())
    assert await store.latest(MarbleAdded, JAR) is None
    assert await store.latest(JarOpened, OTHER) is None
