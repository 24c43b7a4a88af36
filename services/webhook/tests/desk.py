"""The handlers, queries and queue of the webhook service, on a database of their own, without a bus."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID

import pytest
from contracts.messages import Actor
from contracts.public_event import PublicEvent
from contracts.refusals import Code, Refusal
from contracts.webhook.delivery import DeliveryView, GetDelivery, ListDeliveries
from contracts.webhook.values import Attempt
from contracts.webhook.webhook import ChangeWebhook, CreateWebhook, GetWebhook, NewWebhook, WebhookChanges, WebhookView
from eventing.actors import Actors
from eventing.database import Database
from eventing.due_times import DueTimes
from eventing.testing import background, harness
from eventing.testing.due import set_clocks
from runtime import clock
from runtime.bus.envelope import Envelope
from runtime.clock import new_id
from runtime.http.addresses import AddressRules
from webhook.app import service
from webhook.delivery import Deliverer, statements
from webhook.delivery.claims import Claimed, Claims, Ended
from webhook.delivery.outcomes import Outcomes
from webhook.delivery.queue import Queue
from webhook.delivery.sending import Sender
from webhook.delivery.targets import Targets
from webhook.dependencies import Dependencies
from webhook.publishing import add_deliveries
from webhook.settings import ADDRESSES

from .samples import ADMIN, NOON, OWNER, STRANGER, definition

LOCAL = AddressRules.parse("127.0.0.1", setting=ADDRESSES)
DAYS = timedelta(days=1)
PAUSES = (0.05,) * 5


class FakeActors:
    """The users and their present roles; a user who is not among them was disabled."""

    def __init__(self) -> None:
        self.known = {actor.user_id: actor for actor in (OWNER, STRANGER, ADMIN)}

    async def current(self, user_id: UUID, _envelope: Envelope) -> Actor:
        """Return a user."""
        if user_id not in self.known:
            raise Refusal(Code.USER_INACTIVE, "The user is disabled.")
        return self.known[user_id]


class Desk(harness.ServiceHarness):
    """The handlers and queries, used by `OWNER` unless another actor is named, and the queue."""

    actor = OWNER

    def __init__(self, database: Database, clock: pytest.MonkeyPatch) -> None:
        self._clock, self.actors = clock, FakeActors()
        super().__init__(service, database, Dependencies(database, LOCAL))
        self.queue = Queue(database, timedelta(seconds=20), 10 * DAYS)

    def at(self, now: datetime) -> None:
        """Set the clock of the handlers."""
        set_clocks(self._clock.setattr, lambda: now)

    async def create(self, actor: Actor = OWNER, **fields: Any) -> NewWebhook:
        """Create a webhook."""
        return await self.send(CreateWebhook(webhook_id=new_id(), definition=definition(**fields)), actor)

    async def change(self, webhook_id: UUID, actor: Actor = OWNER, **fields: Any) -> WebhookView:
        """Change a webhook."""
        return await self.send(ChangeWebhook(webhook_id=webhook_id, changes=WebhookChanges(**fields)), actor)

    async def latest(self, webhook_id: UUID) -> WebhookView:
        """Return a webhook as it is now."""
        return await self.ask(GetWebhook(webhook_id=webhook_id), ADMIN)

    async def publish(self, *events: PublicEvent) -> None:
        """Store the deliveries of events, as one batch."""
        async with self.database.transaction() as db:
            await add_deliveries(events, db)

    async def deliveries(self, webhook_id: UUID, **filters: Any) -> list[DeliveryView]:
        """Return the deliveries of a webhook, the oldest first."""
        query = ListDeliveries(webhook_id=webhook_id, **filters)
        return (await self.ask(query, ADMIN)).items[::-1]

    async def delivery(self, webhook_id: UUID, delivery_id: UUID) -> DeliveryView:
        """Return a delivery."""
        return await self.ask(GetDelivery(webhook_id=webhook_id, delivery_id=delivery_id), ADMIN)

    async def claim(self, free: int = 100, per_webhook: int = 16, **in_progress: int) -> list[Claimed]:
        """Claim the lanes that are due."""
        return await self.queue.claim(Claims(free, per_webhook, {UUID(id): n for id, n in in_progress.items()}))

    async def end(self, *claimed: Claimed, status: int = 200, at: datetime | None = None) -> None:
        """Record an attempt with this status for each claim; those that fail are retried once, in an hour."""
        error = None if status < 300 else "no"
        attempt = Attempt(at=at or clock.now(), status_code=status, latency_ms=1, error=error, answer="")
        outcomes = Outcomes([3600.0])
        await self.queue.record([outcomes.of(each, attempt) for each in claimed])

    async def record(self, *ended: Ended) -> None:
        """Record outcomes."""
        await self.queue.record(ended)

    async def pass_pauses(self) -> None:
        """Make all lanes due."""
        await self.database.execute("UPDATE lanes SET next_at = clock_timestamp()")

    async def process_due(self) -> None:
        """Send the commands of due times."""
        due_times = DueTimes(service.due, self.dispatcher)
        await self.database.execute("UPDATE due SET try_at = at")
        for row in await due_times.claim():
            await due_times.process(row)

    @asynccontextmanager
    async def delivering(self, *, seconds: float = 5.0, pauses: tuple[float, ...] = PAUSES) -> AsyncGenerator[None]:
        """Run a deliverer."""
        async with Sender.open(LOCAL, seconds, 20) as sender:
            targets = Targets(self.database, cast(Actors, self.actors))
            deliverer = Deliverer(self.queue, targets, sender, Outcomes(pauses))
            async with background(deliverer.run()):
                yield

    async def fail_often(self, webhook_id: UUID) -> None:
        """Mark the receiver of a webhook as one that does not work at present."""
        await self.database.execute(
            "UPDATE webhooks SET failures = $2, failing_since = $3 WHERE id = $1", webhook_id, statements.FAILING, NOON
        )
