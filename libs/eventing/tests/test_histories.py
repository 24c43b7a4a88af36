"""The same random history in memory and on PostgreSQL: the same outcome of each step, and the same feed.

The store in memory replays all events at each load; the replicas on PostgreSQL remember, and take snapshots.
"""

from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from eventing import loading, snapshots
from eventing.database import Database
from eventing.memory import MemoryStore
from eventing.postgres import PostgresStore
from eventing.store import START, AggregateNotFound, Conflict, DuplicateCommand, EventStore
from eventing.testing.jars import Jar
from eventing.testing.messages import JarBroken, JarEvent, JarOpened, LockSet, MarbleAdded
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from runtime.envelope import Envelope

JARS = [UUID(int=n) for n in range(2)]


@dataclass(frozen=True)
class Load:
    """A writer takes a jar in hand."""

    writer: int
    jar: UUID


@dataclass(frozen=True)
class Record:
    """A writer records an event of a jar: of the one in hand, else of a new one."""

    writer: int
    jar: UUID
    event: JarEvent


@dataclass(frozen=True)
class Save:
    """A writer saves all that is in hand, for a command; some commands come twice."""

    writer: int
    command: int


@dataclass(frozen=True)
class Snapshot:
    """A replica takes a snapshot of a jar."""

    writer: int
    jar: UUID


@dataclass(frozen=True)
class Restart:
    """A replica is started anew: nothing is in hand, or remembered."""

    writer: int


@dataclass(frozen=True)
class Restore:
    """The database goes back to where it was so many events ago."""

    events: int


type Step = Load | Record | Save | Snapshot | Restart | Restore

WRITERS, EVENTS = (
    st.integers(0, 1),
    st.one_of(*(st.from_type(kind) for kind in (JarOpened, MarbleAdded, LockSet, JarBroken))),
)
STEPS: st.SearchStrategy[Step] = st.one_of(
    st.builds(Load, WRITERS, st.sampled_from(JARS)),
    st.builds(Record, WRITERS, st.sampled_from(JARS), EVENTS),
    st.builds(Save, WRITERS, st.integers(0, 20)),
    st.builds(Snapshot, WRITERS, st.sampled_from(JARS)),
    st.builds(Restart, WRITERS),
    st.builds(Restore, st.integers(1, 4)),
)
RESTORE = """
    WITH lost AS (SELECT originator_id, originator_version FROM events ORDER BY position DESC LIMIT $1), gone AS (
        DELETE FROM snapshots USING lost
        WHERE snapshots.originator_id = lost.originator_id AND version >= originator_version)
    DELETE FROM events USING lost
    WHERE (events.originator_id, events.originator_version) = (lost.originator_id, lost.originator_version)"""


class History:
    """What happens to two writers, each with a replica of the store."""

    def __init__(self, stores: Callable[[], EventStore]) -> None:
        self.new_store = stores
        self.stores = [stores(), stores()]
        self.hands: dict[int, dict[UUID, Jar]] = defaultdict(dict)

    async def outcome(self, step: Step) -> object:
        try:
            return await self._take(step)
        except (Conflict, DuplicateCommand, AggregateNotFound) as error:
            return type(error)

    async def _take(self, step: Step) -> object:
        match step:
            case Load(writer, jar):
                self.hands[writer][jar] = await self.stores[writer].load(Jar, jar)
                return {name: value for name, value in vars(self.hands[writer][jar]).items() if name != "modified_on"}
            case Record(writer, jar, event):
                return self.hands[writer].setdefault(jar, Jar(jar)).record(event)
            case Save(writer, command):
                envelope = Envelope(UUID(int=command), "story")
                return await self.stores[writer].save((*self.hands[writer].values(),), envelope)
            case Snapshot():
                return await self._snapshot(self.stores[step.writer], step.jar)
            case Restart(writer):
                self.stores[writer], self.hands[writer] = self.new_store(), {}
            case Restore(events):
                return await self._restore(self.stores[0], events)
        return None

    async def _snapshot(self, store: EventStore, jar: UUID) -> None:
        with suppress(AggregateNotFound):
            if isinstance(store, PostgresStore):
                store.loader.snapshots.request(Jar, jar)
                await store.loader.write_snapshots()

    async def _restore(self, store: EventStore, events: int) -> None:
        self.hands.clear()
        if isinstance(store, PostgresStore):
            await store.database.execute(RESTORE, events)
        elif isinstance(store, MemoryStore):
            del store.entries[-events:]

    async def feed(self) -> list[object]:
        recorded = [fed.recorded for fed in await self.stores[0].feed(START, 1000)]
        return [(r.id, r.version, r.event, r.envelope) for r in recorded]


async def nothing(*_: object) -> None: ...


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, max_size=40))
async def test_all_stores_live_a_history_alike(
    database: Database, monkeypatch: pytest.MonkeyPatch, steps: list[Any]
) -> None:
    monkeypatch.setattr(snapshots, "EVENTS_PER_SNAPSHOT", 2)
    monkeypatch.setattr(loading, "MAX_PAGE_ROWS", 3)
    await database.execute("TRUNCATE events, snapshots")
    twin = MemoryStore(Jar.events)
    memory, postgres = History(lambda: twin), History(lambda: PostgresStore(database, Jar.events, nothing))
    for step in steps:
        assert await postgres.outcome(step) == await memory.outcome(step)
    assert await postgres.feed() == await memory.feed()
