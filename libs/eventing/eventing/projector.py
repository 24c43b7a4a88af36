"""Events of another service into a read model of this one: in order, each once.

The messages come from the checkpoint on, and the checkpoint moves in the transaction that writes the rows. (A durable
consumer would lose events here: after a crash it redelivers out of order.)
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

from contracts.messages import Event
from contracts.wire import dead_letter_subject, event_stream
from nats.aio.msg import Msg
from nats.js.api import StreamInfo
from runtime import ordered
from runtime.health import NotReady
from runtime.jetstream import JetStream
from runtime.logging import get_logger

from eventing import dead_letters, metrics, places, wire
from eventing.database import Connection, Database
from eventing.faults import without_input
from eventing.places import CURSOR
from eventing.recording import EventTooNew, Recorded
from eventing.store import Cursor

log = get_logger()

type Project = Callable[[Recorded[Any], Connection], Awaitable[None]]

STOPPED = 5.0
"""Seconds after which one that stands still looks whether it can go on."""
READ = "SELECT sequence, stream_created, tx, position, again FROM checkpoints WHERE name = $1"
MOVE = """
    UPDATE checkpoints SET sequence = $3, stream_created = $4, tx = $5, position = $6, again = $7
    WHERE name = $1 AND sequence = $2"""


class Overtaken(Exception):
    """Another replica moved the checkpoint: this one had lost its lock without noticing."""


class Stopped(Exception):
    """The projector cannot go on without leaving something out: somebody has to decide, or another release to come."""


@dataclass(frozen=True)
class _Checkpoint:
    """A place in the stream that was made at `created`, and in the feed of its source (`cursor`).

    In a stream that was made anew, what is not behind the cursor comes `again`.
    """

    sequence: int
    created: str | None
    cursor: Cursor | None
    again: bool = False

    def behind(self, message: Msg) -> "_Checkpoint":
        """Return the place behind a message.

        Raises:
            Stopped: there were others between, which the stream has dropped.
        """
        sequence, cursor = message.metadata.sequence.stream, _cursor(message)
        if self.repeats(message):
            return replace(self, sequence=sequence)
        if sequence != self.sequence + 1 and (self.sequence or self.cursor):
            raise Stopped(f"the stream has dropped what was between message {self.sequence} and message {sequence}")
        return _Checkpoint(sequence, self.created, cursor or self.cursor)

    def repeats(self, message: Msg) -> bool:
        """Whether the event was projected before."""
        cursor = _cursor(message)
        return self.again and cursor is not None and self.cursor is not None and cursor <= self.cursor


class Projector:
    """Projects the events `kinds` of the service `source` with `project`, under the checkpoint `name`."""

    def __init__(self, name: str, source: str, kinds: list[type[Event]], project: Project) -> None:
        self.name, self.stream, self.project = name, event_stream(source), project
        self.kinds = {kind.subject: kind for kind in kinds}
        self.stopped: str | None = None

    async def run(self, database: Database, js: JetStream) -> None:
        """Project until cancelled or something fails; start it again then. Waits while another replica does it.

        It stands still, and looks again every 5 s, before an event that only a newer release can read, and where the
        stream has dropped events that it did not have yet.
        """
        try:
            async with database.holding(f"projector:{self.name}") as free:
                if free:
                    await self._project(database, js)
        except Stopped as stopped:
            self._stop(str(stopped))
            await asyncio.sleep(STOPPED)
        else:
            self._go_on()
            await asyncio.sleep(1)

    async def check(self) -> None:
        """Raise when it stands still (a health check).

        Raises:
            NotReady: so it does, and why.
        """
        if self.stopped:
            raise NotReady(f"the projector {self.name} stands still: {self.stopped}")

    def _stop(self, reason: str) -> None:
        if reason != self.stopped:
            log.error("a projector stands still", projector=self.name, reason=reason)
        self.stopped = reason
        metrics.projector_stopped.labels(self.name).set(1)

    def _go_on(self) -> None:
        self.stopped = None
        metrics.projector_stopped.labels(self.name).set(0)

    async def _project(self, database: Database, js: JetStream) -> None:
        done = await self._resume(database, await js.stream_info(self.stream))
        async with aclosing(ordered.messages(js, self.stream, done.sequence)) as batches:
            async for batch in batches:
                done = await self._apply(database, js, batch, done)
                self._go_on()

    async def _resume(self, database: Database, stream: StreamInfo) -> _Checkpoint:
        await database.execute("INSERT INTO checkpoints VALUES ($1, 0) ON CONFLICT DO NOTHING", self.name)
        row = await database.fetchrow(READ, self.name)
        assert row is not None  # noqa: S101  it was made above
        cursor = None if row["tx"] is None else (row["tx"], row["position"])
        done = _Checkpoint(row["sequence"], row["stream_created"], cursor, row["again"])
        made = places.created(stream)
        if done.created in (None, made) and done.sequence <= stream.state.last_seq:
            return replace(done, created=made)
        if done.sequence and cursor is None:
            raise Stopped(f"{self.stream} was made anew, and what of it was projected is not known")
        log.warning("the stream was made anew, and is read from its start", projector=self.name, stream=self.stream)
        anew = _Checkpoint(0, made, cursor, again=True)
        async with database.transaction() as connection:
            await self._move(connection, done, anew)
        return anew

    async def _apply(self, database: Database, js: JetStream, messages: list[Msg], done: _Checkpoint) -> _Checkpoint:
        reached, stopped = done, None
        async with database.transaction() as connection:
            for message in messages:
                try:
                    behind = reached.behind(message)
                    if not reached.repeats(message):
                        await self._take(js, dead_letter_subject(database.schema, self.name), message, connection)
                except (EventTooNew, Stopped) as reason:
                    stopped = reason
                    break
                reached = behind
            await self._move(connection, done, reached)
        if stopped:
            raise Stopped(str(stopped))
        return reached

    async def _move(self, connection: Connection, done: _Checkpoint, to: _Checkpoint) -> None:
        place = to.sequence, to.created, *(to.cursor or (None, None)), to.again
        if await connection.execute(MOVE, self.name, done.sequence, *place) != "UPDATE 1":
            raise Overtaken(self.name)

    async def _take(self, js: JetStream, dead: str, message: Msg, connection: Connection) -> None:
        headers = message.headers or {}
        kind = self.kinds.get(headers.get("ce-type", ""))
        if kind is None:
            return
        try:
            recorded = wire.read(kind, headers, message.data)
        except EventTooNew:
            raise
        except (KeyError, ValueError) as error:  # nobody can read it, today or later
            log.exception("an event that cannot be read is passed over", projector=self.name, subject=message.subject)
            metrics.projector_unreadable.labels(self.name).inc()
            await dead_letters.publish(js, dead, message, without_input(error))
        else:
            await self.project(recorded, connection)


def _cursor(message: Msg) -> Cursor | None:
    tx, _, position = (message.headers or {}).get(CURSOR, "").partition(":")
    return (int(tx), int(position)) if tx.isdecimal() and position.isdecimal() else None
