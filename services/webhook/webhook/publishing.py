"""Stores a delivery for each webhook that wants an event, in the transaction that moves the cursor behind the event."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from uuid import UUID, uuid5

from contracts.catalogue import SERVICES
from contracts.event_types import Selected, selection
from contracts.public_event import PublicEvent
from eventing.database import Connection, Reader
from eventing.projectors.public_events import PublicEventProjector, Subscription
from runtime.waiters import Waiters

from webhook.payloads import RETENTION, RETENTION_OF_DELETED, payload

FIND = """
    SELECT id, user_id, types, all_users, payload_version, since FROM webhooks
    WHERE is_active AND (all_users OR user_id = ANY($1))"""
ADD_PAYLOADS = """
    INSERT INTO payloads (event_id, version, belongs_to, body, expires_at)
    SELECT * FROM unnest($1::uuid[], $2::int[], $3::uuid[], $4::text[], $5::timestamptz[])
    ON CONFLICT DO NOTHING"""
ADD_DELIVERIES = """
    INSERT INTO deliveries (id, webhook_id, event_id, version, resource_id, type, created_at)
    SELECT id, webhook_id, event_id, version, resource_id, type, created_at
    FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::int[], $5::uuid[], $6::text[], $7::timestamptz[])
        WITH ORDINALITY AS new (id, webhook_id, event_id, version, resource_id, type, created_at, n)
    ORDER BY n
    ON CONFLICT DO NOTHING"""
# A lane that exists is locked, so that no deliverer finds it empty, and removes it, before the new deliveries can be
# read. All lock lanes in one order.
ADD_LANES = """
    INSERT INTO lanes AS l (webhook_id, resource_id, next_at)
    SELECT webhook_id, resource_id, clock_timestamp()
    FROM unnest($1::uuid[], $2::uuid[]) AS new (webhook_id, resource_id)
    ORDER BY webhook_id, resource_id
    ON CONFLICT (webhook_id, resource_id) DO UPDATE SET next_at = l.next_at"""
EXPIRE = """
    UPDATE payloads AS p SET expires_at = least(p.expires_at, deleted.until)
    FROM unnest($1::uuid[], $2::timestamptz[]) AS deleted (id, until)
    WHERE p.belongs_to = deleted.id AND p.event_id <> ALL($3::uuid[])"""
ANY = "SELECT EXISTS (SELECT FROM webhooks)"

NEW_DELIVERIES = "new"
stored = Waiters[str]()
"""Wakes the deliverers of this process when there are new deliveries."""


@dataclass(frozen=True)
class Subscriber:
    """An active webhook, as far as it decides which events it gets."""

    id: UUID
    user_id: UUID
    types: list[str]
    all_users: bool
    payload_version: int
    since: datetime

    def wants(self, event: PublicEvent, at: datetime) -> bool:
        """Return whether an event is sent to the webhook: not to the one that it is about, nor one before its time."""
        permitted = self.all_users or self.user_id == event.owner
        return permitted and at >= self.since and event.resource != self.id and _selected(*self.types)(event.type)


async def add_deliveries(events: Sequence[PublicEvent], db: Connection) -> None:
    """Store the deliveries of events, in their order."""
    subscribers = [Subscriber(**row) for row in await db.fetch(FIND, [*{event.owner for event in events}])]
    if subscribers:
        await _add(events, subscribers, db)
    if deleted := [event for event in events if event.type.endswith("deleted")]:
        until = [_at(event) + RETENTION_OF_DELETED for event in deleted]
        await db.execute(EXPIRE, [e.resource for e in deleted], until, [UUID(e.id) for e in deleted])


async def any_webhooks(database: Reader) -> bool:
    """Return whether there are webhooks, so that events have to be read."""
    return await database.fetchval(ANY)


async def _add(events: Sequence[PublicEvent], subscribers: Sequence[Subscriber], db: Connection) -> None:
    payloads, deliveries = dict[tuple[UUID, int], tuple[object, ...]](), list[tuple[object, ...]]()
    for event, to in ((event, to) for event in events for to in subscribers if to.wants(event, _at(event))):
        id, at, version = UUID(event.id), _at(event), to.payload_version
        if (id, version) not in payloads:
            origin = event.belongs_to or event.resource
            payloads[id, version] = id, version, origin, payload(event, version), at + RETENTION
        deliveries.append((uuid5(to.id, event.id), to.id, id, version, event.resource, event.type, at))
    if deliveries:
        await db.execute(ADD_PAYLOADS, *_columns(payloads.values()))
        await db.execute(ADD_DELIVERIES, *_columns(deliveries))
        await db.execute(ADD_LANES, *_columns(dict.fromkeys((each[1], each[4]) for each in deliveries)))


def _columns(rows: Iterable[tuple[object, ...]]) -> list[list[object]]:
    return [list(column) for column in zip(*rows, strict=True)]


def _at(event: PublicEvent) -> datetime:
    return datetime.fromisoformat(event.time)


@lru_cache(1000)
def _selected(*types: str) -> Selected:
    """Return the predicate on types of events; a pattern that no release knows any more selects nothing."""
    known = list[Selected]()
    for pattern in types:
        try:
            known.append(selection([pattern]))
        except ValueError:
            continue
    return lambda name: any(selected(name) for selected in known)


SUBSCRIPTION = Subscription(any_webhooks, add_deliveries, lambda: stored.wake(NEW_DELIVERIES), payload)
PROJECTORS = [PublicEventProjector(f"events_of_{service}", service, SUBSCRIPTION) for service in SERVICES]
"""One for each service, also for this one: webhooks report on each other, too."""
