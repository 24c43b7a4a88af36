"""Publishes stored events to the bus, in the order of the feed and each once: one stream and one relay per service.

The stream itself records the relay's cursor: each message carries it, and a relay continues after the last one. Every
publish states the sequence number that it expects to follow, so of two relays one is refused and reads again; the lock
only spares that work. Work for the service's own replicas is published to a stream of its own first
(`eventing.relay.work_stream`).
"""

import asyncio
import json
import sys
from collections.abc import Mapping

from contracts.messages import Event
from contracts.wire import DEAD_LETTER_SUBJECTS, DEAD_LETTERS, dead_letter_subject, event_filter, event_stream
from nats.js.api import StreamInfo
from nats.js.errors import APIError
from runtime.bus.jetstream import JetStream, client_of
from runtime.logging import get_logger

from eventing import metrics, tracing
from eventing.bus import wire
from eventing.bus.streams import MAX_STREAM_BYTES, provision, provision_work
from eventing.database import Connection, Reader
from eventing.relay import position as relay_position
from eventing.relay.position import CURSOR, WORK_SEQUENCE, Diverged, RelayPosition
from eventing.relay.progress import Progress
from eventing.relay.work_stream import WorkStream
from eventing.store import START, Cursor, FeedEntry, Unreadable
from eventing.store.postgres import PostgresStore

log = get_logger()

BATCH_SIZE = 256
BATCH_BYTES = 4 * 2**20
"""Limit of what is read and published at the same time; a larger event is a batch of its own."""
GATHER_SECONDS = {1: 0.002, 4: 0.01}
GATHER_MANY_SECONDS = 0.02
"""Pause after a small batch of so many aggregates at most, and of more, which mean load: each read costs as much as an
event."""
POLL_SECONDS = 0.25
CHECK_EVERY_POLLS = 20
"""Polls after which the relay checks that the database and the streams are as it left them."""
STOPPED_RETRY_SECONDS = 5.0
"""Pause before a relay that stopped because they diverged checks again."""
LOCK_IDLE_SECONDS = 15.0
"""How long a relay may leave its connection unused before it loses its lock to another replica: it hangs."""
WRONG_LAST_SEQUENCE = 10071


class Relay:
    """Publishes the events of one service; `work` names the consumer of each kind of event that replicas work on."""

    def __init__(
        self,
        store: PostgresStore,
        js: JetStream,
        service: str,
        *,
        work: Mapping[type[Event], str] | None = None,
        max_bytes: int = MAX_STREAM_BYTES,
        replicas: int = 1,
    ) -> None:
        self.store, self.js, self.service, self.max_bytes, self.replicas = store, js, service, max_bytes, replicas
        self.stream = event_stream(service)
        self.work = WorkStream(js, service, work or {})
        self.progress = Progress()
        self.sequence, self.created = 0, ""
        self.cursor: Cursor = START
        # Work is published up to here; before `cursor` while lost work is published again.
        self.work_cursor: Cursor = START
        self.work_floor: Cursor | None = None
        self.pause = pause_after(1)
        self.saved_position: RelayPosition | None = None
        self._connection: Connection | None = None

    async def run(self) -> None:
        """Relay until cancelled or something fails, or wait while another replica relays; to be run in a loop.

        While the database and the stream do not agree it publishes nothing, and checks again every 5 s.
        """
        try:
            lock = self.store.database.advisory_lock(f"relay:{self.service}", idle=LOCK_IDLE_SECONDS)
            async with lock as connection:
                if connection:
                    # Only this connection is used: after a failover, another one may lead to another server.
                    self._connection = connection
                    await self._relay()
        except Diverged as diverged:
            command = f"python -m eventing reread {self.service}"
            self.progress.record_divergence(f"{diverged}; run `{command}` (docs/runbooks/relay.md)")
            await asyncio.sleep(STOPPED_RETRY_SECONDS)
        except Exception as error:
            self.progress.record_failure(error)
            raise
        else:
            self.progress.record_standby()
            await asyncio.sleep(1)
        finally:
            self._connection = None

    async def _relay(self) -> None:
        await provision(self.js, self.stream, [event_filter(self.service)], self.max_bytes, replicas=self.replicas)
        await provision(self.js, DEAD_LETTERS, [DEAD_LETTER_SUBJECTS], replicas=self.replicas)
        if self.work.durables:
            await provision_work(self.js, self.service, replicas=self.replicas)
        await self.resume()
        time = asyncio.get_running_loop().time
        checked_at = time()
        while True:
            self.store.appended.clear()
            size = await self.publish_batch()
            self.progress.record_success()
            if not size:
                await self._wait_for_events()
            elif size < BATCH_SIZE:
                await asyncio.sleep(self.pause)
            if time() - checked_at > CHECK_EVERY_POLLS * POLL_SECONDS:
                await self._check()
                checked_at = time()

    @property
    def _reader(self) -> Reader:
        return self._connection or self.store.database

    async def resume(self) -> None:
        """Set the cursors to the last published event.

        Raises:
            Diverged: the stream was not filled from this database, so the position is unknown.
        """
        saved, stream = await RelayPosition.read(self._reader), await self.js.stream_info(self.stream)
        last = await self._last_headers(saved, stream)
        server, found = await relay_position.check_history(self._reader, saved, last, self.stream)
        self.progress.record_agreement()
        if saved and saved.timeline not in (None, server.timeline):
            log.warning("the database is on another timeline", before=saved.timeline, now=server.timeline)
        self.server, self.saved_position = server, saved
        self.sequence, self.created = stream.state.last_seq, relay_position.creation_time(stream)
        self.cursor = found or self._start(saved, stream)
        await self._resume_work(saved, last)

    async def _last_headers(self, saved: RelayPosition | None, stream: StreamInfo) -> Mapping[str, str] | None:
        if saved and saved.is_end_of(stream):  # the saved cursor is that message's, so it need not be read
            return None
        return await relay_position.last_headers(self.js, stream)

    def _start(self, saved: RelayPosition | None, stream: StreamInfo) -> Cursor:
        if saved and (saved.is_end_of(stream) or stream.state.last_seq):
            return saved.cursor  # nothing was published since, or retention emptied the stream
        return START  # a new stream is filled from the beginning

    async def _resume_work(self, saved: RelayPosition | None, last: Mapping[str, str] | None) -> None:
        if not self.work.durables:
            self.work_cursor = self.cursor
            return
        self.work_floor = saved.work_floor if saved else None
        self.work_cursor = max(self.cursor, saved.cursor if saved else START)
        self.work.sequence = await self.work.last_sequence()
        if saved is None or saved.work_floor is None:  # the first start of this release
            await self.work.copy_earlier(self.stream, self._reader)
            self.work_floor = await self.work.floor(self._reader, self.work_cursor, START)
            await self.save_position()
            await self.work.delete_earlier_consumers(self.stream)
            return
        # A message without the header comes from an earlier release, which had no work stream.
        published = int(last.get(WORK_SEQUENCE, sys.maxsize)) if last else 0
        if self.work.sequence < max(published, saved.work_sequence):
            log.warning("the work stream lost messages and is filled again", stream=self.work.stream)
            self.work_cursor = saved.work_floor

    async def publish_batch(self) -> int:
        """Publish one batch, and return its size. Events that cannot be read are dead-lettered and skipped.

        Raises:
            APIError: another relay published first; call `resume` and continue.
        """
        after = min(self.cursor, self.work_cursor)
        batch = await self.store.entries(after, BATCH_SIZE, BATCH_BYTES, self._connection)
        if not batch:
            return 0
        entries = [entry for entry in batch if isinstance(entry, FeedEntry)]
        self.pause = pause_after(len({entry.recorded.id for entry in entries}))
        for entry in batch:
            if isinstance(entry, Unreadable) and entry.cursor > self.cursor:
                await self._dead_letter(entry)
        await self.work.publish([entry for entry in entries if entry.cursor > self.work_cursor])
        self.work_cursor = max(self.work_cursor, batch[-1].cursor)
        await self._publish_all([e for e in entries if e.cursor > self.cursor and e.recorded.event.published])
        self.cursor = max(self.cursor, batch[-1].cursor)
        return len(batch)

    async def _publish_all(self, public: list[FeedEntry]) -> None:
        """Publish events in their order, and wait for the acknowledgements of the first and the last one.

        Each states the sequence number that it follows, so the last one is refused if one between them is missing.
        """
        ends = {0, len(public) - 1}
        acks = await asyncio.gather(
            *(self._publish(entry, self.sequence + n, acknowledged=n in ends) for n, entry in enumerate(public)),
            return_exceptions=True,
        )
        for ack in acks:
            if isinstance(ack, BaseException):
                metrics.relay_conflicts.inc(isinstance(ack, APIError) and ack.err_code == WRONG_LAST_SEQUENCE)
                raise ack
            self.sequence = ack or self.sequence
        if public:
            self.cursor = public[-1].cursor
            metrics.relayed.inc(len(public))

    async def _publish(self, entry: FeedEntry, expected: int, *, acknowledged: bool) -> int | None:
        """Publish an event, and return the sequence number of its message if that is to be acknowledged."""
        recorded = entry.recorded
        with tracing.sending(recorded) as trace:
            headers = wire.headers(recorded, self.service) | trace
            headers |= {
                "Nats-Msg-Id": wire.deduplication_id(headers),
                "Nats-Expected-Stream": self.stream,
                "Nats-Expected-Last-Sequence": str(expected),
                CURSOR: relay_position.format_cursor(entry.cursor),
                WORK_SEQUENCE: str(self.work.sequence),
            }
            subject, body = wire.subject(recorded), recorded.event.encoded()
            if acknowledged:
                return (await self.js.publish(subject, body, timeout=5, headers=headers)).seq
            await client_of(self.js).publish(subject, body, headers=headers)
            return None

    async def _dead_letter(self, entry: Unreadable) -> None:
        # Only its key: the content may be secret, and stays in the table.
        key = {
            "cursor": relay_position.format_cursor(entry.cursor),
            "id": str(entry.id),
            "version": entry.version,
            "topic": entry.topic,
        }
        subject = dead_letter_subject(self.service, "relay")
        headers = {"dead-reason": entry.reason[:1000], "Nats-Msg-Id": f"{subject}.{entry.id}.{entry.version}"}
        await self.js.publish(subject, json.dumps(key).encode(), timeout=5, stream=DEAD_LETTERS, headers=headers)
        log.error("a stored event cannot be read and is skipped", reason=entry.reason, **key)
        metrics.relay_unreadable.inc()

    async def _check(self) -> None:
        # Neither a bus that lost the stream or its newest messages, nor a database that lost events, reports it.
        stream = await self.js.stream_info(self.stream)
        same = (stream.state.last_seq, relay_position.creation_time(stream)) == (self.sequence, self.created)
        if not same or await self.work.last_sequence() < self.work.sequence:
            await self.resume()
        else:
            saved = await RelayPosition.read(self._reader)
            last = await self._last_headers(saved, stream)
            self.server, _ = await relay_position.check_history(self._reader, saved, last, self.stream)
        self.work_floor = await self.work.floor(self._reader, self.work_cursor, self.work_floor)
        await self.save_position()
        await self.progress.measure(self._reader, self.cursor)

    async def save_position(self) -> None:
        """Store the position, unless lost work is still being published again."""
        if self.work_cursor < self.cursor:  # the saved floor has to hold until all lost work is published again
            return
        floor = self.work_floor if self.work.durables else self.cursor
        server = self.server.system, self.server.timeline
        position = RelayPosition(self.cursor, self.created, self.sequence, *server, self.work.sequence, floor)
        if position != self.saved_position:
            await position.write(self._reader)
            self.saved_position = position

    async def _wait_for_events(self) -> None:
        try:
            async with asyncio.timeout(POLL_SECONDS):
                await self.store.appended.wait()
        except TimeoutError:  # not before: under load, there would be one write for each event
            await self.save_position()


def pause_after(aggregates: int) -> float:
    """Return for how many seconds the relay waits after a small batch with events of so many aggregates."""
    return next((seconds for number, seconds in GATHER_SECONDS.items() if aggregates <= number), GATHER_MANY_SECONDS)
