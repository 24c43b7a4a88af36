"""Sends the commands of due times; each replica claims them in batches.

The id of a command derives from its due time, so the event store refuses a repetition: it is carried out once, even if
two replicas send it, or if one crashes between sending it and deleting the due time.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from contracts.refusals import Code, Refusal
from runtime import clock
from runtime.envelope import Envelope
from runtime.forever import forever
from runtime.logging import bound_contextvars, get_logger
from runtime.telemetry import span

from eventing import metrics
from eventing.database import Row
from eventing.dispatch import Dispatcher
from eventing.due import DueKind, DueTime
from eventing.failures import Failures

log = get_logger()

MAX_PAUSE_SECONDS = 2.0
"""A due time that another replica sets, or a clock that is adjusted, is noticed after this time at the latest."""
MIN_PAUSE_SECONDS = 0.05
BATCH_SIZE = 20
"""Due times that a replica claims, and whose commands it sends, at the same time."""
MAX_ATTEMPTS = 10
MIN_RETRY_SECONDS, MAX_RETRY_SECONDS = 20.0, 3600.0
"""The delay doubles with each attempt. The shortest exceeds the time that sending a command may take, because the delay
is also the claim: until it has passed, no other replica takes the due time."""

# No transaction stays open while the commands are sent: the relay would have to wait for it.
CLAIM = """
    WITH claimed AS (
        SELECT kind, id FROM due WHERE try_at <= $1 AND kind = ANY($2)
        ORDER BY try_at LIMIT $3 FOR UPDATE SKIP LOCKED
    )
    UPDATE due AS d SET attempts = d.attempts + 1, try_at = CASE WHEN d.attempts < $4
        THEN $1 + least($5 * 2.0 ^ d.attempts, $6) * interval '1 second' ELSE 'infinity' END
    FROM claimed AS c WHERE d.kind = c.kind AND d.id = c.id
    RETURNING d.kind, d.id, d.aggregate, d.at, d.envelope, d.attempts"""
NEXT = "SELECT min(try_at) FROM due WHERE try_at < 'infinity' AND kind = ANY($1)"
# A due time that was moved in the meantime has another `at`, and stays.
DELETE = "DELETE FROM due WHERE kind = $1 AND id = $2 AND at = $3"


class DueTimes[T]:
    """Processes the due times of a service in one replica. `failures` is for its health check."""

    def __init__(self, kinds: Sequence[DueKind], dispatcher: Dispatcher[T]) -> None:
        self.kinds = {kind.name: kind for kind in kinds}
        self.dispatcher, self.database, self.failures = dispatcher, dispatcher.database, Failures()
        if len(self.kinds) < len(kinds):
            raise ValueError(f"two kinds of due time have the same name: {[kind.name for kind in kinds]}")

    async def work(self, draining: asyncio.Event) -> None:
        """Send the commands of due times until `draining` is set; a claimed batch is completed."""
        await forever("due times", lambda: self.failures.track("due times", self._work(draining)), until=draining)

    async def _work(self, draining: asyncio.Event) -> None:
        while not draining.is_set():
            if not await self.send_batch():
                pause = await self._pause()
                with suppress(TimeoutError):
                    await asyncio.wait_for(draining.wait(), pause)

    async def _pause(self) -> float:
        next_at: datetime | None = await self.database.fetchval(NEXT, [*self.kinds])
        if next_at is None:
            return MAX_PAUSE_SECONDS
        left = (next_at - clock.now()).total_seconds()
        return min(MAX_PAUSE_SECONDS, max(MIN_PAUSE_SECONDS, left))

    async def send_batch(self) -> int:
        """Claim up to `BATCH_SIZE` due times, send their commands, and return how many were claimed."""
        limits = BATCH_SIZE, MAX_ATTEMPTS, MIN_RETRY_SECONDS, MAX_RETRY_SECONDS
        rows = await self.database.fetch(CLAIM, clock.now(), [*self.kinds], *limits)
        async with asyncio.TaskGroup() as tasks:
            for row in rows:
                tasks.create_task(self._process(row))
        return len(rows)

    async def _process(self, row: Row) -> None:
        kind, due = self.kinds[row["kind"]], DueTime(row["id"], row["aggregate"], row["at"])
        if row["attempts"] > MAX_ATTEMPTS:  # the row stays for the operator
            log.error("due time given up", kind=kind.name, id=str(due.id), at=str(due.at))
            metrics.due.labels(kind.name, "given up").inc()
            return
        try:
            outcome = await self._send(kind, due, Envelope.from_headers(row["envelope"]))
            await self.database.execute(DELETE, kind.name, due.id, due.at)
        except Exception:  # retried when the claim has expired
            log.exception("due time failed", kind=kind.name, id=str(due.id), attempt=row["attempts"])
            outcome = "failed"
        else:
            metrics.due_lateness.labels(kind.name).observe(max(0.0, (clock.now() - due.at).total_seconds()))
        metrics.due.labels(kind.name, outcome).inc()

    async def _send(self, kind: DueKind, due: DueTime, cause: Envelope) -> str:
        envelope = replace(cause.follow(), message_id=kind.command_id(due))
        with bound_contextvars(correlation_id=cause.correlation_id), span(kind.name, cause.traceparent):
            try:
                await self.dispatcher.send(kind.command(due), envelope)
            except Refusal as refusal:  # a decision of the aggregate, which a retry would not change
                if refusal.code is not Code.COMMAND_REPEATED:
                    log.info("command of a due time refused", kind=kind.name, id=str(due.id), code=refusal.code)
                    return "refused"
        return "done"
