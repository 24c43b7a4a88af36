"""Sends the commands of due times; each replica claims some and keeps a limited number of commands in progress.

The id of a command derives from its due time, so the event store refuses a repetition: it is carried out once, even if
two replicas send it, or if one crashes between sending it and deleting the due time.

The clock of the database decides what is due, and is the time of the handlers: a replica whose own clock is ahead would
reach all due times too early.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from contracts.refusals import Code, Refusal
from runtime import telemetry
from runtime.bus.envelope import Envelope
from runtime.forever import forever
from runtime.logging import bound_contextvars, get_logger

from eventing import metrics
from eventing.database import Row
from eventing.due import DueKind, DueTime
from eventing.failures import Failures
from eventing.handling.dispatch import Dispatcher

log = get_logger()

MAX_PAUSE_SECONDS = 2.0
"""A due time that another replica sets, or a clock that is adjusted, is noticed after this time at the latest; one that
this replica sets to the present, immediately."""
MIN_PAUSE_SECONDS = 0.05
"""Due times that are reached within this time are claimed together: a claim costs as much for one as for several."""
BATCH_SIZE = 20
"""Due times that a replica claims at the same time."""
CONCURRENCY = 20
"""Commands that a replica has in progress at the same time; a slow one does not hold up the next ones."""
MIN_RETRY_SECONDS, MAX_RETRY_SECONDS = 20.0, 60.0
"""The delay doubles with each attempt. The shortest exceeds the time that sending a command may take, because the delay
is also the claim: until it has passed, no other replica takes the due time."""

# Replicas of an earlier release, which may run beside this one, set due times that keep failing to infinity.
# No transaction stays open while the commands are sent: the relay would have to wait for it. Attempts are unbounded, so
# the exponent must be bounded.
# Kinds are sent as one text: for a parameter that is an array, each new connection would ask the server what the type
# is, with a query whose plan takes 2 MB of the server's memory.
CLAIM = """
    WITH claimed AS (
        SELECT kind, id FROM due
        WHERE (try_at <= $1 OR try_at = 'infinity') AND kind = ANY(string_to_array($2, ','))
        ORDER BY try_at LIMIT $3 FOR UPDATE SKIP LOCKED
    )
    UPDATE due AS d SET attempts = d.attempts + 1,
        try_at = $1 + interval '1 second' * least($4::float8 * 2 ^ least(d.attempts, 10), $5::float8)
    FROM claimed AS c WHERE d.kind = c.kind AND d.id = c.id
    RETURNING d.kind, d.id, d.aggregate, d.at, d.envelope, d.attempts, $1 AS now"""
NEXT = "SELECT min(try_at) FROM due WHERE kind = ANY(string_to_array($1, ','))"
# A due time that was moved, or set again, in the meantime has another `at` or another cause, and stays.
DELETE = """
    DELETE FROM due AS d
    USING unnest($1::text[], $2::uuid[], $3::timestamptz[], $4::text[]) AS sent (kind, id, at, cause)
    WHERE d.kind = sent.kind AND d.id = sent.id AND d.at = sent.at AND d.envelope ->> 'ce-id' = sent.cause"""


class DueTimes[T]:
    """Processes the due times of a service in one replica. `failures` is for its health check.

    `due_now` is set when this replica has set a due time that is reached already. `caught_up` is cleared while more due
    times are reached than can be claimed, and other work should wait.
    """

    def __init__(
        self, kinds: Sequence[DueKind], dispatcher: Dispatcher[T], due_now: asyncio.Event | None = None
    ) -> None:
        self.kinds = {kind.name: kind for kind in kinds}
        self.dispatcher, self.database, self.failures = dispatcher, dispatcher.database, Failures()
        self.caught_up, self._due_now = asyncio.Event(), due_now or asyncio.Event()
        self.caught_up.set()
        self._sent, self._deleting = list[tuple[str, UUID, datetime, str]](), asyncio.Lock()
        if len(self.kinds) < len(kinds):
            raise ValueError(f"two kinds of due time have the same name: {[kind.name for kind in kinds]}")

    async def work(self, draining: asyncio.Event) -> None:
        """Send the commands of due times until `draining` is set; those that are claimed are completed."""
        await forever("due times", lambda: self.failures.track("due times", self._work(draining)), until=draining)

    async def _work(self, draining: asyncio.Event) -> None:
        try:
            await self._process_all(draining)
        finally:
            self.caught_up.set()

    async def _process_all(self, draining: asyncio.Event) -> None:
        free = asyncio.Semaphore(CONCURRENCY)
        async with asyncio.TaskGroup() as tasks:
            while not draining.is_set():
                self._due_now.clear()
                rows = await self.claim()
                if len(rows) < BATCH_SIZE:
                    self.caught_up.set()
                else:
                    self.caught_up.clear()
                for row in rows:
                    await free.acquire()
                    tasks.create_task(self.process(row)).add_done_callback(lambda _: free.release())
                if len(rows) < BATCH_SIZE:
                    waits = [tasks.create_task(event.wait()) for event in (draining, self._due_now)]
                    await asyncio.wait(waits, timeout=await self._pause(), return_when=asyncio.FIRST_COMPLETED)
                    for wait in waits:
                        wait.cancel()

    async def _pause(self) -> float:
        next_at: datetime | None = await self.database.fetchval(NEXT, ",".join(self.kinds))
        if next_at is None:
            return MAX_PAUSE_SECONDS
        left = (next_at - await self.database.now()).total_seconds()
        return min(MAX_PAUSE_SECONDS, max(MIN_PAUSE_SECONDS, left))

    async def claim(self) -> list[Row]:
        """Claim up to `BATCH_SIZE` due times that are reached, for `process`."""
        now, delays = await self.database.now(), (MIN_RETRY_SECONDS, MAX_RETRY_SECONDS)
        return await self.database.fetch(CLAIM, now, ",".join(self.kinds), BATCH_SIZE, *delays)

    async def process(self, row: Row) -> None:
        """Send the command of a claimed due time, and delete it unless that failed."""
        kind, due = self.kinds[row["kind"]], DueTime(row["id"], row["aggregate"], row["at"])
        now: datetime = row["now"]
        try:
            outcome = await self._send(kind, due, Envelope.from_headers(row["envelope"]), now)
            await self._delete(kind, due, row["envelope"]["ce-id"])
        except Exception:  # retried when the claim has expired
            log.exception("due time failed", kind=kind.name, id=str(due.id), attempt=row["attempts"])
            outcome = "failed"
        else:
            metrics.due_lateness.labels(kind.name).observe((now - due.at).total_seconds())
        metrics.due.labels(kind.name, outcome).inc()

    async def _delete(self, kind: DueKind, due: DueTime, cause: str) -> None:
        self._sent.append((kind.name, due.id, due.at, cause))
        async with self._deleting:  # what is sent while another statement deletes is deleted by the next one together
            if self._sent:
                sent, self._sent = self._sent, []
                await self.database.execute(DELETE, *zip(*sent, strict=True))

    async def _send(self, kind: DueKind, due: DueTime, cause: Envelope, now: datetime) -> str:
        envelope = replace(cause.follow().without_client(), message_id=kind.command_id(due, cause))
        with (
            bound_contextvars(correlation_id=cause.correlation_id),
            telemetry.new_trace(kind.name, link=cause.traceparent),
        ):
            try:
                await self.dispatcher.send(kind.command(due), envelope, now)
            except Refusal as refusal:  # a decision of the aggregate, which a retry would not change
                if refusal.code is not Code.COMMAND_REPEATED:
                    log.info("command of a due time refused", kind=kind.name, id=str(due.id), code=refusal.code)
                    return "refused"
        return "done"
