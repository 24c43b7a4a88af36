"""The dependencies of the webhook service's handlers, queries and reactions."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from eventing.actors import Actors
from eventing.database import Database
from eventing.handling import QueryContext, UnitOfWork
from runtime.bus import Bus, Client
from runtime.forever import forever
from runtime.http.addresses import AddressRules

from webhook.delivery import Deliverer
from webhook.delivery.deliverer import CONCURRENCY, STOP_SECONDS
from webhook.delivery.outcomes import Outcomes
from webhook.delivery.queue import Queue
from webhook.delivery.sending import Sender
from webhook.delivery.targets import Targets
from webhook.delivery.upkeep import Upkeep
from webhook.settings import Settings

LEASE_MARGIN_SECONDS = 10.0
"""How much longer a delivery is claimed than its request may take."""


@dataclass(frozen=True)
class Dependencies:
    """Dependencies of handlers, queries and reactions; `rules` are those for the addresses of receivers."""

    database: Database
    rules: AddressRules


type Work = UnitOfWork[Dependencies]
type Context = QueryContext[Dependencies]


@asynccontextmanager
async def dependencies(settings: Settings, database: Database, client: Client) -> AsyncGenerator[Dependencies]:
    """Create the dependencies, and deliver events while the context is open."""
    timeout, rules = settings.webhook_timeout_seconds, settings.address_rules
    async with Sender.open(rules, timeout, CONCURRENCY) as sender:
        lease = timedelta(seconds=timeout + LEASE_MARGIN_SECONDS)
        queue = Queue(database, lease, timedelta(seconds=settings.webhook_disable_seconds))
        targets = Targets(database, Actors(Bus(client).ask))
        deliverer = Deliverer(queue, targets, sender, Outcomes(settings.retry_pauses))
        loop = asyncio.get_running_loop()
        # Not in a TaskGroup, which would wrap an exception from inside the context in an ExceptionGroup.
        delivering = loop.create_task(forever("deliverer", deliverer.run, until=deliverer.stopping))
        upkeep = loop.create_task(forever("upkeep of deliveries", Upkeep(database).run))
        try:
            yield Dependencies(database, rules)
        finally:
            deliverer.stop()
            await asyncio.wait({delivering}, timeout=2 * STOP_SECONDS)
            for task in (delivering, upkeep):
                task.cancel()
