"""The event store in memory, for tests of handlers. It has no read models, so it checks no constraints."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from contracts.messages import Event
from runtime import clock
from runtime.bus.envelope import Envelope

from eventing.recording import Change, EventMapper, Recorded, StoredEvent
from eventing.store import AggregateNotFound, AnyAggregate, Conflict, Cursor, DuplicateCommand, FeedEntry, pending


@dataclass(frozen=True)
class _Entry:
    stored: StoredEvent
    recorded: Recorded[Any]
    command_id: UUID | None


@dataclass
class MemoryStore:
    """Stores the same rows as the real store, so that an event that cannot be stored fails here too."""

    events: dict[str, type[Event]]
    mapper: EventMapper = field(default_factory=EventMapper)
    entries: list[_Entry] = field(default_factory=list[_Entry])
    appended: asyncio.Event = field(default_factory=asyncio.Event)

    def now(self) -> datetime:
        """See `EventStore.now`."""
        return clock.now()

    async def load[A: AnyAggregate](self, kind: type[A], id: UUID, command_id: UUID | None = None) -> A:
        """See `EventStore.load`."""
        aggregate = kind(id)
        for entry in self.entries:
            if entry.recorded.id == id and entry.recorded.event.subject in kind.events:
                self._change(entry, kind.events).fold(aggregate)
        if not aggregate.version:
            raise AggregateNotFound(f"{kind.__name__} {id}")
        if command_id and self._has(command_id):
            raise DuplicateCommand(str(command_id))
        return aggregate

    async def save(self, aggregates: tuple[AnyAggregate, ...], envelope: Envelope) -> None:
        """See `EventStore.save`."""
        at = self.now()
        recorded = [entry for aggregate in aggregates for entry in pending(aggregate, envelope, at)]
        if not recorded:
            return
        if self._has(envelope.message_id):
            raise DuplicateCommand(envelope.message_id)
        stored = {(e.recorded.id, e.recorded.version) for e in self.entries}
        if any((r.id, r.version) in stored for r in recorded):
            raise Conflict(recorded[0].id)
        events = [self.mapper.to_stored_event(Change(r.id, r.version, r.at, r.event)) for r in recorded]
        commands = [envelope.message_id, *[None] * len(recorded)]  # only the first event carries the id of the command
        self.entries += map(_Entry, events, recorded, commands)
        for aggregate in aggregates:
            aggregate.mark_committed()
        self.appended.set()

    async def has_command(self, command_id: UUID) -> bool:
        """See `EventStore.has_command`."""
        return self._has(command_id)

    async def version(self, ids: Sequence[UUID]) -> int | None:
        """See `EventStore.version`."""
        versions = {entry.recorded.id: entry.recorded.version for entry in self.entries}
        return next((versions[id] for id in ids if id in versions), None)

    async def latest(self, kind: type[Event], id: UUID) -> Recorded[Any] | None:
        """See `EventStore.latest`."""
        newest_first = (e for e in reversed(self.entries) if e.recorded.id == id)
        entry = next((e for e in newest_first if e.recorded.event.subject == kind.subject), None)
        return entry and self._recorded(entry)

    async def event(self, id: UUID, version: int) -> Recorded[Any] | None:
        """See `EventStore.event`."""
        found = (e for e in self.entries if (e.recorded.id, e.recorded.version) == (id, version))
        return next(map(self._recorded, found), None)

    async def feed(self, after: Cursor, limit: int) -> list[FeedEntry]:
        """See `EventStore.feed`."""
        numbered = enumerate(self.entries, start=1)
        return [FeedEntry((0, n), self._recorded(e)) for n, e in numbered if (0, n) > after][:limit]

    def _has(self, command_id: UUID) -> bool:
        return any(entry.command_id == command_id for entry in self.entries)

    def _change(self, entry: _Entry, events: dict[str, type[Event]]) -> Change:
        event = self.mapper.to_event(entry.stored.topic, entry.stored.state, events)
        return Change(entry.recorded.id, entry.recorded.version, entry.recorded.at, event)

    def _recorded(self, entry: _Entry) -> Recorded[Any]:
        r = entry.recorded
        event = self._change(entry, self.events).event
        return replace(r, event=type(event)() if event.secret else event)
