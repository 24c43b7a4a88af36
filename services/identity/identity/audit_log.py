"""The audit log: one entry for each change, from the events of all services, and for each refusal of permission."""

from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import filter as matching
from typing import Any
from uuid import UUID

from contracts.catalogue import EVENTS, RESOURCES
from contracts.identity.audit import AuditEntry
from contracts.identity.login import UserLoggedIn
from contracts.identity.password import PasswordChanged
from contracts.identity.user import UserRegistered
from contracts.messages import Event, ProgressEvent
from contracts.wire import event_name
from eventing.bus.wire import EventHeaders
from eventing.database import Connection, Database
from eventing.projectors.projector import HeaderProjector
from eventing.recording import Recorded
from runtime.bus.envelope import Envelope

MIN_AGE = timedelta(days=30)
"""Entries can be deleted only when they are older; a trigger of the table checks that."""
BATCH = 10_000
CONNECTIONS = 3
COLUMNS = (
    "id, at, outcome, action, error_code, user_id, role, credential_kind, credential_id, "
    "resource_type, resource_id, owner_id, client_address, correlation_id, causation_id, detail, size_bytes"
)
# Many entries at once. What is projected or reported twice, for example after a restart, is there once. With its
# schema, so that no temporary table of the same name gets the entries.
ADD = f"""
    INSERT INTO identity.audit_log ({COLUMNS})
    SELECT * FROM unnest(
        $1::uuid[], $2::timestamptz[], $3::text[], $4::text[], $5::text[],
        $6::uuid[], $7::text[], $8::text[], $9::uuid[],
        $10::text[], $11::uuid[], $12::uuid[],
        $13::text[], $14::text[], $15::uuid[], $16::text[], $17::bigint[])
    ON CONFLICT DO NOTHING"""  # noqa: S608  no input
# Reads only the first entry of each action.
ACTIONS = """
    WITH RECURSIVE actions AS (
        (SELECT action FROM audit_log ORDER BY action LIMIT 1)
        UNION ALL
        SELECT (SELECT action FROM audit_log WHERE action > a.action ORDER BY action LIMIT 1)
        FROM actions AS a WHERE a.action IS NOT NULL)
    SELECT action FROM actions WHERE action IS NOT NULL"""
MAY_DELETE = "SELECT has_table_privilege('identity.audit_log', 'DELETE')"
PRUNE = """
    WITH old AS (SELECT id FROM audit_log WHERE id < $1 ORDER BY id LIMIT $2),
        pruned AS (DELETE FROM audit_log USING old WHERE audit_log.id = old.id RETURNING 1)
    SELECT count(*) FROM pruned"""

RESOURCE_TYPES = {event.subject: name for name, events in RESOURCES.items() for event in events}
BY_OWNER = {UserRegistered.subject, UserLoggedIn.subject, PasswordChanged.subject}
"""Changes that a client makes without authenticating before: who does so is the owner of the account."""


class NotAllowed(Exception):
    """The database role of the service may not do this, only the role that owns the tables."""


def is_change(event: type[Event]) -> bool:
    """Return whether events of a kind have entries in the audit log."""
    return event.published and not issubclass(event, ProgressEvent)


def ordered_id(at: datetime, key: UUID | None = None, number: int = 0) -> UUID:
    """Return the id of the entry with this time and key, a UUID of version 7. Ids sort by time, then by the number.

    Without a key, it is the lowest id of that time.
    """
    # Not from the float of the time stamp, which is not exact.
    since = at - datetime.fromtimestamp(0, at.tzinfo)
    microseconds = since // timedelta(microseconds=1)
    milliseconds, rest = divmod(microseconds, 1000)
    low = (key.int if key else 0) & (2**48 - 1)
    return UUID(int=milliseconds << 80 | 7 << 76 | rest << 64 | 0b10 << 62 | (number & 0x3FFF) << 48 | low)


def entry_of(event: EventHeaders) -> AuditEntry:
    """Return the entry of an event that records a change."""
    cause, name = event.envelope, event_name(event.subject)
    kind, id = event.resource or (RESOURCE_TYPES.get(event.subject, name.partition(".")[0]), event.id)
    by_owner = cause.actor is None and cause.client_address and event.subject in BY_OWNER
    return AuditEntry(
        id=ordered_id(event.at, cause.message_id, event.version),
        at=event.at,
        outcome="succeeded",
        action=name,
        user_id=event.owner if by_owner else cause.actor and cause.actor.user_id,
        role=cause.actor and cause.actor.role,
        credential=cause.credential,
        resource_type=kind,
        resource_id=id,
        owner_id=event.owner,
        client_address=cause.client_address,
        correlation_id=cause.correlation_id,
        causation_id=cause.causation_id,
    )


async def add(entries: Iterable[AuditEntry], connection: Connection) -> None:
    """Add at least one entry, and leave out those that are there, with one statement."""
    await connection.execute(ADD, *map(list, zip(*map(_values, entries), strict=True)))


def _values(entry: AuditEntry) -> tuple[object, ...]:
    credential = (entry.credential.kind, entry.credential.id) if entry.credential else (None, None)
    return (
        *(entry.id, entry.at, entry.outcome, entry.action, entry.error_code),
        *(entry.user_id, entry.role, *credential),
        *(entry.resource_type, entry.resource_id, entry.owner_id),
        *(entry.client_address, entry.correlation_id, entry.causation_id, entry.detail, entry.size_bytes),
    )


async def add_event(recorded: Recorded[Any], connection: Connection) -> None:
    """Add the entry of an event of this service, if it records a change."""
    event: Event = recorded.event
    if is_change(type(event)):
        await add([entry_of(EventHeaders.of(recorded))], connection)


def projectors() -> list[HeaderProjector]:
    """Return the projectors of the other services' events, of which there is one a service."""

    async def project(events: Sequence[EventHeaders], connection: Connection) -> None:
        await add(map(entry_of, events), connection)

    others = {service: events for service, events in EVENTS.items() if service != "identity"}
    return [
        HeaderProjector(f"audit_{service}", service, [each for each in events if not is_change(each)], project)
        for service, events in others.items()
    ]


@dataclass(frozen=True)
class AuditLog:
    """The stored entries, read and written on connections of their own, so that an export takes none from logins."""

    database: Database

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str) -> AsyncGenerator["AuditLog"]:
        """Open the connections."""
        async with Database.open(url, "identity", size=CONNECTIONS, custom_plans=True) as database:
            yield cls(database)

    async def add_all(self, entries: Iterable[AuditEntry]) -> None:
        """Add entries that a gateway reports. A repetition adds nothing."""
        reported = [entry.model_copy(update={"id": ordered_id(entry.at, entry.id)}) for entry in entries]
        if reported:
            async with self.database.connection() as connection:
                await add(reported, connection)

    async def add_pruning(self, cause: Envelope, at: datetime) -> None:
        """Add the entry of a pruning, which an operator did."""
        entry = AuditEntry(
            id=ordered_id(at, cause.message_id),
            at=at,
            outcome="succeeded",
            action="audit.pruned",
            user_id=cause.actor and cause.actor.user_id,
            role=cause.actor and cause.actor.role,
            correlation_id=cause.correlation_id,
        )
        async with self.database.connection() as connection:
            await add([entry], connection)

    async def actions_like(self, patterns: Sequence[str]) -> list[str]:
        """Return the actions of entries that match one of the patterns, in which `*` stands for any characters."""
        actions: list[str] = [row["action"] for row in await self.database.fetch(ACTIONS)]
        return sorted({action for pattern in patterns for action in matching(actions, pattern)})

    async def prune(self, before: datetime) -> int:
        """Delete the entries before a time, in batches, and return their number.

        Raises:
            NotAllowed: the database role does not own the log.
            asyncpg.InsufficientPrivilegeError: some of them are not older than 30 days.
        """
        if not await self.database.fetchval(MAY_DELETE):
            raise NotAllowed("This database role may not delete entries. Set MIGRATION_DATABASE_URL to the owner's.")
        deleted, size = 0, BATCH
        while size == BATCH:
            async with self.database.transaction() as connection:
                await connection.execute("SET LOCAL agentapi.prunes_audit_log = 'on'")
                size = await connection.fetchval(PRUNE, ordered_id(before), BATCH)
            deleted += size
        return deleted
