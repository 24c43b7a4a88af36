"""Stores a history with every event of a service, without the decisions of its aggregates."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import cast
from uuid import UUID

from contracts.messages import Actor, Event
from contracts.samples import USER
from eventing.constraints import Constraints
from eventing.database import Database
from eventing.store import AnyAggregate
from runtime.bus.envelope import Envelope

from tests.contracts.names import AnyService

OWNER = UUID(USER)


@dataclass
class Recording:
    """Some events of an aggregate, which are to be stored."""

    id: UUID
    pending: list[Event]
    version: int = 0
    owner: UUID = OWNER
    deleted: bool = False
    secrets: dict[str, type[Event]] = field(default_factory=dict[str, type[Event]])

    def mark_committed(self) -> None:
        """Do nothing: it is stored once."""


async def store_events(service: AnyService, database: Database, id: UUID, events: Iterable[Event]) -> None:
    """Append events to an aggregate, each in a transaction of its own, as the service does."""
    store = service.store(database)
    store.constraints = Constraints()
    version = await database.fetchval("SELECT count(*) FROM events WHERE originator_id = $1", id)
    for number, event in enumerate(events):
        recording = Recording(id, [event], version + number)
        envelope = Envelope.begin(actor=Actor(user_id=OWNER, role="user"))
        await store.save((cast(AnyAggregate, recording),), envelope)


def is_deletion(event: type[Event]) -> bool:
    """Return whether an event deletes its aggregate."""
    return event.__name__.endswith("Deleted")


async def store_history(service: AnyService, database: Database) -> None:
    """Store every event of a service: one aggregate of each kind that lives, and one that is deleted."""
    for number, kind in enumerate(service.aggregates, start=1):
        examples = [event.example() for event in kind.events.values()]
        living = [event for event in examples if not is_deletion(type(event))]
        if deletion := [event for event in examples if is_deletion(type(event))]:
            await store_events(service, database, UUID(int=100 + number), [living[0], *deletion])
        await store_events(service, database, UUID(int=number), living)
