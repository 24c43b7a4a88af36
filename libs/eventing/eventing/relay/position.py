"""The position of the relay in the feed and in the streams, and whether database and stream share one history.

A failover to a standby that lagged, or a restore, loses events and then assigns their transaction numbers again. An
event stored with such a number would lie before the relay's cursor and never be published.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import asyncpg
from nats.js.api import StreamInfo
from nats.js.errors import NotFoundError
from runtime.bus.jetstream import JetStream, headers_of

from eventing.bus import wire
from eventing.database import Reader, Row
from eventing.store import START, Cursor

CURSOR, WORK_SEQUENCE = "feed-cursor", "work-sequence"

READ = """
    SELECT tx::text, position, stream_created, sequence, system, timeline, work_sequence, work_tx::text, work_position
    FROM relayed"""
WRITE = """
    INSERT INTO relayed (tx, position, stream_created, sequence, system, timeline, work_sequence, work_tx,
                         work_position)
    VALUES ($1::text::xid8, $2, $3, $4, $5, $6, $7, $8::text::xid8, $9)
    ON CONFLICT (one) DO UPDATE SET (tx, position, stream_created, sequence, system, timeline, work_sequence, work_tx,
                                     work_position)
    = (excluded.tx, excluded.position, excluded.stream_created, excluded.sequence, excluded.system, excluded.timeline,
       excluded.work_sequence, excluded.work_tx, excluded.work_position)"""
# `tx` alone would name the text in the result, of which 999 is greater than 1000.
# xmax is the number of the next transaction; an event whose number is not below it comes from another cluster.
SERVER = """
    SELECT feed_number(pg_snapshot_xmax(pg_current_snapshot()))::text AS xmax,
           (SELECT tx::text FROM events ORDER BY events.tx DESC, position DESC LIMIT 1) AS newest,
           ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int AS timeline"""
SYSTEM = "SELECT system_identifier::text FROM pg_control_system()"
FIND = """
    SELECT tx::text, position FROM events
    WHERE originator_id = $1 AND originator_version = $2 AND recorded_at = $3"""


class Diverged(Exception):
    """The stream and the database do not share one history: to continue publishing would lose events."""


@dataclass(frozen=True)
class Server:
    """The database cluster: its identifier (None if this role may not read it), timeline and next transaction."""

    system: str | None
    timeline: int
    xmax: int
    newest: int
    """The highest transaction that has an event."""

    @classmethod
    async def read(cls, reader: Reader) -> "Server":
        """Return the present state of the server."""
        try:
            system = await reader.fetchval(SYSTEM)
        except asyncpg.InsufficientPrivilegeError:
            system = None
        row = cast(Row, await reader.fetchrow(SERVER))
        return cls(system, row["timeline"], int(row["xmax"]), int(row["newest"] or 0))


@dataclass(frozen=True)
class RelayPosition:
    """The stored position of the relay: its `cursor` when `sequence` was the last message of the stream.

    `created` distinguishes that stream from a recreated one. All work up to the cursor `work_floor` is completed, and
    `work_sequence` is the last message of the work stream.
    """

    cursor: Cursor
    created: str | None = None
    sequence: int | None = None
    system: str | None = None
    timeline: int | None = None
    work_sequence: int = 0
    work_floor: Cursor | None = None

    @classmethod
    async def read(cls, reader: Reader) -> "RelayPosition | None":
        """Return the stored position; None if there is none."""
        row = await reader.fetchrow(READ)
        if row is None:
            return None
        cursor, floor = _cursor(row["tx"], row["position"]), None
        if row["work_tx"] is not None:
            floor = _cursor(row["work_tx"], row["work_position"])
        stream = row["stream_created"], row["sequence"]
        return cls(cursor, *stream, row["system"], row["timeline"], row["work_sequence"] or 0, floor)

    async def write(self, reader: Reader) -> None:
        """Store this position in place of the previous one."""
        tx, position = self.cursor
        floor = (str(self.work_floor[0]), self.work_floor[1]) if self.work_floor else (None, None)
        server = self.system, self.timeline
        await reader.execute(WRITE, str(tx), position, self.created, self.sequence, *server, self.work_sequence, *floor)

    def is_end_of(self, stream: StreamInfo) -> bool:
        """Return whether nothing was published to the stream since this position was stored."""
        return (self.created, self.sequence) == (creation_time(stream), stream.state.last_seq)


def creation_time(stream: StreamInfo) -> str:
    """Return when a stream was created; a recreated one of the same name has another time."""
    return str(stream.created)


async def last_headers(js: JetStream, stream: StreamInfo) -> Mapping[str, str] | None:
    """Return the headers of a stream's last message; None if it was deleted, or if there never was one."""
    if not stream.state.last_seq:
        return None
    return await headers_at(js, str(stream.config.name), stream.state.last_seq)


async def headers_at(js: JetStream, stream: str, sequence: int) -> Mapping[str, str] | None:
    """Return the headers of the message with a sequence number; None if it was deleted."""
    try:
        message = await js.get_msg(stream, seq=sequence)
    except NotFoundError:
        return None
    return headers_of(message)


async def next_headers(js: JetStream, stream: str, sequence: int) -> Mapping[str, str] | None:
    """Return the headers of the first message from a sequence number on; None if there is none."""
    try:
        message = await js.get_msg(stream, seq=sequence, subject=">", next=True)
    except NotFoundError:
        return None
    return headers_of(message)


async def find_event(reader: Reader, headers: Mapping[str, str]) -> Cursor | None:
    """Return the cursor of a message's event; None if the database does not have the event."""
    try:
        row = await reader.fetchrow(FIND, *wire.event_key(headers))
    except (KeyError, ValueError):  # not a message of the relay
        return None
    return _cursor(row["tx"], row["position"]) if row else None


async def check_history(
    reader: Reader, saved: RelayPosition | None, last: Mapping[str, str] | None, stream: str
) -> tuple[Server, Cursor | None]:
    """Check that the stream was filled from this database; `last` has the headers of its last message.

    Returns:
        The state of the server, and the cursor of that message's event.

    Raises:
        Diverged: it was filled from another one, or from a later state of this one.
    """
    server = await Server.read(reader)
    if saved and saved.system and server.system and saved.system != server.system:
        raise Diverged(f"the database is in another cluster ({server.system}) than before ({saved.system})")
    if server.newest >= server.xmax:
        raise Diverged(
            f"an event has transaction {server.newest}, but the next one is {server.xmax}: the database was restored "
            "from a dump"
        )
    found = await find_event(reader, last) if last is not None else None
    if last is not None and found is None:
        raise Diverged(
            f"the database does not have the event of the last message of {stream} (cursor {last.get(CURSOR)}, id "
            f"{last.get('ce-id')}): a failover or a restore lost it, or the stream belongs to another system"
        )
    cursor = found or (saved.cursor if saved else START)
    if cursor[0] >= server.xmax:
        raise Diverged(f"the relay had reached transaction {cursor[0]}, but the next one is {server.xmax}")
    return server, found


def format_cursor(cursor: Cursor) -> str:
    """Return a cursor as it is written in a header."""
    return f"{cursor[0]}:{cursor[1]}"


def parse_cursor(headers: Mapping[str, str]) -> Cursor | None:
    """Return the cursor in the headers of a message; None if there is none."""
    tx, _, position = headers.get(CURSOR, "").partition(":")
    return (int(tx), int(position)) if tx.isdecimal() and position.isdecimal() else None


def _cursor(tx: str, position: int) -> Cursor:
    return int(tx), position
