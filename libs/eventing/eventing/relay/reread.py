"""Sets the relay of a service back to where the stream and the database diverged, after one of them lost something.

That is the last message whose event the database still has. Whatever was stored since a failover, or since a restore to
a point in time, has higher transaction numbers, so nothing is lost and nothing is published twice.

A database in another cluster, as after a restore from a dump, starts counting transactions again, while its events
keep their numbers. Then a new generation begins, whose numbers are above all earlier ones: of other services, too, each
continues after the last event that it has projected. The few events that were stored since the restore are renumbered.
"""

from dataclasses import dataclass, replace

import asyncpg
from contracts.wire import event_stream
from nats.js.api import StreamInfo
from runtime.bus.jetstream import JetStream

from eventing.database import Connection, Database
from eventing.recording import ERASED, SEALED
from eventing.relay import position as relay_position
from eventing.relay.position import RelayPosition, Server
from eventing.store import START, Cursor

RENUMBER_TIMEOUT = 3600.0
SCANNED_MESSAGES = 500
"""Messages that are checked one by one near the result of the bisection: concurrent transactions may be interleaved."""

# A row was written by this cluster if its transaction is the one that the server itself keeps in xmin.
IS_NATIVE = "(xmin::text::bigint = (tx::text::numeric % 4294967296)::bigint)"
# Erasing or sealing an event replaces xmin, too.
IS_UNCHANGED = f"topic NOT LIKE '%{ERASED}' AND topic NOT LIKE '%{SEALED}'"
# Those of earlier generations are of other clusters anyway.
NATIVE = f"""
    SELECT CASE WHEN {IS_UNCHANGED} AND tx >= (SELECT feed_number('0')) THEN {IS_NATIVE} END FROM events
    WHERE tx = $1::text::xid8 AND position = $2"""  # noqa: S608  no input
RAISE = "UPDATE relayed SET generation = generation + 1"
# What was stored since the restore is behind the last event of the generation before that another cluster has written.
RENUMBER = f"""
    UPDATE events SET tx = feed_number((tx::text::bigint % (1::bigint << 48))::text::xid8) WHERE position > (
        SELECT max(position) FROM events
        WHERE tx >= (SELECT ((generation - 1)::bigint << 48)::text::xid8 FROM relayed)
        AND {IS_UNCHANGED} AND NOT {IS_NATIVE})"""  # noqa: S608  no input


class RelayRunning(Exception):
    """A replica holds the lock of the relay, so there is nothing to fix."""


class NoCommonEvent(Exception):
    """The database has no event of any message in the stream."""


class NotAllowed(Exception):
    """The database role of the service may not renumber events, only the role that owns the table."""


@dataclass(frozen=True)
class Reread:
    """The result: the relay continues after `cursor`, the event of message `sequence` of a stream that ends at `last`.

    `renumbered` counts the events that were stored since a restore in another cluster; None if there was none.
    """

    cursor: Cursor
    sequence: int
    last: int
    renumbered: int | None

    def __str__(self) -> str:
        cursor = relay_position.format_cursor(self.cursor)
        text = f"The relay continues after message {self.sequence}, at {cursor} in the feed."
        if self.last > self.sequence:
            text += f" The {self.last - self.sequence} messages after it are of events that the database has lost."
        if self.renumbered is not None:
            text += f" The database is in another cluster: {self.renumbered} events stored since then were renumbered."
        return text


async def reread(database: Database, js: JetStream, service: str) -> Reread:
    """Set the relay of a service to where the stream and the database diverged. Repeating it changes nothing.

    Raises:
        RelayRunning: a relay is running.
        NoCommonEvent: the stream belongs to another system, or all its messages are newer than the database.
        NotAllowed: events have to be renumbered, and the database role does not own the table.
    """
    async with database.advisory_lock(f"relay:{service}") as connection:
        if connection is None:
            raise RelayRunning(f"a relay of {service} is running: its stream and its database agree")
        stream = await js.stream_info(event_stream(service))
        saved = await RelayPosition.read(connection) or RelayPosition(START)
        sequence, point = await _last_common(connection, js, stream, saved)
        async with database.transaction() as changing:
            server = await Server.read(changing)
            native = await changing.fetchval(NATIVE, str(point[0]), point[1])
            is_moved = saved.system not in (None, server.system) or server.newest >= server.xmax
            # An empty stream says nothing about which work is completed.
            floor = min(saved.work_floor, point) if saved.work_floor and point > START else saved.work_floor
            end = relay_position.creation_time(stream), stream.state.last_seq
            position = RelayPosition(point, *end, server.system, server.timeline, saved.work_sequence, floor)
            await position.write(changing)
            renumbered = await _begin_generation(changing) if is_moved or native is False else None
    return Reread(point, sequence, stream.state.last_seq, renumbered)


async def start_restored(database: Database) -> None:
    """Let the relay of a service, whose tables were just restored from a dump, fill an empty bus from all its events.

    No replica may run yet, so that nothing was stored since. A bus that is not empty, and does not end with an event of
    the dump, stops the relay until `reread`.
    """
    async with database.transaction() as connection:
        saved, server = await RelayPosition.read(connection) or RelayPosition(START), await Server.read(connection)
        end = {"created": None, "sequence": None, "system": server.system, "timeline": server.timeline}
        await replace(saved, cursor=START, **end).write(connection)
        await connection.execute(RAISE)


async def _begin_generation(connection: Connection) -> int:
    """Begin a new generation with the events that were stored in this cluster, and return their number."""
    # Blocks appends, and waits for those in progress.
    try:
        await connection.execute("LOCK TABLE events IN SHARE ROW EXCLUSIVE MODE", timeout=RENUMBER_TIMEOUT)
    except asyncpg.InsufficientPrivilegeError:
        raise NotAllowed("This role may not renumber events. Set MIGRATION_DATABASE_URL to the owner's.") from None
    await connection.execute(RAISE)
    return int((await connection.execute(RENUMBER, timeout=RENUMBER_TIMEOUT)).removeprefix("UPDATE "))


async def _last_common(
    connection: Connection, js: JetStream, stream: StreamInfo, saved: RelayPosition
) -> tuple[int, Cursor]:
    """Return the last message whose event the database has, and the cursor of that event."""
    state, events = stream.state, _EventFinder(connection, js, str(stream.config.name))
    if not state.messages:
        return state.last_seq, saved.cursor if state.last_seq else START
    if saved.is_end_of(stream):  # it was set before, and nothing has been published since
        return state.last_seq, saved.cursor
    present, absent = await events.bracket(state.first_seq, state.last_seq)
    while absent - present > 1:
        middle = (present + absent) // 2
        present, absent = (middle, absent) if await events.is_present(middle) else (present, middle)
    for sequence in range(min(present + SCANNED_MESSAGES, state.last_seq), present, -1):
        if cursor := await events.find(sequence):
            return sequence, cursor
    cursor = await events.find(present)
    if cursor is None:
        raise NoCommonEvent(
            f"the database has no event of any message in {stream.config.name}. If the database is the right one, "
            "remove the stream: the relay fills it again from the beginning"
        )
    return present, cursor


class _EventFinder:
    """Finds the events of messages in the database."""

    def __init__(self, connection: Connection, js: JetStream, stream: str) -> None:
        self.connection, self.js, self.stream = connection, js, stream

    async def find(self, sequence: int) -> Cursor | None:
        """Return the cursor of a message's event; None if the message was deleted or the event is not stored."""
        headers = await relay_position.headers_at(self.js, self.stream, sequence)
        return await relay_position.find_event(self.connection, headers) if headers else None

    async def is_present(self, sequence: int) -> bool:
        """Return whether the event is stored of the first message from a sequence number on.

        The messages of deleted aggregates are missing, perhaps very many in a row.
        """
        headers = await relay_position.next_headers(self.js, self.stream, sequence)
        return headers is not None and await relay_position.find_event(self.connection, headers) is not None

    async def bracket(self, first: int, last: int) -> tuple[int, int]:
        """Return a message whose event is present, or else the first one, and a later one whose event is absent.

        The steps back from the end of the stream double, because the last common message is usually near it.
        """
        present, absent, step = last, last + 1, 1
        while present > first and not await self.is_present(present):
            present, absent, step = max(first, present - step), present, step * 2
        return present, absent
