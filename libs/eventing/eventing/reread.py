"""Sets the relay of a service to where the stream and the database part, after one of them lost something.

The point is the last message whose event the database still has. What was stored since a failover, or a restore to a
point in time, has transactions behind it: nothing is lost, and nothing comes twice.

A database that was restored from a dump counts its transactions anew, and the events keep the numbers that they had.
Those get numbers below all that a cluster gives: 0 for what is done, 1 for what was published, 2 for all else.
"""

from dataclasses import dataclass

from contracts.wire import event_stream
from nats.js.api import StreamInfo
from runtime.jetstream import JetStream

from eventing import places
from eventing.database import Connection, Database
from eventing.places import Note, Server
from eventing.store import START, Cursor

LONGEST = 3600.0
NEAR = 500
"""Messages around the point that are looked at one by one: transactions that went on at the same time may be mixed."""

# A row is of this cluster when its transaction is the one that the server itself noted at it.
IS_NATIVE = "(xmin::text::bigint = (tx::text::numeric % 4294967296)::bigint)"
NATIVE = f"SELECT {IS_NATIVE} FROM events WHERE tx = $1::text::xid8 AND position = $2"  # noqa: S608  no input
RENUMBER = f"""
    UPDATE events SET tx = (CASE WHEN (tx, position) <= ($1::text::xid8, $2) THEN '0'
                                 WHEN (tx, position) <= ($3::text::xid8, $4) THEN '1' ELSE '2' END)::xid8
    WHERE NOT {IS_NATIVE}"""  # noqa: S608  no input
WORK_LEFT, NOT_PUBLISHED = (1, 0), (2, 0)


class Busy(Exception):
    """The relay of a replica is at work, so there is nothing to mend."""


class Strange(Exception):
    """None of the messages in the stream is of this database."""


@dataclass(frozen=True)
class Reread:
    """What was done: the relay goes on behind `cursor`, the event of message `sequence`, of which `last` is the last.

    `renumbered` events had transactions of another cluster.
    """

    cursor: Cursor
    sequence: int
    last: int
    renumbered: int

    def __str__(self) -> str:
        text = f"The relay goes on behind message {self.sequence}, at {places.written(self.cursor)} in the feed."
        if self.last > self.sequence:
            text += f" The {self.last - self.sequence} messages behind it are of events that the database has lost."
        if self.renumbered:
            text += f" {self.renumbered} events had transactions of another cluster, and were renumbered."
        return text


async def reread(database: Database, js: JetStream, service: str) -> Reread:
    """Let the relay of a service go on from where the stream and the database part. Done again, it changes nothing.

    Raises:
        Busy: a relay is at work.
        Strange: the stream is of another system, or all that is in it is newer than the database.
    """
    async with database.holding(f"relay:{service}") as connection:
        if connection is None:
            raise Busy(f"a relay of {service} is at work: its stream and its database agree")
        stream = await js.stream_info(event_stream(service))
        note = await Note.read(connection) or Note(START)
        sequence, point = await _point(connection, js, stream, note)
        async with database.transaction() as changing:
            server = await Server.ask(changing)
            native = await changing.fetchval(NATIVE, str(point[0]), point[1])
            other = note.system not in (None, server.system) or server.newest >= server.xmax
            floor, renumbered = note.floor and min(note.floor, point), 0
            if native is False or (native is None and other):
                renumbered = await _renumber(changing, note.floor or START, point)
                floor, point = WORK_LEFT, NOT_PUBLISHED if point > START else START
            told = places.created(stream), stream.state.last_seq, server.system, server.timeline
            await Note(point, *told, note.work, floor).write(changing)
    return Reread(point, sequence, stream.state.last_seq, renumbered)


async def _renumber(connection: Connection, floor: Cursor, point: Cursor) -> int:
    # Nobody appends in between; who already does is waited for.
    await connection.execute("LOCK TABLE events IN SHARE ROW EXCLUSIVE MODE", timeout=LONGEST)
    bounds = str(floor[0]), floor[1], str(point[0]), point[1]
    return int((await connection.execute(RENUMBER, *bounds, timeout=LONGEST)).removeprefix("UPDATE "))


async def _point(connection: Connection, js: JetStream, stream: StreamInfo, note: Note) -> tuple[int, Cursor]:
    """Return the last message whose event the database has, and where in the feed that is."""
    state, found = stream.state, _Found(connection, js, str(stream.config.name))
    if not state.messages:
        return state.last_seq, note.cursor if state.last_seq else START
    if note.is_of(stream):  # it was set before, and nothing has been published since
        return state.last_seq, note.cursor
    there, gone = await found.near(state.first_seq, state.last_seq)
    while gone - there > 1:
        middle = (there + gone) // 2
        there, gone = (middle, gone) if await found.at(middle) else (there, middle)
    for sequence in range(min(there + NEAR, state.last_seq), there, -1):
        if place := await found.at(sequence):
            return sequence, place
    place = await found.at(there)
    if place is None:
        raise Strange(
            f"no message of {stream.config.name} is of this database. If the database is the right one, remove the "
            "stream: the relay fills it anew from the start"
        )
    return there, place


class _Found:
    """Finds the events of messages in the database."""

    def __init__(self, connection: Connection, js: JetStream, stream: str) -> None:
        self.connection, self.js, self.stream = connection, js, stream

    async def at(self, sequence: int) -> Cursor | None:
        """Return where in the feed the event of a message is; None when the message or the event is gone."""
        headers = await places.headers_at(self.js, self.stream, sequence)
        return await places.find(self.connection, headers) if headers else None

    async def near(self, first: int, last: int) -> tuple[int, int]:
        """Return a message that is there, or the first of all, and one behind it that is not, by ever longer steps."""
        there, gone, step = last, last + 1, 1
        while there > first and not await self.at(there):
            there, gone, step = max(first, there - step), there, step * 2
        return there, gone
