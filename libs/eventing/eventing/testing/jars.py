"""A service for tests only: jars with marbles."""

from typing import Any, assert_never
from uuid import UUID

from contracts.refusals import Code, Refusal

from eventing.aggregate import Aggregate
from eventing.database import Connection
from eventing.handling import Handlers, QueryContext, UnitOfWork
from eventing.migrating import migrations_of
from eventing.recording import Recorded
from eventing.testing.messages import (
    AddMarble,
    GetJar,
    JarBroken,
    JarEvent,
    JarOpened,
    JarView,
    LockSet,
    MarbleAdded,
    OpenJar,
)

MIGRATIONS = migrations_of("eventing.testing")
UNIQUE_VIOLATIONS = {"jars_label": Refusal(Code.USERNAME_TAKEN, "A jar has this label already.")}
MAX_MARBLES = 100

handles, answers = Handlers(), Handlers()


class Jar(Aggregate[JarEvent]):
    """A jar of up to 100 marbles."""

    missing = Code.SESSION_NOT_FOUND
    secrets = {"code": LockSet}

    label: str
    code: str
    colours: list[str]

    def __init__(self, id: UUID) -> None:
        super().__init__(id)
        self.label, self.code = "", ""
        self.colours: list[str] = []

    @property
    def owner(self) -> UUID:
        """The id of the jar: it belongs to no user."""
        return self.id

    def apply(self, event: JarEvent) -> None:
        """Fold one event."""
        match event:
            case JarOpened():
                self.label = event.label
            case MarbleAdded():
                self.colours.append(event.colour)
            case LockSet():
                self.code = event.code
            case JarBroken():
                self.deleted = True
            case _:
                assert_never(event)

    def add(self, colour: str) -> None:
        """Add a marble, unless the jar is full."""
        if len(self.colours) >= MAX_MARBLES:
            raise Refusal(Code.BUDGET_EXCEEDED, "The jar is full.")
        self.record(MarbleAdded(colour=colour, size=1))


async def project(recorded: Recorded[JarEvent], db: Connection) -> None:
    """Count the marbles. An invisible one raises ValueError, for tests of failing projections."""
    match recorded.event:
        case JarOpened(label=label):
            await db.execute("INSERT INTO jars (id, label) VALUES ($1, $2)", recorded.id, label)
        case MarbleAdded(colour="invisible"):
            raise ValueError("an invisible marble cannot be counted")
        case MarbleAdded():
            await db.execute("UPDATE jars SET marbles = marbles + 1 WHERE id = $1", recorded.id)
        case JarBroken():
            await db.execute("DELETE FROM jars WHERE id = $1", recorded.id)
        case LockSet():
            pass
        case _:
            assert_never(recorded.event)


@handles
async def open_jar(command: OpenJar, work: UnitOfWork[Any]) -> None:
    """Open a jar."""
    jar = Jar(command.jar_id)
    jar.record(JarOpened(label=command.label))
    await work.save(jar)


@handles
async def add_marble(command: AddMarble, work: UnitOfWork[Any]) -> int:
    """Add a marble, unless the jar is full."""
    jar = await work.load(Jar, command.jar_id)
    jar.add(command.colour)
    await work.save(jar)
    return len(jar.colours)


@answers
async def get_jar(query: GetJar, context: QueryContext[Any]) -> JarView:
    """Return one jar."""
    row = await context.database.fetchrow("SELECT id, label, marbles FROM jars WHERE id = $1", query.jar_id)
    if row is None:
        raise Refusal(Code.SESSION_NOT_FOUND, f"There is no jar {query.jar_id}.")
    return JarView(**row)
