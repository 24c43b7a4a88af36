"""How far a projector has come: in the stream of its source, and in the feed that fills the stream."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self, cast

from nats.aio.msg import Msg

from eventing.database import Connection, Database, Reader, Row
from eventing.relay.position import parse_cursor
from eventing.store import Cursor

REBUILDING = -1
"""The sequence number in the checkpoint of a read model that has to be filled from the source."""
CREATE = "INSERT INTO checkpoints VALUES ($1, 0) ON CONFLICT DO NOTHING"
READ = "SELECT sequence, stream_created, tx, position, again FROM checkpoints WHERE name = $1"
MOVE = """
    UPDATE checkpoints SET sequence = $5, stream_created = $6, tx = $7, position = $8, again = $9
    WHERE name = $1 AND sequence = $2 AND (tx, position) IS NOT DISTINCT FROM ($3::bigint, $4::bigint)"""
RESET = """
    UPDATE checkpoints SET sequence = $2, stream_created = NULL, tx = NULL, position = NULL, again = false
    WHERE name = $1"""
NAMES = "SELECT string_agg(name, ', ' ORDER BY name) FROM checkpoints"


class CheckpointMoved(Exception):
    """Another replica moved the checkpoint, because this one had lost its lock unnoticed; or it has to rebuild."""


class UnknownProjector(Exception):
    """No projector of the service has this name."""


class Dropped(Exception):
    """The stream has dropped messages before they were projected."""


@dataclass(frozen=True)
class Checkpoint:
    """A position in the stream that was created at `created`, and in the feed of its source (`cursor`).

    While `replaying`, the stream may hold events up to the cursor, which have been projected before.
    """

    sequence: int
    created: str | None
    cursor: Cursor | None
    replaying: bool = False

    @classmethod
    async def read(cls, database: Reader, name: str) -> Self:
        """Return the stored checkpoint of a projector; that of a new one is at the beginning."""
        row = await database.fetchrow(READ, name)
        if row is None:
            await database.execute(CREATE, name)
            row = cast(Row, await database.fetchrow(READ, name))
        cursor = None if row["tx"] is None else (row["tx"], row["position"])
        return cls(row["sequence"], row["stream_created"], cursor, row["again"])

    async def move(self, connection: Connection, name: str, to: "Checkpoint") -> None:
        """Store `to` in place of this checkpoint.

        Raises:
            CheckpointMoved: another one is stored.
        """
        own, cursor = self.cursor or (None, None), to.cursor or (None, None)
        args = self.sequence, *own, to.sequence, to.created, *cursor, to.replaying
        if await connection.execute(MOVE, name, *args) != "UPDATE 1":
            raise CheckpointMoved(name)

    @property
    def is_unknown(self) -> bool:
        """Whether it is of an earlier release, and says nothing about a stream other than the one it was made in."""
        return self.sequence > 0 and self.cursor is None

    def after(self, message: Msg, oldest: int) -> "Checkpoint":
        """Return the position after a message; the stream holds none before the sequence number `oldest`.

        Messages that are missing behind that one were erased with a deleted aggregate.

        Raises:
            Dropped: the stream has dropped messages before it.
        """
        sequence, cursor = message.metadata.sequence.stream, parse_cursor(message.headers or {})
        if self.includes(message.headers or {}):
            return replace(self, sequence=sequence)
        if self.sequence + 1 < min(sequence, oldest):
            raise Dropped(dropped(self.sequence, sequence))
        return Checkpoint(sequence, self.created, cursor or self.cursor)

    def includes(self, headers: Mapping[str, str]) -> bool:
        """Return whether the event of a message has been projected before."""
        cursor = parse_cursor(headers)
        return self.replaying and cursor is not None and self.cursor is not None and cursor <= self.cursor


def dropped(after: int, before: int) -> str:
    """Return the description of a gap in a stream."""
    return f"the stream has dropped the messages between {after} and {before}"


async def request_rebuild(database: Database, name: str) -> None:
    """Have a projector fill its read model from the source again; a running one begins within some seconds.

    Raises:
        UnknownProjector: the service has no projector of this name.
    """
    if await database.execute(RESET, name, REBUILDING) != "UPDATE 1":
        names = await database.fetchval(NAMES)
        raise UnknownProjector(f"{database.schema} has no projector {name!r}; it has: {names or 'none'}")
