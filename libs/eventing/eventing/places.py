"""Where the relay is: in the feed of the database, and in the streams of the bus; and whether the two still agree.

A failover to a standby that was a little behind, or a restore, takes events back, and then gives the numbers of their
transactions to others: what is stored with such a number would lie behind the relay's cursor, and never be published.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, cast

import asyncpg
from nats.js.api import StreamInfo
from nats.js.errors import NotFoundError
from runtime.jetstream import JetStream, headers_of

from eventing import wire
from eventing.database import Row
from eventing.store import START, Cursor

CURSOR, WORK_SEQUENCE = "feed-cursor", "work-sequence"

NOTED = """
    SELECT tx::text, position, stream_created, sequence, system, timeline, work_sequence, work_tx::text, work_position
    FROM relayed"""
NOTE = """
    INSERT INTO relayed (tx, position, stream_created, sequence, system, timeline, work_sequence, work_tx,
                         work_position)
    VALUES ($1::text::xid8, $2, $3, $4, $5, $6, $7, $8::text::xid8, $9)
    ON CONFLICT (one) DO UPDATE SET (tx, position, stream_created, sequence, system, timeline, work_sequence, work_tx,
                                     work_position)
    = (excluded.tx, excluded.position, excluded.stream_created, excluded.sequence, excluded.system, excluded.timeline,
       excluded.work_sequence, excluded.work_tx, excluded.work_position)"""
# xmax is the number that the next transaction gets; one of an event that is as high belongs to another cluster.
SERVER = """
    SELECT pg_snapshot_xmax(pg_current_snapshot())::text AS xmax,
           (SELECT tx::text FROM events ORDER BY tx DESC, position DESC LIMIT 1) AS newest,
           ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int AS timeline"""
SYSTEM = "SELECT system_identifier::text FROM pg_control_system()"
STANDS_AT = """
    SELECT tx::text, position FROM events
    WHERE originator_id = $1 AND originator_version = $2 AND recorded_at = $3"""


class Reader(Protocol):
    """A database, or one connection to it."""

    async def execute(self, query: str, *args: object) -> str:
        """Run a statement."""
        ...

    async def fetchrow(self, query: str, *args: object) -> Row | None:
        """Return the first row."""
        ...

    async def fetchval(self, query: str, *args: object) -> Any:
        """Return the first column of the first row."""
        ...


class Diverged(Exception):
    """The stream and the database are not of one history: publishing on would lose events."""


@dataclass(frozen=True)
class Server:
    """The database cluster: its identifier (None: it may not be read), its timeline, and its next transaction."""

    system: str | None
    timeline: int
    xmax: int
    newest: int
    """The highest transaction that has an event."""

    @classmethod
    async def ask(cls, reader: Reader) -> "Server":
        """Return what the server says."""
        try:
            system = await reader.fetchval(SYSTEM)
        except asyncpg.InsufficientPrivilegeError:
            system = None
        row = cast(Row, await reader.fetchrow(SERVER))
        return cls(system, row["timeline"], int(row["xmax"]), int(row["newest"] or 0))


@dataclass(frozen=True)
class Note:
    """What the relay wrote down: its `cursor` when message `sequence` was the last of the stream made at `created`.

    `floor` is the place up to which no work is left; `work` the number of the last message in the work stream.
    """

    cursor: Cursor
    created: str | None = None
    sequence: int | None = None
    system: str | None = None
    timeline: int | None = None
    work: int = 0
    floor: Cursor | None = None

    @classmethod
    async def read(cls, reader: Reader) -> "Note | None":
        """Return what is written down."""
        row = await reader.fetchrow(NOTED)
        if row is None:
            return None
        cursor, floor = _cursor(row["tx"], row["position"]), None
        if row["work_tx"] is not None:
            floor = _cursor(row["work_tx"], row["work_position"])
        known = row["stream_created"], row["sequence"], row["system"], row["timeline"], row["work_sequence"] or 0
        return cls(cursor, *known, floor)

    async def write(self, reader: Reader) -> None:
        """Write it down in place of what was."""
        place = str(self.cursor[0]), self.cursor[1], self.created, self.sequence, self.system, self.timeline, self.work
        floor = (str(self.floor[0]), self.floor[1]) if self.floor else (None, None)
        await reader.execute(NOTE, *place, *floor)

    def is_of(self, stream: StreamInfo) -> bool:
        """Whether nothing was published to the stream since this was written down."""
        return (self.created, self.sequence) == (created(stream), stream.state.last_seq)


def created(stream: StreamInfo) -> str:
    """Return when a stream was made; another one of the same name has another time."""
    return str(stream.created)


async def last_message(js: JetStream, stream: StreamInfo) -> Mapping[str, str] | None:
    """Return the headers of a stream's last message; None when it is gone, or there never was one."""
    if not stream.state.last_seq:
        return None
    return await headers_at(js, str(stream.config.name), stream.state.last_seq)


async def headers_at(js: JetStream, stream: str, sequence: int) -> Mapping[str, str] | None:
    """Return the headers of one message; None when it is gone."""
    try:
        message = await js.get_msg(stream, seq=sequence)
    except NotFoundError:
        return None
    return headers_of(message)


async def find(reader: Reader, head: Mapping[str, str]) -> Cursor | None:
    """Return where in the feed the event of a message is; None when the database does not have it."""
    try:
        row = await reader.fetchrow(STANDS_AT, *wire.stands_at(head))
    except (KeyError, ValueError):  # somebody else's message
        return None
    return _cursor(row["tx"], row["position"]) if row else None


async def check(
    reader: Reader, note: Note | None, last: Mapping[str, str] | None, stream: str
) -> tuple[Server, Cursor | None]:
    """Make sure that the database is the one from which the stream was filled; `last` is its last message.

    Returns what the server says, and where in the feed the event of that message is.

    Raises:
        Diverged: it is not, or not any more.
    """
    server = await Server.ask(reader)
    if note and note.system and server.system and note.system != server.system:
        raise Diverged(f"the database is in another cluster ({server.system}) than before ({note.system})")
    if server.newest >= server.xmax:
        raise Diverged(f"an event has transaction {server.newest}, and the next one is {server.xmax}: a dump's")
    place = await find(reader, last) if last is not None else None
    if last is not None and place is None:
        raise Diverged(
            f"the database does not have the event of the last message of {stream} (cursor {last.get(CURSOR)}, id "
            f"{last.get('ce-id')}): a failover or a restore lost it, or the stream is of another system"
        )
    cursor = place or (note.cursor if note else START)
    if cursor[0] >= server.xmax:
        raise Diverged(f"the relay had come to transaction {cursor[0]}, and the next one is {server.xmax} again")
    return server, place


def written(cursor: Cursor) -> str:
    """Return a cursor as it stands in a header."""
    return f"{cursor[0]}:{cursor[1]}"


def _cursor(tx: str, position: int) -> Cursor:
    return int(tx), position
