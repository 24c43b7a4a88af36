"""What the workers of a service have to do: a stream of its own, with the ids of events alone.

A message stays until a worker acknowledged it, and the stream takes no more when it is full, so nobody can push the
work of others out of it with large events, as the stream of all events allows.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from typing import Any, cast

from contracts.messages import Event
from contracts.wire import to_work_subject, work_stream
from nats.js.errors import NotFoundError
from runtime import ordered
from runtime.jetstream import JetStream
from runtime.logging import get_logger

from eventing import wire
from eventing.places import CURSOR, Reader, find, headers_at, written
from eventing.recording import Recorded
from eventing.store import Cursor, EventStore, FeedEntry

log = get_logger()


class EarlierRelease(Exception):
    """A replica of a release still runs that takes its work from the stream of all events."""


class Gone(Exception):
    """The event is not stored any more: a failover or a restore lost it, and nobody is to act on it."""


async def stored_event(store: EventStore, headers: Mapping[str, str]) -> Recorded[Any]:
    """Return the event that a message of the work stream is about, as its readers on the bus see it.

    Raises:
        Gone: there is none, or another one, in its place.
        EventTooNew, FactUnreadable: it cannot be read.
        KeyError, ValueError: it is no such message.
    """
    aggregate_id, version, at = wire.stands_at(headers)
    recorded = await store.event(aggregate_id, version)
    if recorded is None or recorded.at != at:
        raise Gone(f"version {version} of {aggregate_id}, recorded at {at}")
    return wire.published(recorded)


class Work:
    """The work stream of a service. `durables` says what an earlier release called the consumer of a kind of event."""

    def __init__(self, js: JetStream, service: str, durables: Mapping[type[Event], str]) -> None:
        self.js, self.service, self.durables = js, service, durables
        self.stream = work_stream(service)
        self.sequence = 0

    async def hand_over(self, events: Sequence[FeedEntry]) -> None:
        """Publish those of the events that somebody works on; one that is there already is not published again."""
        todo = [fed for fed in events if type(fed.recorded.event) in self.durables]
        for ack in await asyncio.gather(*(self._publish(fed) for fed in todo), return_exceptions=True):
            if isinstance(ack, BaseException):
                raise ack
            self.sequence = max(self.sequence, ack)

    async def _publish(self, fed: FeedEntry) -> int:
        headers = wire.headers(fed.recorded, self.service) | {CURSOR: written(fed.cursor)}
        return await self._send(wire.work_subject(fed.recorded), headers)

    async def _send(self, subject: str, headers: dict[str, str]) -> int:
        headers |= {"Nats-Msg-Id": wire.deduplication_id(headers)}
        ack = await self.js.publish(subject, b"", timeout=5, stream=self.stream, headers=cast(dict[str, Any], headers))
        return ack.seq

    async def newest(self) -> int:
        """Return the number of the last message; 0 when there is no work for anybody in this service."""
        return (await self.js.stream_info(self.stream)).state.last_seq if self.durables else 0

    async def floor(self, reader: Reader, cursor: Cursor, known: Cursor | None) -> Cursor | None:
        """Return the place up to which nothing is left to do: `cursor` if all that was handed over is done.

        `known` is the answer when it cannot be told just now.
        """
        if not self.durables:
            return cursor
        state = (await self.js.stream_info(self.stream)).state
        if not state.messages:
            return cursor
        oldest = await headers_at(self.js, self.stream, state.first_seq)
        there = await find(reader, oldest) if oldest else None
        return min(cursor, (there[0], there[1] - 1)) if there else known

    async def take_over(self, events: str, reader: Reader) -> None:
        """Hand over what an earlier release has not finished, which worked on the stream `events`, and end that.

        May be done again after a failure. `reader` has the relay's lock, and is used now and then, so that it keeps it.

        Raises:
            EarlierRelease: a replica of it still takes work there.
        """
        found = {kind: info for kind, name in self.durables.items() if (info := await self._consumer(events, name))}
        if any(info.num_waiting for info in found.values()):
            raise EarlierRelease(f"stop all replicas of the earlier release that work on {events}")
        for kind, info in found.items():
            if info.num_pending or info.num_ack_pending:
                await self._copy(events, kind, info.ack_floor.stream_seq if info.ack_floor else 0, reader)

    async def forget_earlier(self, events: str) -> None:
        """Remove the consumers of an earlier release, when what they left was handed over and that is written down."""
        for name in self.durables.values():
            if await self._consumer(events, name):
                await self.js.delete_consumer(events, name)
                log.info("a consumer of an earlier release is removed", stream=events, consumer=name)

    async def _consumer(self, stream: str, name: str) -> Any:
        try:
            return await self.js.consumer_info(stream, name)
        except NotFoundError:
            return None

    async def _copy(self, events: str, kind: type[Event], after: int, reader: Reader) -> None:
        messages = ordered.messages(self.js, events, after, wire.subjects(kind), stored=True)
        async with aclosing(messages) as batches:
            async for batch in batches:
                await reader.fetchval("SELECT 1")
                for message in batch:
                    headers = {k: v for k, v in (message.headers or {}).items() if not k.startswith("Nats-")}
                    self.sequence = await self._send(to_work_subject(message.subject), headers)
