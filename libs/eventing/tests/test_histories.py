"""A random history has the same outcomes and the same feed in the memory store and in the PostgreSQL store.

The memory store replays all events at each load; the PostgreSQL replicas cache aggregates and take snapshots.
"""

from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from eventing.database import Database, data_keys
from eventing.store import START, AggregateNotFound, Conflict, DuplicateCommand, EventStore, loading, snapshots
from eventing.store.memory import MemoryStore
from eventing.store.postgres import PostgresStore
from eventing.testing.jars import Jar
from eventing.testing.messages import JarBroken, JarEvent, JarOpened, LockSet, MarbleAdded
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from runtime.bus.envelope import Envelope

JARS = [UUID(int=n) for n in range(2)]


@dataclass(frozen=True)
class Load:
    """A writer loads a jar."""

    writer: int
    jar: UUID


@dataclass(frozen=True)
class Record:
    """A writer records an event of a jar: the one it has loaded, otherwise a new one."""

    writer: int
    jar: UUID
    event: JarEvent


@dataclass(frozen=True)
class Save:
    """A writer saves all its jars for a command; some commands are delivered twice."""

    writer: int
    command: int


@dataclass(frozen=True)
class Snapshot:
    """A replica takes a snapshot of a jar."""

    writer: int
    jar: UUID


@dataclass(frozen=True)
class Restart:
    """A replica is restarted: it has loaded and cached nothing."""

    writer: int


@dataclass(frozen=True)
class Restore:
    """The database is restored to its state before the last `events` events."""

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
    WITH lost AS (SELECT originator_id, originator_version FROM events ORDER BY position DESC LIMIT $1), deleted AS (
        DELETE FROM snapshots USING lost
        WHERE snapshots.originator_id = lost.originator_id AND version >= originator_version)
    DELETE FROM events USING lost
    WHERE (events.originator_id, events.originator_version) = (lost.originator_id, lost.originator_version)"""

RESTORE_KEYS = "DELETE FROM data_keys WHERE aggregate NOT IN (SELECT originator_id FROM events)"


class History:
    """A history of two writers, each with its own replica of the store."""

    def __init__(self, stores: Callable[[], EventStore]) -> None:
        self.new_store = stores
        self.stores = [stores(), stores()]
        self.loaded: dict[int, dict[UUID, Jar]] = defaultdict(dict)

    async def outcome(self, step: Step) -> object:
        try:
            return await self._apply(step)
        except (Conflict, DuplicateCommand, AggregateNotFound) as error:
            return type(error)

    async def _apply(self, step: Step) -> object:
        match step:
            case Load(writer, jar):
                self.loaded[writer][jar] = await self.stores[writer].load(Jar, jar)
                return {name: value for name, value in vars(self.loaded[writer][jar]).items() if name != "modified_on"}
            case Record(writer, jar, event):
                return self.loaded[writer].setdefault(jar, Jar(jar)).record(event)
            case Save(writer, command):
                envelope = Envelope(UUID(int=command), "story")
                return await self.stores[writer].save((*self.loaded[writer].values(),), envelope)
            case Snapshot():
                return await self._snapshot(self.stores[step.writer], step.jar)
            case Restart(writer):
                self.stores[writer], self.loaded[writer] = self.new_store(), {}
            case Restore(events):
                return await self._restore(self.stores[0], events)
        return None

    async def _snapshot(self, store: EventStore, jar: UUID) -> None:
        with suppress(AggregateNotFound):
            if isinstance(store, PostgresStore):
                store.loader.snapshots.request(Jar, jar)
                await store.loader.write_snapshots()

    async def _restore(self, store: EventStore, events: int) -> None:
        self.loaded.clear()
        if isinstance(store, PostgresStore):
            await store.database.execute(RESTORE, events)
            await store.database.execute(RESTORE_KEYS)
        elif isinstance(store, MemoryStore):
            del store.entries[-events:]

    async def feed(self) -> list[object]:
        recorded = [fed.recorded for fed in await self.stores[0].feed(START, 1000)]
        return [(r.id, r.version, r.event, r.envelope) for r in recorded]


async def project_nothing(*_: object) -> None: ...


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(steps=st.lists(STEPS, max_size=40))
async def test_both_stores_have_the_same_outcomes_and_feed(
    database: Database, monkeypatch: pytest.MonkeyPatch, steps: list[Any]
) -> None:
    monkeypatch.setattr(snapshots, "EVENTS_PER_SNAPSHOT", 2)
    monkeypatch.setattr(loading, "MAX_PAGE_ROWS", 3)
    monkeypatch.setattr(data_keys, "erase", project_nothing)  # the memory store erases no secrets
    await database.execute("TRUNCATE events, snapshots, data_keys")
    memory_store = MemoryStore(Jar.events)
    memory, postgres = (
        History(lambda: memory_store),
        History(lambda: PostgresStore(database, Jar.events, project_nothing)),
    )
    for step in steps:
        assert await postgres.outcome(step) == await memory.outcome(step)
    assert await postgres.feed() == await memory.feed()
