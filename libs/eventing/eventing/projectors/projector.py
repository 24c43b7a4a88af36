"""Projects the events of another service into a read model of this one, in order and each once.

The messages are read from the checkpoint on, and the checkpoint moves in the transaction that writes the rows. With a
durable consumer events would be lost, because it redelivers out of order after a crash.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

from contracts.messages import Event
from contracts.wire import dead_letter_subject, event_stream
from nats.aio.msg import Msg
from nats.js.api import StreamInfo
from nats.js.errors import NotFoundError
from runtime.bus import ordered
from runtime.bus.jetstream import JetStream
from runtime.http.health import NotReady
from runtime.logging import get_logger

from eventing import metrics
from eventing.bus import dead_letters, wire
from eventing.database import Connection, Database
from eventing.error_text import describe_error
from eventing.recording import EventTooNew, Recorded
from eventing.relay import position as relay_position
from eventing.relay.position import parse_cursor
from eventing.store import Cursor

log = get_logger()

type Project = Callable[[Recorded[Any], Connection], Awaitable[None]]
type ProjectHeaders = Callable[[wire.EventHeaders, Connection], Awaitable[None]]

STOPPED_RETRY_SECONDS = 5.0
"""Pause before a stopped projector tries again."""
READ = "SELECT sequence, stream_created, tx, position, again FROM checkpoints WHERE name = $1"
MOVE = """
    UPDATE checkpoints SET sequence = $3, stream_created = $4, tx = $5, position = $6, again = $7
    WHERE name = $1 AND sequence = $2"""


class CheckpointMoved(Exception):
    """Another replica moved the checkpoint, because this one had lost its lock without noticing."""


class Stopped(Exception):
    """The projector cannot continue without skipping events: an operator or a newer release has to resolve that."""


@dataclass(frozen=True)
class _Checkpoint:
    """A position in the stream that was created at `created`, and in the feed of its source (`cursor`).

    While `replaying` a recreated stream, events up to the cursor have been projected before.
    """

    sequence: int
    created: str | None
    cursor: Cursor | None
    replaying: bool = False

    def after(self, message: Msg, oldest: int) -> "_Checkpoint":
        """Return the position after a message; the stream holds none before the sequence number `oldest`.

        Messages that are missing behind that one were erased with a deleted aggregate.

        Raises:
            Stopped: the stream has dropped messages before it.
        """
        sequence, cursor = message.metadata.sequence.stream, parse_cursor(message.headers or {})
        if self.includes(message):
            return replace(self, sequence=sequence)
        if self.sequence + 1 < min(sequence, oldest) and (self.sequence or self.cursor):
            raise Stopped(f"the stream has dropped the messages between {self.sequence} and {sequence}")
        return _Checkpoint(sequence, self.created, cursor or self.cursor)

    def includes(self, message: Msg) -> bool:
        """Return whether the event of a message has been projected before."""
        cursor = parse_cursor(message.headers or {})
        return self.replaying and cursor is not None and self.cursor is not None and cursor <= self.cursor


class Projector:
    """Projects events of the given `kinds` of the service `source` with `project`; its checkpoint is called `name`."""

    headers_only = False
    """Whether messages are read without their bodies."""

    def __init__(self, name: str, source: str, kinds: list[type[Event]], project: Project | ProjectHeaders) -> None:
        self.name, self.stream = name, event_stream(source)
        self.project: Callable[[Any, Connection], Awaitable[None]] = project
        self.kinds = {kind.subject: kind for kind in kinds}
        self.stopped: str | None = None

    async def run(self, database: Database, js: JetStream) -> None:
        """Project until cancelled or something fails, or wait while another replica projects; to be run in a loop.

        It stops before an event that only a newer release can read, and where the stream has dropped events that were
        not projected yet. It tries again every 5 s.
        """
        try:
            async with database.advisory_lock(f"projector:{self.name}") as connection:
                if connection:
                    await self._project(database, js)
        except Stopped as stopped:
            self._record_stop(str(stopped))
            await asyncio.sleep(STOPPED_RETRY_SECONDS)
        else:
            self._record_progress()
            await asyncio.sleep(1)

    async def check(self) -> None:
        """Check that the projector is not stopped (a health check).

        Raises:
            NotReady: it is; contains the reason.
        """
        if self.stopped:
            raise NotReady(f"the projector {self.name} is stopped: {self.stopped}")

    def _record_stop(self, reason: str) -> None:
        if reason != self.stopped:
            log.error("projector stopped", projector=self.name, reason=reason)
        self.stopped = reason
        metrics.projector_stopped.labels(self.name).set(1)

    def _record_progress(self) -> None:
        self.stopped = None
        metrics.projector_stopped.labels(self.name).set(0)

    async def _project(self, database: Database, js: JetStream) -> None:
        done = await self._resume(database, await js.stream_info(self.stream))
        reading = ordered.messages(js, self.stream, done.sequence, headers_only=self.headers_only)
        async with aclosing(reading) as batches:
            async for batch in batches:
                done = await self._apply(database, js, batch, done)
                self._record_progress()

    async def _resume(self, database: Database, stream: StreamInfo) -> _Checkpoint:
        await database.execute("INSERT INTO checkpoints VALUES ($1, 0) ON CONFLICT DO NOTHING", self.name)
        row = await database.fetchrow(READ, self.name)
        assert row is not None  # noqa: S101  it was made above
        cursor = None if row["tx"] is None else (row["tx"], row["position"])
        done = _Checkpoint(row["sequence"], row["stream_created"], cursor, row["again"])
        created = relay_position.creation_time(stream)
        if done.created in (None, created) and done.sequence <= stream.state.last_seq:
            return replace(done, created=created)
        if done.sequence and cursor is None:
            raise Stopped(f"{self.stream} was recreated, and it is unknown which of its events were projected")
        log.warning("the stream was recreated and is read from its beginning", projector=self.name, stream=self.stream)
        restarted = _Checkpoint(0, created, cursor, replaying=True)
        async with database.transaction() as connection:
            await self._move(connection, done, restarted)
        return restarted

    async def _apply(self, database: Database, js: JetStream, messages: list[Msg], done: _Checkpoint) -> _Checkpoint:
        reached, stopped = done, None
        oldest = await self._oldest(js, messages, done)
        async with database.transaction() as connection:
            for message in messages:
                try:
                    following = reached.after(message, oldest)
                    if not reached.includes(message):
                        await self._project_message(
                            js, dead_letter_subject(database.schema, self.name), message, connection
                        )
                except (EventTooNew, Stopped) as reason:
                    stopped = reason
                    break
                reached = following
            await self._move(connection, done, reached)
        if stopped:
            raise Stopped(str(stopped))
        return reached

    async def _oldest(self, js: JetStream, messages: list[Msg], done: _Checkpoint) -> int:
        """Return the first sequence number in the stream; 0 if no message is missing, and it does not matter."""
        is_complete = messages[-1].metadata.sequence.stream == done.sequence + len(messages)
        return 0 if is_complete else (await js.stream_info(self.stream)).state.first_seq

    async def _move(self, connection: Connection, done: _Checkpoint, to: _Checkpoint) -> None:
        position = to.sequence, to.created, *(to.cursor or (None, None)), to.replaying
        if await connection.execute(MOVE, self.name, done.sequence, *position) != "UPDATE 1":
            raise CheckpointMoved(self.name)

    async def _project_message(self, js: JetStream, dead: str, message: Msg, connection: Connection) -> None:
        try:
            event = self.read(message.headers or {}, message.data)
        except EventTooNew:
            raise
        except (KeyError, ValueError) as error:  # no release will be able to read it
            log.exception("an event cannot be read and is skipped", projector=self.name, subject=message.subject)
            metrics.projector_unreadable.labels(self.name).inc()
            await dead_letters.publish(js, dead, message, describe_error(error))
        else:
            if event is not None:
                await self.project(event, connection)

    def read(self, headers: Mapping[str, str], body: bytes) -> Any:
        """Return what is projected of a message; None if it is none of the kinds.

        Raises:
            EventTooNew: only a newer release can read it.
            KeyError, ValueError: no release can.
        """
        kind = self.kinds.get(headers.get("ce-type", ""))
        return kind and wire.read(kind, headers, body)


class HeaderProjector(Projector):
    """Projects the headers of all events of a service except those of some kinds, with `project`.

    It never reads their content. So it also projects events that only a newer release can read. It waits for the stream
    of a service that has never started.
    """

    headers_only = True

    def __init__(self, name: str, source: str, ignored: list[type[Event]], project: ProjectHeaders) -> None:
        super().__init__(name, source, ignored, project)

    async def run(self, database: Database, js: JetStream) -> None:
        """Project as `Projector.run` does, or wait while there is no stream."""
        try:
            await js.stream_info(self.stream)
        except NotFoundError:
            await asyncio.sleep(1)
        else:
            await super().run(database, js)

    def read(self, headers: Mapping[str, str], body: bytes) -> wire.EventHeaders | None:
        """Return the headers of a message; None if it is one of the ignored kinds."""
        return None if headers.get("ce-type") in self.kinds else wire.EventHeaders.read(headers)
