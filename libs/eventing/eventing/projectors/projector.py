"""Projects the events of another service into a read model of this one, in order and each once.

The messages are read from the checkpoint on, and the checkpoint moves in the transaction that writes the rows. With a
durable consumer events would be lost, because it redelivers out of order after a crash. What the stream does not hold
any more is read from the table of the source.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import replace
from typing import Any

from contracts.messages import Event
from contracts.wire import dead_letter_subject, event_filter, event_stream
from nats.aio.msg import Msg
from nats.js.api import StreamInfo
from nats.js.errors import NotFoundError
from runtime.bus import ordered
from runtime.bus.jetstream import JetStream
from runtime.http.health import NotReady
from runtime.logging import get_logger

from eventing import metrics
from eventing.bus import dead_letters, wire
from eventing.bus.missing import stream_required
from eventing.database import Connection, Database, Reader
from eventing.error_text import describe_error
from eventing.projectors.checkpoint import REBUILDING, Checkpoint, CheckpointMoved, Dropped, dropped
from eventing.projectors.filling import Filling, Project, Rebuild
from eventing.projectors.source import Source, SourceEvent, SourceUnavailable
from eventing.recording import EventTooNew
from eventing.relay import position as relay_position

log = get_logger()

STOPPED_RETRY_SECONDS = 5.0
"""Pause before a stopped projector tries again."""
GATHERING_SECONDS = 0.1
"""Pause of a projector of headers when it has read all, so that the events of this time are one batch."""

type ProjectAll = Callable[[Sequence[wire.EventHeaders], Connection], Awaitable[None]]


class Stopped(Exception):
    """The projector cannot continue without skipping events: an operator or a newer release has to resolve that."""


class Unreadable(Exception):
    """No release can read an event."""


class Projector:
    """Projects events of the given `kinds` of the service `source` with `project`; its checkpoint is called `name`.

    Without `rebuild`, a read model that has to be filled again is not emptied: `project` has to be repeatable.
    """

    headers_only = False
    """Whether messages are read without their bodies."""
    pause_seconds = 0.0
    """How long it waits for further messages after it has read all."""

    def __init__(
        self,
        name: str,
        source: str,
        kinds: list[type[Event]],
        project: Project,
        *,
        rebuild: Rebuild | None = None,
    ) -> None:
        self.name, self.stream, self.rebuild = name, event_stream(source), rebuild
        self.project = project
        self.kinds = {kind.subject: kind for kind in kinds}
        self.source = Source(source, None if self.headers_only else [*self.kinds], self.headers_only)
        self.stopped: str | None = None
        self.filling = False

    async def run(self, database: Database, js: JetStream) -> None:
        """Project until cancelled or something fails, or wait while another replica projects; to be run in a loop.

        It stops before an event that only a newer release can read, and where the stream has dropped events that were
        not projected yet and the source does not send them. It tries again every 5 s.
        """
        try:
            async with database.background.lock(f"projector:{self.name}") as held:
                if held:
                    await self._project(database, js, held)
        except Stopped as stopped:
            self._record_stop(str(stopped))
            await asyncio.sleep(STOPPED_RETRY_SECONDS)
        except Dropped as reason:  # they are read from the source now
            log.warning("messages were dropped before they were projected", projector=self.name, reason=str(reason))
        except CheckpointMoved:
            log.warning("the checkpoint was moved by another replica or an operator", projector=self.name)
        else:
            self._record_progress()
            await asyncio.sleep(1)

    async def check(self) -> None:
        """Check that the projector is not stopped, and does not fill a gap in its read model (a health check).

        Raises:
            NotReady: it is, or does; contains the reason.
        """
        if self.stopped:
            raise NotReady(f"the projector {self.name} is stopped: {self.stopped}")
        if self.filling:
            raise NotReady(f"the projector {self.name} reads the stored events of {self.source.service}")

    def _record_stop(self, reason: str) -> None:
        if reason != self.stopped:
            log.error("projector stopped", projector=self.name, reason=reason)
        self.stopped = reason
        metrics.projector_stopped.labels(self.name).set(1)

    def _record_progress(self) -> None:
        self.stopped = None
        metrics.projector_stopped.labels(self.name).set(0)

    async def _project(self, database: Database, js: JetStream, held: Reader) -> None:
        with stream_required(self.stream):
            stream = await js.stream_info(self.stream)
        done = await self._resume(database, stream)
        if done.sequence == REBUILDING or done.sequence + 1 < stream.state.first_seq:
            done = await self._fill(database, js, done, stream)
        subjects = event_filter(self.source.service)  # consumers can put messages of other subjects into a stream
        reading = ordered.messages(js, self.stream, done.sequence, subjects, headers_only=self.headers_only)
        async with aclosing(reading) as batches:
            async for batch in batches:
                done = await self._apply(database, js, batch, done) if batch else await self._compare(held, done)
                self._record_progress()
                if self.pause_seconds and batch and not batch[-1].metadata.num_pending:
                    await asyncio.sleep(self.pause_seconds)

    async def _resume(self, database: Database, stream: StreamInfo) -> Checkpoint:
        done, created = await Checkpoint.read(database, self.name), relay_position.creation_time(stream)
        if done.created in (None, created) and done.sequence <= stream.state.last_seq:
            return replace(done, created=created)
        if done.is_unknown:
            raise self._unknown(f"{self.stream} was recreated")
        log.warning("the stream was recreated and is read from its beginning", projector=self.name, stream=self.stream)
        restarted = Checkpoint(0, created, done.cursor, replaying=True)
        async with database.transaction() as connection:
            await done.move(connection, self.name, restarted)
        return restarted

    def _unknown(self, reason: str) -> Stopped:
        return Stopped(
            f"{reason}, and it is unknown which of its events were projected; run "
            f"`python -m <service> rebuild {self.name}`"
        )

    async def _compare(self, held: Reader, done: Checkpoint) -> Checkpoint:
        """Check that the checkpoint is where this replica left it: an operator may have requested a rebuild."""
        stored = await Checkpoint.read(held, self.name)
        if (stored.sequence, stored.cursor) != (done.sequence, done.cursor):
            raise CheckpointMoved(self.name)
        return done

    async def _fill(self, database: Database, js: JetStream, done: Checkpoint, stream: StreamInfo) -> Checkpoint:
        is_rebuild = done.sequence == REBUILDING
        reason = "a rebuild was requested" if is_rebuild else dropped(done.sequence, stream.state.first_seq)
        if done.is_unknown:
            raise self._unknown(reason)
        self.filling = not is_rebuild  # during a rebuild, the earlier read model is in use
        try:
            filled = await Filling(
                self.name, self.source, self.rebuild, self._project_stored, self._publish_stored
            ).fill(database, js, done, stream)
        except SourceUnavailable as error:
            raise Stopped(f"{reason}, and {error}; start that service, in this release") from None
        except EventTooNew as error:
            raise Stopped(str(error)) from None
        finally:
            self.filling = False
        log.warning("the stored events of the source were read", projector=self.name, reason=reason)
        self._record_progress()
        return filled

    async def _apply(self, database: Database, js: JetStream, messages: Sequence[Msg], done: Checkpoint) -> Checkpoint:
        reached, stopped, events = done, None, list[Any]()
        oldest, dead = await self._oldest(js, messages, done), dead_letter_subject(database.schema, self.name)
        for message in messages:
            try:
                following = reached.after(message, oldest)
                if not reached.includes(message.headers or {}):
                    events += await self._read_message(js, dead, message)
            except (EventTooNew, Dropped) as reason:
                stopped = reason
                break
            reached = following
        await self._publish(js, events)
        async with database.transaction() as connection:
            await self._project_all(events, connection)
            await done.move(connection, self.name, reached)
        if isinstance(stopped, EventTooNew):
            raise Stopped(str(stopped))
        if stopped:
            raise stopped
        return reached

    async def _oldest(self, js: JetStream, messages: Sequence[Msg], done: Checkpoint) -> int:
        """Return the first sequence number in the stream; 0 if no message is missing, and it does not matter."""
        is_complete = messages[-1].metadata.sequence.stream == done.sequence + len(messages)
        return 0 if is_complete else (await js.stream_info(self.stream)).state.first_seq

    async def _read_message(self, js: JetStream, dead: str, message: Msg) -> list[Any]:
        try:
            return self._read(message.headers or {}, message.data)
        except Unreadable as error:
            await dead_letters.publish(js, dead, message, str(error))
            return []

    async def _publish(self, js: JetStream, events: Sequence[Any]) -> None:
        """Publish events before the checkpoint moves behind them; they may be published again."""

    async def _project_all(self, events: Sequence[Any], connection: Connection) -> None:
        for event in events:
            await self.project(event, connection)

    async def _publish_stored(self, js: JetStream, events: Sequence[SourceEvent]) -> None:
        for event in events:
            with suppress(Unreadable):
                await self._publish(js, self._read(event.headers, event.data))

    async def _project_stored(self, event: SourceEvent, connection: Connection, project: Project | None) -> None:
        with suppress(Unreadable):  # the source keeps it
            for each in self._read(event.headers, event.data):
                await (project or self.project)(each, connection)

    def _read(self, headers: Mapping[str, str], body: bytes) -> list[Any]:
        """Return what is projected of a message, or nothing."""
        try:
            event = self.read(headers, body)
        except EventTooNew:
            raise
        except (KeyError, ValueError) as error:  # no release will be able to read it
            log.exception("an event cannot be read and is skipped", projector=self.name, kind=headers.get("ce-type"))
            metrics.projector_unreadable.labels(self.name).inc()
            raise Unreadable(describe_error(error)) from None
        return [] if event is None else [event]

    def read(self, headers: Mapping[str, str], body: bytes) -> Any:
        """Return what is projected of a message; None if it is none of the kinds.

        Raises:
            EventTooNew: only a newer release can read it.
            KeyError, ValueError: no release can.
        """
        kind = self.kinds.get(headers.get("ce-type", ""))
        return kind and wire.read(kind, headers, body)


class HeaderProjector(Projector):
    """Projects the headers of all events of a service except those of some kinds, with `project`, many at once.

    It never reads their content. So it also projects events that only a newer release can read. It waits for the stream
    of a service that has never started.
    """

    headers_only = True
    pause_seconds = GATHERING_SECONDS

    def __init__(self, name: str, source: str, ignored: list[type[Event]], project: ProjectAll) -> None:
        super().__init__(name, source, ignored, lambda event, connection: project([event], connection))
        self._project_many = project

    async def _project_all(self, events: Sequence[wire.EventHeaders], connection: Connection) -> None:
        if events:
            await self._project_many(events, connection)

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
