"""Stored events to the bus: in the order of the feed, each once. One stream a service, filled by its relay alone.

The stream itself is the checkpoint: each message carries its cursor, and a relay goes on after the last one. Every
publish says which sequence number it expects to follow, so of two relays one is refused and reads again. The lock only
spares that work. What workers have to do goes to a stream of its own first (`eventing.work`).
"""

import asyncio
import json
import sys
from collections.abc import Mapping
from typing import Any, cast

from contracts.messages import Event
from contracts.wire import DEAD_LETTERS, dead_letter_subject, event_filter, event_stream
from nats.js.api import PubAck, StreamInfo
from nats.js.errors import APIError
from runtime.jetstream import JetStream
from runtime.logging import get_logger

from eventing import metrics, places, wire
from eventing.database import Connection
from eventing.lag import Progress
from eventing.places import CURSOR, WORK_SEQUENCE, Diverged, Note, Reader
from eventing.postgres import PostgresStore
from eventing.store import START, Cursor, FeedEntry, Unreadable
from eventing.streams import MAX_STREAM_BYTES, provision, provision_work
from eventing.work import Work

log = get_logger()

BATCH = 256
BATCH_BYTES = 4 * 2**20
"""How much of what is stored is read, and on its way to the bus, at once; one event more than this comes alone."""
GATHER = 0.002
"""Seconds until it reads again what is stored while much is: each read costs as much as the publishing of an event."""
POLL = 0.25
LOOK = 20  # after so many polls it looks whether database and streams still are as it left them
STOPPED = 5.0
"""Seconds after which one that found that they are not looks again."""
HUNG = 15.0
"""Seconds that a relay may leave its connection unused: then it hangs, and another replica takes over."""
WRONG_LAST_SEQUENCE = 10071


class Relay:
    """Publishes what one service's store has stored; `work` names the consumers of the kinds that workers react to."""

    def __init__(
        self,
        store: PostgresStore,
        js: JetStream,
        service: str,
        *,
        work: Mapping[type[Event], str] | None = None,
        largest: int = MAX_STREAM_BYTES,
        replicas: int = 1,
    ) -> None:
        self.store, self.js, self.service, self.largest, self.replicas = store, js, service, largest, replicas
        self.stream = event_stream(service)
        self.work = Work(js, service, work or {})
        self.progress = Progress()
        self.sequence, self.created = 0, ""
        self.cursor: Cursor = START
        # Up to here, work was handed over; it lies before the cursor when that has to be done again.
        self.worked: Cursor = START
        self.floor: Cursor | None = None
        self.noted: Note | None = None
        self._connection: Connection | None = None

    async def run(self) -> None:
        """Relay until cancelled or something fails; start it again then. Waits while another replica does it.

        While database and stream do not agree it publishes nothing, and looks again every 5 s.
        """
        try:
            async with self.store.database.holding(f"relay:{self.service}", idle=HUNG) as connection:
                if connection:
                    # It reads nowhere else: another connection may be to another server, after a failover.
                    self._connection = connection
                    await self._relay()
        except Diverged as diverged:
            mend = f"`python -m eventing reread {self.service}` mends it (docs/runbooks/relay.md)"
            self.progress.stop(f"{diverged}; {mend}")
            await asyncio.sleep(STOPPED)
        except Exception as error:
            self.progress.failed(error)
            raise
        else:
            self.progress.stand_by()
            await asyncio.sleep(1)
        finally:
            self._connection = None

    async def _relay(self) -> None:
        await provision(self.js, self.stream, [event_filter(self.service)], self.largest, replicas=self.replicas)
        if self.work.durables:
            await provision_work(self.js, self.service, replicas=self.replicas)
        await self.resume()
        time = asyncio.get_running_loop().time
        looked = time()
        while True:
            self.store.appended.clear()
            size = await self.once()
            self.progress.went_on()
            if not size:
                await self._note()
                await self._appended_or_poll()
            elif size < BATCH:
                await asyncio.sleep(GATHER)
            if time() - looked > LOOK * POLL:
                await self._look()
                looked = time()

    @property
    def _reader(self) -> Reader:
        return self._connection or self.store.database

    async def resume(self) -> None:
        """Find the place after the last published event.

        Raises:
            Diverged: it cannot be told, for the database is not the one that the stream was filled from.
        """
        note, stream = await Note.read(self._reader), await self.js.stream_info(self.stream)
        last = None if note and note.is_of(stream) else await places.last_message(self.js, stream)
        server, place = await places.check(self._reader, note, last, self.stream)
        self.progress.agree()
        if note and note.timeline not in (None, server.timeline):
            log.warning("the database is on another timeline", before=note.timeline, now=server.timeline)
        self.server, self.noted = server, note
        self.sequence, self.created = stream.state.last_seq, places.created(stream)
        self.cursor = place or self._place(note, stream)
        await self._resume_work(note, last)

    def _place(self, note: Note | None, stream: StreamInfo) -> Cursor:
        if note and (note.is_of(stream) or stream.state.last_seq):
            return note.cursor  # nothing was published since, or retention emptied the stream
        return START  # a new stream is filled from the start

    async def _resume_work(self, note: Note | None, last: Mapping[str, str] | None) -> None:
        if not self.work.durables:
            self.worked = self.cursor
            return
        self.floor = note.floor if note else None
        self.worked = max(self.cursor, note.cursor if note else START)
        self.work.sequence = await self.work.newest()
        if note is None or note.floor is None:  # for the first time
            await self.work.take_over(self.stream, self._reader)
            self.floor = await self.work.floor(self._reader, self.worked, START)
            await self._note()
            await self.work.forget_earlier(self.stream)
            return
        # A message that names no work is of an earlier release, which handed nothing over.
        handed_over = int(last.get(WORK_SEQUENCE, sys.maxsize)) if last else 0
        if self.work.sequence < max(handed_over, note.work):
            log.warning("the work stream lost messages and is filled again", stream=self.work.stream)
            self.worked = note.floor

    async def once(self) -> int:
        """Publish one batch and give its size. What nobody can read is dead-lettered first, and passed over.

        Raises:
            APIError: another relay was first; `resume` and go on.
        """
        after = min(self.cursor, self.worked)
        batch = await self.store.places(after, BATCH, BATCH_BYTES, self._connection)
        if not batch:
            return 0
        readable = [fed for fed in batch if isinstance(fed, FeedEntry)]
        for place in batch:
            if isinstance(place, Unreadable) and place.cursor > self.cursor:
                await self._dead_letter(place)
        await self.work.hand_over([fed for fed in readable if fed.cursor > self.worked])
        self.worked = max(self.worked, batch[-1].cursor)
        await self._publish_all([fed for fed in readable if fed.cursor > self.cursor and fed.recorded.event.published])
        self.cursor = max(self.cursor, batch[-1].cursor)
        return len(batch)

    async def _publish_all(self, public: list[FeedEntry]) -> None:
        acks = await asyncio.gather(
            *(self._publish(fed, self.sequence + n) for n, fed in enumerate(public)), return_exceptions=True
        )
        for fed, ack in zip(public, acks, strict=True):
            if isinstance(ack, BaseException):
                metrics.relay_conflicts.inc(isinstance(ack, APIError) and ack.err_code == WRONG_LAST_SEQUENCE)
                raise ack
            self.sequence, self.cursor = ack.seq, fed.cursor
            metrics.relayed.inc()

    async def _publish(self, fed: FeedEntry, expected: int) -> PubAck:
        headers = wire.headers(fed.recorded, self.service)
        headers |= {
            "Nats-Msg-Id": wire.deduplication_id(headers),
            "Nats-Expected-Last-Sequence": str(expected),
            CURSOR: places.written(fed.cursor),
            WORK_SEQUENCE: str(self.work.sequence),
        }
        body = fed.recorded.event.model_dump_json().encode()
        return await self.js.publish(
            wire.subject(fed.recorded), body, timeout=5, stream=self.stream, headers=cast(dict[str, Any], headers)
        )

    async def _dead_letter(self, place: Unreadable) -> None:
        # Only where it is: what it holds may be nobody's business, and stays in the table.
        told = {
            "cursor": places.written(place.cursor),
            "id": str(place.id),
            "version": place.version,
            "topic": place.topic,
        }
        subject = dead_letter_subject(self.service, "relay")
        headers = {"dead-reason": place.reason[:1000], "Nats-Msg-Id": f"{subject}.{place.id}.{place.version}"}
        await self.js.publish(subject, json.dumps(told).encode(), timeout=5, stream=DEAD_LETTERS, headers=headers)
        log.error("a stored event that cannot be read is passed over", reason=place.reason, **told)
        metrics.relay_unreadable.inc()

    async def _look(self) -> None:
        # A bus that lost the stream, or its newest messages, has no other way to tell; nor has a database.
        stream = await self.js.stream_info(self.stream)
        same = (stream.state.last_seq, places.created(stream)) == (self.sequence, self.created)
        if not same or await self.work.newest() < self.work.sequence:
            await self.resume()
        else:
            note = await Note.read(self._reader)
            last = None if note and note.is_of(stream) else await places.last_message(self.js, stream)
            self.server, _ = await places.check(self._reader, note, last, self.stream)
        self.floor = await self.work.floor(self._reader, self.worked, self.floor)
        await self._note()
        await self.progress.measure(self._reader, self.cursor)

    async def _note(self) -> None:
        if self.worked < self.cursor:  # what is noted has to be so until all of the lost work is handed over again
            return
        place = self.cursor, self.created, self.sequence, self.server.system, self.server.timeline
        note = Note(*place, self.work.sequence, self.floor if self.work.durables else self.cursor)
        if note != self.noted:
            await note.write(self._reader)
            self.noted = note

    async def _appended_or_poll(self) -> None:
        try:
            async with asyncio.timeout(POLL):
                await self.store.appended.wait()
        except TimeoutError:
            pass
