"""The states of recently loaded aggregates: a load starts from one, and reads only the events after it."""

from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from eventing.store import AnyAggregate

MAX_ENTRIES = 2_000
MAX_BYTES = 64 * 2**20
"""Limit of all entries together."""
OVERHEAD_BYTES = 500
"""Approximate size of an entry without its state."""

type Key = tuple[type[AnyAggregate], UUID]


@dataclass(frozen=True)
class CachedState:
    """The state of an aggregate after its event `version`, recorded `at`; its last snapshot is of version `snapshot`.

    It is JSON, so each load creates a new aggregate, and a failed command changes nothing here.
    """

    version: int
    at: datetime
    state: bytes = field(repr=False)
    snapshot: int


class StateCache:
    """A cache of the most recently used states, limited in number and in bytes."""

    def __init__(self) -> None:
        self._states: OrderedDict[Key, CachedState] = OrderedDict()
        self.size = 0

    def __len__(self) -> int:
        return len(self._states)

    def get(self, key: Key) -> CachedState | None:
        """Return the cached state of an aggregate, and count that as a use; None if there is none."""
        if key in self._states:
            self._states.move_to_end(key)
        return self._states.get(key)

    def put(self, key: Key, cached: CachedState) -> None:
        """Cache the state of an aggregate, and evict the least recently used ones beyond the limits."""
        self.evict(key)
        self._states[key] = cached
        self.size += _size(cached)
        while len(self._states) > MAX_ENTRIES or self.size > MAX_BYTES:
            _, oldest = self._states.popitem(last=False)
            self.size -= _size(oldest)

    def evict(self, key: Key) -> None:
        """Remove the state of an aggregate."""
        if cached := self._states.pop(key, None):
            self.size -= _size(cached)


def _size(cached: CachedState) -> int:
    return len(cached.state) + OVERHEAD_BYTES
