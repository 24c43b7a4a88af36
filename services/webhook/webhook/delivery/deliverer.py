"""The loop that claims deliveries, sends them, many at once, and records the outcomes."""

import asyncio
from collections import Counter
from uuid import UUID

from contracts.webhook.values import TEST_EVENT
from runtime.forever import forever
from runtime.logging import get_logger

from webhook import metrics
from webhook.delivery.claims import Claimed, Claims, Ended
from webhook.delivery.outcomes import HELD_SECONDS, UNKNOWN_SECONDS, Outcomes, expired, postponed
from webhook.delivery.queue import Queue
from webhook.delivery.sending import Sender
from webhook.delivery.targets import Target, Targets
from webhook.publishing import NEW_DELIVERIES, stored

log = get_logger()

CONCURRENCY = 128
"""Requests of one process at the same time."""
PER_WEBHOOK = 16
"""Requests to one webhook at the same time."""
RESERVED = 32
"""The last of the `CONCURRENCY` are for webhooks without any request in progress, so that slow ones leave some free."""
GATHERING_SECONDS = 0.02
"""How long outcomes are gathered, to be recorded together."""
MIN_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 0.02, 2.0
STOP_SECONDS = 3.0
"""How long requests in progress may take when the service stops. Later ones are repeated."""


class Deliverer:
    """The deliverer of one process; several share the queue."""

    def __init__(self, queue: Queue, targets: Targets, sender: Sender, outcomes: Outcomes) -> None:
        self.queue, self.targets, self.sender, self.outcomes = queue, targets, sender, outcomes
        self.stopping = asyncio.Event()
        self._in_progress, self._ended, self._any_ended = Counter[UUID](), list[Ended](), asyncio.Event()
        self._was_full = False  # whether a request has ended without which another one could not begin
        self._requests = dict[asyncio.Task[None], Claimed]()

    async def run(self) -> None:
        """Deliver until `stopping` is set and the requests in progress have ended, or a few seconds later."""
        async with asyncio.TaskGroup() as sending:
            recording = sending.create_task(forever("outcomes of deliveries", self._record))
            await forever("deliveries", lambda: self._deliver_all(sending), until=self.stopping)
            if self._requests:
                await asyncio.wait(self._requests, timeout=STOP_SECONDS)
            unfinished = dict(self._requests)
            for task in (recording, *unfinished):
                task.cancel()
        await self.queue.record(self._ended)
        await self.queue.release([*unfinished.values()])

    def stop(self) -> None:
        """Claim nothing more."""
        self.stopping.set()
        stored.wake(NEW_DELIVERIES)

    async def _deliver_all(self, sending: asyncio.TaskGroup) -> None:
        with stored.waiting(NEW_DELIVERIES) as waiter:
            while not self.stopping.is_set():
                free = CONCURRENCY - self._in_progress.total()
                claimed = await self.queue.claim(self._claims(free)) if free else []
                targets = await self.targets.load({each.webhook_id for each in claimed})
                for each in claimed:
                    self._in_progress[each.webhook_id] += 1
                    request = sending.create_task(self._deliver(each, targets[each.webhook_id]))
                    self._requests[request] = each
                    request.add_done_callback(self._requests.pop)
                if len(claimed) < free or not free:
                    await waiter.wait(await self._pause())

    def _claims(self, free: int) -> Claims:
        return Claims(free, PER_WEBHOOK if free > RESERVED else 1, self._in_progress)

    async def _pause(self) -> float:
        # The end of requests in progress wakes the loop, also for further lanes of their webhooks.
        seconds = await self.queue.next_due([*self._in_progress])
        return MAX_PAUSE_SECONDS if seconds is None else min(MAX_PAUSE_SECONDS, max(MIN_PAUSE_SECONDS, seconds))

    async def _deliver(self, claimed: Claimed, target: Target | None) -> None:
        try:
            ended = await self._attempt(claimed, target)
        except Exception:  # claimed again later
            log.exception("delivery failed", webhook=str(claimed.webhook_id), delivery=str(claimed.id))
            ended = postponed(claimed, HELD_SECONDS)
        self._was_full |= self._is_full(claimed.webhook_id)
        self._in_progress -= Counter([claimed.webhook_id])  # which keeps no zero
        self._ended.append(ended)
        self._any_ended.set()

    def _is_full(self, webhook_id: UUID) -> bool:
        return self._in_progress[webhook_id] >= PER_WEBHOOK or self._in_progress.total() >= CONCURRENCY

    async def _attempt(self, claimed: Claimed, target: Target | None) -> Ended:
        if claimed.id is None:
            return postponed(claimed, 0.0)
        if target is None or not (target.is_active or claimed.type == TEST_EVENT):
            return postponed(claimed, HELD_SECONDS)
        if not target.known:
            return postponed(claimed, UNKNOWN_SECONDS)
        if target.denied:
            return Ended(claimed, HELD_SECONDS, disable=target.denied)
        if claimed.body is None:
            return expired(claimed)
        attempt = await self.sender.send(target.url, target.secrets, str(claimed.id), claimed.body)
        if claimed.is_first and claimed.created_at:
            metrics.lag.observe(max(0.0, (attempt.at - claimed.created_at).total_seconds()))
        ended = self.outcomes.of(claimed, attempt)
        metrics.attempts.labels("succeeded" if ended.status == "delivered" else "failed").inc()
        return ended

    async def _record(self) -> None:
        """Record the outcomes that have been gathered; those that cannot be recorded now, at the next call."""
        await self._any_ended.wait()
        await asyncio.sleep(GATHERING_SECONDS)
        ended = self._ended[:]
        if self._was_full:  # deliveries of other lanes need not wait until these are recorded
            self._was_full = False
            stored.wake(NEW_DELIVERIES)
        await self.queue.record(ended)
        del self._ended[: len(ended)]
        if not self._ended:
            self._any_ended.clear()
        if not all(map(self._is_full, {each.claimed.webhook_id for each in ended})):
            stored.wake(NEW_DELIVERIES)
