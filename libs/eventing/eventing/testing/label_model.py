"""A read model of another service's events: the labels of opened jars, in the order in which they were projected."""

from contextlib import AbstractAsyncContextManager

from runtime.bus.jetstream import JetStream
from runtime.forever import forever
from runtime.testing import background

from eventing.database import Connection, Database
from eventing.projectors.filling import Project, Rebuild
from eventing.projectors.projector import Projector
from eventing.recording import Recorded
from eventing.testing.messages import JarOpened
from eventing.testing.publishing import publish
from eventing.testing.waiting import eventually_equals

LABELS = "CREATE TABLE labels (n int GENERATED ALWAYS AS IDENTITY, label text)"


async def insert_label(recorded: Recorded[JarOpened], db: Connection) -> None:
    """Write the label of an opened jar."""
    await db.execute("INSERT INTO labels (label) VALUES ($1)", recorded.event.label)


async def delete_labels(db: Connection) -> None:
    """Empty the table."""
    await db.execute("DELETE FROM labels")


async def _finish(_: Connection) -> None:
    pass


def label_projector(project: Project = insert_label) -> Projector:
    """Return a projector of opened jars, which can be rebuilt."""
    return Projector("jars", "jar", [JarOpened], project, rebuild=Rebuild(delete_labels, project, _finish))


class LabelModel:
    """The table of labels, and the stream whose events a projector writes to it. Labels are numbers."""

    def __init__(self, database: Database, js: JetStream) -> None:
        self.database, self.js = database, js

    async def publish(self, *labels: int) -> None:
        """Publish the opening of jars as a relay does, each event with its position in the feed."""
        for label in labels:
            await publish(self.js, JarOpened(label=str(label)), feed_cursor=f"{1000 + label}:{label}")

    def projecting(
        self, projector: Projector | None = None, database: Database | None = None
    ) -> AbstractAsyncContextManager[object]:
        """Run a projector, by default a new one, as long as the context is open, or that of another `database`."""
        running, used = projector or label_projector(), database or self.database
        return background(forever("projector", lambda: running.run(used, self.js)))

    async def labels(self) -> list[int]:
        """Return the labels in the order in which they were written."""
        return [int(row["label"]) for row in await self.database.fetch("SELECT label FROM labels ORDER BY n")]

    async def projected(self, *labels: int) -> None:
        """Wait until the table holds exactly these labels, in this order."""
        await eventually_equals(self.labels, [*labels])
