"""Programs of users on the bus: which events their bus users receive, and through which consumer."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from contracts.event_types import EVENT_TYPES
from contracts.wire import public_filter, public_subject
from eventing.database import Database
from runtime.bus.gatekeeper import Admission, Gatekeeper
from runtime.bus.program_connections import ProgramConnections

from identity.aggregate.bus_user import selected_types

OF_KEY = """
    SELECT b.id, b.user_id, b.types, b.all_users, b.since FROM bus_users AS b JOIN users AS u ON u.id = b.user_id
    WHERE b.public_key = $1 AND u.is_active AND (u.role = 'admin' OR NOT b.all_users)"""
OF_USER = "SELECT id, user_id, types, all_users, since FROM bus_users WHERE user_id = $1"


@dataclass(frozen=True)
class Program:
    """A bus user, as far as it decides what its programs receive."""

    id: UUID
    user_id: UUID
    types: list[str]
    all_users: bool
    since: datetime

    @property
    def consumer(self) -> str:
        """The name of the consumer that its programs read from."""
        return self.id.hex

    @property
    def subjects(self) -> tuple[str, ...]:
        """The subjects of the events that it receives."""
        owner = None if self.all_users else str(self.user_id)
        types = _types(self.types)
        if types == EVENT_TYPES:
            return (public_filter(owner),)  # also those that only a newer release knows
        return tuple(public_subject(owner or "*", name, "*") for name in sorted(types))

    @property
    def admission(self) -> Admission:
        """What its programs may read."""
        return Admission(self.consumer, self.subjects, self.since)


def _types(patterns: list[str]) -> frozenset[str]:
    """Return the types that patterns select; one that no release knows any more selects nothing."""
    found = set[str]()
    for pattern in patterns:
        try:
            found |= {*selected_types([pattern])}
        except ValueError:
            continue
    return frozenset(found)


@dataclass(frozen=True)
class ProgramDirectory:
    """The bus users in the read model."""

    database: Database

    async def find(self, public_key: str) -> Admission | None:
        """Return what the holder of a key may read now; None if nothing."""
        row = await self.database.fetchrow(OF_KEY, public_key)
        program = Program(**row) if row else None
        return program.admission if program and program.subjects else None

    async def of_user(self, user_id: UUID) -> list[Program]:
        """Return the bus users of an account."""
        return [Program(**row) for row in await self.database.fetch(OF_USER, user_id)]


@dataclass(frozen=True)
class Programs:
    """The programs of users, and who admits them to NATS: nobody if the operator has not set it up."""

    directory: ProgramDirectory
    connections: ProgramConnections
    gatekeeper: Gatekeeper | None = None
    url: str | None = None
    """Where they reach NATS."""

    async def disconnect(self, *bus_users: UUID) -> None:
        """End the connections of bus users that may not read any more what they read."""
        if bus_users:
            await self.connections.end(*(id.hex for id in bus_users))
