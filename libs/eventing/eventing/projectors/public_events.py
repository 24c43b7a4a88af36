"""Projects the published events of another service in their public form, for subscribers outside the services."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from contracts.public_event import PublicEvent
from contracts.wire import event_filter
from nats.aio.msg import Msg
from nats.js.api import StreamInfo
from nats.js.errors import NotFoundError
from runtime.bus import ordered
from runtime.bus.jetstream import JetStream

from eventing.bus import public_stream
from eventing.database import Connection, Database, Reader
from eventing.projectors.checkpoint import Checkpoint, CheckpointMoved
from eventing.projectors.projector import GATHERING_SECONDS, Projector
from eventing.projectors.source import Source
from eventing.relay.position import creation_time, parse_cursor

SKIP_SECONDS = 10.0
"""How often the checkpoint is moved to the end of a stream that nobody wants to have read."""
UNWANTED_SECONDS = 2.0
"""Pause between two questions whether anybody wants the events."""


@dataclass(frozen=True)
class Subscription:
    """What is done with the events of all services.

    `project` stores many at once; `stored` is called when that is committed. `text` returns what is published of an
    event in the stream of public events, if that exists. As long as it does not, and `wanted` returns False, events are
    not even read.
    """

    wanted: Callable[[Reader], Awaitable[bool]]
    project: Callable[[Sequence[PublicEvent], Connection], Awaitable[None]]
    stored: Callable[[], None]
    text: Callable[[PublicEvent], str]


class PublicEventProjector(Projector):
    """Projects all events of a service, also those of kinds that only a newer release knows, for a subscription."""

    pause_seconds = GATHERING_SECONDS

    def __init__(self, name: str, source: str, subscription: Subscription) -> None:
        super().__init__(name, source, [], lambda event, connection: subscription.project([event], connection))
        self.source = Source(source, kinds=None, headers_only=False)
        self.subscription = subscription

    async def run(self, database: Database, js: JetStream) -> None:
        """Project as `Projector.run` does, or skip events while nobody wants them; wait while there is no stream."""
        try:
            stream = await js.stream_info(self.stream)
        except NotFoundError:
            await asyncio.sleep(1)
            return
        if await self._wanted(database, js):
            await super().run(database, js)
            return
        with suppress(CheckpointMoved):  # another replica did the same
            await self._skip(database, js, stream)
        skipped_at = time.monotonic()
        while time.monotonic() - skipped_at < SKIP_SECONDS:
            await asyncio.sleep(UNWANTED_SECONDS)
            if await self._wanted(database, js):
                return

    def read(self, headers: Mapping[str, str], body: bytes) -> PublicEvent:
        """Return the public form of a message. Raises as `Projector.read` does."""
        subject = f"{headers['ce-type']}.{headers['owner']}.{headers['ce-subject']}"
        # An event that cannot be identified or dated is unreadable: it would fail each time that it is projected.
        UUID(headers["ce-id"])
        datetime.fromisoformat(headers["ce-time"])
        return PublicEvent.read(subject, headers, body)

    async def _read_message(self, js: JetStream, dead: str, message: Msg) -> list[PublicEvent]:
        read = await super()._read_message(js, dead, message)
        return [event._replace(sequence=message.metadata.sequence.stream) for event in read]

    async def _wanted(self, database: Database, js: JetStream) -> bool:
        return await self.subscription.wanted(database.background) or await public_stream.exists(js)

    async def _publish(self, js: JetStream, events: Sequence[PublicEvent]) -> None:
        for event in events:
            if not await public_stream.publish(js, event, self.subscription.text(event)):
                return  # nobody has asked for it

    async def _project_all(self, events: Sequence[PublicEvent], connection: Connection) -> None:
        if events:
            await self.subscription.project(events, connection)

    async def _apply(self, database: Database, js: JetStream, messages: Sequence[Msg], done: Checkpoint) -> Checkpoint:
        reached = await super()._apply(database, js, messages, done)
        self.subscription.stored()
        return reached

    async def _skip(self, database: Database, js: JetStream, stream: StreamInfo) -> None:
        """Move the checkpoint to the end of the stream, unless somebody wants the events meanwhile."""
        done, last = await Checkpoint.read(database.background, self.name), stream.state.last_seq
        if (done.sequence, done.created) == (last, creation_time(stream)):
            return
        cursor = await self._cursor_at(js, last) if last else None
        reached = Checkpoint(last, creation_time(stream), cursor or done.cursor)
        async with database.transaction() as connection:
            # Asked after the end of the stream was read: events after the first subscription are not skipped.
            if not await self.subscription.wanted(connection):
                await done.move(connection, self.name, reached)

    async def _cursor_at(self, js: JetStream, sequence: int) -> tuple[int, int] | None:
        subject = event_filter(self.source.service)
        reading = ordered.messages(js, self.stream, sequence - 1, subject, stored=True, headers_only=True)
        async with aclosing(reading) as batches:
            async for batch in batches:
                return parse_cursor(batch[-1].headers or {})
        return None
