"""The same random history in memory and on PostgreSQL: the same outcome of each step, and the same feed."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from eventing.database import Database
from eventing.memory import MemoryStore
from eventing.postgres import PostgresStore
from eventing.store import START, Conflict, EventStore, Missing, Repeated
from eventing.testing.jars import Jar
from eventing.testing.messages import JarFact, JarOpened, LockSet, MarbleAdded
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
    """A writer records a fact of a jar: of the one in hand, else of a new one."""

    writer: int
    jar: UUID
    fact: JarFact


@dataclass(frozen=True)
class Save:
    """A writer saves all that is in hand, for a command; some commands come twice."""

    writer: int
    command: int


type Step = Load | Record | Save

WRITERS, FACTS = st.integers(0, 1), st.one_of(*(st.from_type(kind) for kind in (JarOpened, MarbleAdded, LockSet)))
STEPS: st.SearchStrategy[Step] = st.one_of(
    st.builds(Load, WRITERS, st.sampled_from(JARS)),
    st.builds(Record, WRITERS, st.sampled_from(JARS), FACTS),
    st.builds(Save, WRITERS, st.integers(0, 5)),
)


class History:
    """What happens on one store."""

    def __init__(self, store: EventStore) -> None:
        self.store = store
        self.hands: dict[int, dict[UUID, Jar]] = defaultdict(dict)

    async def outcome(self, step: Step) -> object:
        try:
            return await self._take(step)
        except (Conflict, Repeated, Missing) as error:
            return type(error)

    async def _take(self, step: Step) -> object:
        hand = self.hands[step.writer]
        match step:
            case Load(jar=jar):
                hand[jar] = await self.store.load(Jar, jar)
                return {name: value for name, value in vars(hand[jar]).items() if name != "modified_on"}
            case Record(jar=jar, fact=fact):
                return hand.setdefault(jar, Jar(jar)).record(fact)
            case Save(command=command):
                return await self.store.save(tuple(hand.values()), Envelope(UUID(int=command), "story"))

    async def feed(self) -> list[object]:
        recorded = [fed.recorded for fed in await self.store.feed(START, 1000)]
        return [(r.id, r.version, r.fact, r.envelope) for r in recorded]


async def nothing(*_: object) -> None: ...


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, max_size=30))
async def test_both_stores_live_a_history_alike(database: Database, steps: list[Any]) -> None:
    await database.execute("TRUNCATE events")
    memory = History(MemoryStore(Jar.facts))
    postgres = History(PostgresStore(database, Jar.facts, nothing))
    for step in steps:
        assert await postgres.outcome(step) == await memory.outcome(step)
    assert await postgres.feed() == await memory.feed()
