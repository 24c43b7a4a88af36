"""Jars that are broken, and so deleted, and whose events are then erased."""

from uuid import UUID

from runtime.bus.jetstream import JetStream

from eventing.database import Database
from eventing.relay import Relay
from eventing.store.erasure import Erasure
from eventing.store.postgres import PostgresStore
from eventing.testing.following import append
from eventing.testing.messages import JAR, JarBroken, JarEvent, JarOpened
from eventing.testing.relaying import publish_all
from eventing.testing.waiting import eventually_unlocked

WORD = "chrysoprase"
"""The label of each jar, which is found nowhere after its erasure."""

PASS_DELAY = "UPDATE erasures SET due_at = now() - interval '1 second'"
ERASE = "SELECT erase_events(aggregate) FROM erasures"
STORED = "SELECT originator_version, topic, state, envelope::text FROM events WHERE originator_id = $1 ORDER BY 1"


class Breaking:
    """The service of jars with its relay; `database` belongs to the owner of the tables."""

    def __init__(self, store: PostgresStore, js: JetStream) -> None:
        self.store, self.database, self.js = store, store.database, js
        self.relay, self.erasure = Relay(store, js, "jar"), Erasure(store.database, js, "jar")

    async def open(self, *events: JarEvent, id: UUID = JAR) -> None:
        """Open a jar."""
        await append(self.store, JarOpened(label=f"{WORD} {id}"), *events, at=id)

    async def break_jar(self, id: UUID = JAR, *later: JarEvent) -> None:
        """Break a jar, and pretend that this was long ago."""
        await append(self.store, JarBroken(), *later, at=id)
        await pass_delay(self.database)

    async def publish(self) -> None:
        """Publish all that is stored, and save the position of the relay."""
        await publish_all(self.relay)
        await self.relay.save_position()

    async def erase(self) -> int:
        """Erase all that is due, when the lock of the last erasure is free; return the number of aggregates."""
        await eventually_unlocked(self.database)
        return await self.erasure.erase_all()

    async def topics(self, id: UUID = JAR) -> list[str]:
        """Return the topics of the events of a jar."""
        return [row["topic"] for row in await self.database.fetch(STORED, id)]

    async def dump(self) -> str:
        """Return all that is stored of events."""
        rows = await self.database.fetch("SELECT * FROM events ORDER BY position")
        return str(rows)


async def pass_delay(database: Database) -> None:
    """Pretend that all deletions were long ago; the database has to belong to the owner of the tables."""
    await database.execute(PASS_DELAY)


async def erase_deleted(database: Database, owner: Database) -> None:
    """Erase what was deleted, as if that was long ago: with the role of the service, and that of the owner."""
    await pass_delay(owner)
    await database.fetch(ERASE)


async def dump_events(database: Database) -> str:
    """Return the content of all events."""
    return str(await database.fetch("SELECT convert_from(state, 'UTF8'), envelope::text FROM events"))
