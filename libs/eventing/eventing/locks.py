"""Locks by aggregate, inside one process: they spare conflicts; correctness rests on the expected version."""

import asyncio
from uuid import UUID
from weakref import WeakValueDictionary


class Locks:
    """A lock for each id, gone when nobody holds or awaits it."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[UUID, asyncio.Lock] = WeakValueDictionary()

    def of(self, id: UUID) -> asyncio.Lock:  # noqa: A002  the field's name
        """Give the lock of an aggregate."""
        return self._locks.setdefault(id, asyncio.Lock())
