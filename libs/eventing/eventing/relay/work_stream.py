"""The work stream of a service: what its replicas have to act on, as the keys of events without their content.

A message stays until a replica acknowledges it, and a full stream accepts no more. So a flood of large events cannot
push the work of others out of the stream, as it can in the stream of all events.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any, cast

from contracts.messages import Event
from contracts.wire import to_work_subject, work_stream
from nats.js.errors import NotFoundError
from runtime.bus import ordered
from runtime.bus.jetstream import JetStream
from runtime.logging import get_logger

from eventing import tracing
from eventing.bus import wire
from eventing.database import Reader
from eventing.recording import Recorded
from eventing.relay.position import CURSOR, find_event, format_cursor, headers_at
from eventing.store import Cursor, EventStore, FeedEntry

log = get_logger()


class EarlierReleaseRunning(Exception):
    """A replica of an earlier release still takes its work from the stream of all events."""


class EventGone(Exception):
    """The event is no longer stored: a failover or a restore lost it, and no replica may act on it."""


async def stored_event(store: EventStore, headers: Mapping[str, str]) -> Recorded[Any]:
    """Return the event that a message of the work stream is about, as consumers on the bus see it.

    Raises:
        EventGone: the event is not stored, or another one has its version.
        EventTooNew, EventUnreadable: it cannot be read.
        KeyError, ValueError: the message is not from a work stream.
    """
    aggregate_id, version, at = wire.event_key(headers)
    recorded = await store.event(aggregate_id, version)
    if recorded is None or recorded.at != at:
        raise EventGone(f"version {version} of {aggregate_id}, recorded at {at}")
    published = wire.as_published(recorded)
    trace = headers.get("traceparent", published.envelope.traceparent)
    return replace(published, envelope=replace(published.envelope, traceparent=trace))


class WorkStream:
    """The work stream of a service; `durables` names the consumer that an earlier release had for a kind of event."""

    def __init__(self, js: JetStream, service: str, durables: Mapping[type[Event], str]) -> None:
        self.js, self.service, self.durables = js, service, durables
        self.stream = work_stream(service)
        self.sequence = 0

    async def publish(self, entries: Sequence[FeedEntry]) -> None:
        """Publish the events that replicas work on; the server drops those that it has already."""
        work = [entry for entry in entries if type(entry.recorded.event) in self.durables]
        for ack in await asyncio.gather(*(self._publish(entry) for entry in work), return_exceptions=True):
            if isinstance(ack, BaseException):
                raise ack
            self.sequence = max(self.sequence, ack)

    async def _publish(self, entry: FeedEntry) -> int:
        with tracing.sending(entry.recorded) as trace:
            headers = wire.headers(entry.recorded, self.service) | {CURSOR: format_cursor(entry.cursor)} | trace
            return await self._send(wire.work_subject(entry.recorded), headers)

    async def _send(self, subject: str, headers: dict[str, str]) -> int:
        headers |= {"Nats-Msg-Id": wire.deduplication_id(headers)}
        ack = await self.js.publish(subject, b"", timeout=5, stream=self.stream, headers=cast(dict[str, Any], headers))
        return ack.seq

    async def last_sequence(self) -> int:
        """Return the sequence number of the last message; 0 if this service has no work stream."""
        return (await self.js.stream_info(self.stream)).state.last_seq if self.durables else 0

    async def floor(self, reader: Reader, cursor: Cursor, known: Cursor | None) -> Cursor | None:
        """Return the cursor up to which all work is completed: `cursor` if no message is left.

        Returns `known` if the oldest message is of no event in the database.
        """
        if not self.durables:
            return cursor
        state = (await self.js.stream_info(self.stream)).state
        if not state.messages:
            return cursor
        oldest = await headers_at(self.js, self.stream, state.first_seq)
        found = await find_event(reader, oldest) if oldest else None
        return min(cursor, (found[0], found[1] - 1)) if found else known

    async def copy_earlier(self, events: str, reader: Reader) -> None:
        """Copy the work that an earlier release left unfinished in the stream `events`.

        Can be repeated after a failure. `reader` holds the relay's lock, and is used regularly in order to keep it.

        Raises:
            EarlierReleaseRunning: a replica of the earlier release still takes work from that stream.
        """
        found = {kind: info for kind, name in self.durables.items() if (info := await self._consumer(events, name))}
        if any(info.num_waiting for info in found.values()):
            raise EarlierReleaseRunning(f"stop all replicas of the earlier release that work on {events}")
        for kind, info in found.items():
            if info.num_pending or info.num_ack_pending:
                await self._copy(events, kind, info.ack_floor.stream_seq if info.ack_floor else 0, reader)

    async def delete_earlier_consumers(self, events: str) -> None:
        """Delete the consumers of an earlier release, after their work was copied and the position is saved."""
        for name in self.durables.values():
            if await self._consumer(events, name):
                await self.js.delete_consumer(events, name)
                log.info("consumer of an earlier release deleted", stream=events, consumer=name)

    async def _consumer(self, stream: str, name: str) -> Any:
        try:
            return await self.js.consumer_info(stream, name)
        except NotFoundError:
            return None

    async def _copy(self, events: str, kind: type[Event], after: int, reader: Reader) -> None:
        messages = ordered.messages(self.js, events, after, wire.subjects(kind), stored=True)
        async with aclosing(messages) as batches:
            async for batch in batches:
                await reader.fetchval("SELECT 1")  # an idle connection would lose the lock
                for message in batch:
                    headers = {k: v for k, v in (message.headers or {}).items() if not k.startswith("Nats-")}
                    self.sequence = await self._send(to_work_subject(message.subject), headers)
