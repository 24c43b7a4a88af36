"""Locks by aggregate within one process. They spare conflicts; the expected version ensures correctness."""

import asyncio
from uuid import UUID
from weakref import WeakValueDictionary


class Locks:
    """A lock for each id, which is dropped when nothing holds or awaits it."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[UUID, asyncio.Lock] = WeakValueDictionary()

    def of(self, id: UUID) -> asyncio.Lock:
        """Return the lock of an aggregate."""
        return self._locks.setdefault(id, asyncio.Lock())
