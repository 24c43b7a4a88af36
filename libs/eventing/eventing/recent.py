"""The aggregates that were loaded of late, as they are stored: a load reads the events that came since."""

from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from eventing.store import AnyAggregate

MOST = 2_000
"""Aggregates that are kept at most."""
LARGEST = 64 * 2**20
"""Bytes that they may have together."""
OVERHEAD = 500
"""Bytes that an entry takes beside its state, about."""

type Key = tuple[type[AnyAggregate], UUID]


@dataclass(frozen=True)
class Base:
    """The state of an aggregate after its event number `version`, recorded `at`, with `snapshot` the newest known one.

    It is JSON, so whoever loads from it has an aggregate of their own, and a command that fails changes nothing here.
    """

    version: int
    at: datetime
    state: bytes = field(repr=False)
    snapshot: int


class Recent:
    """Keeps the most recently used, bounded by number and by bytes."""

    def __init__(self) -> None:
        self._bases: OrderedDict[Key, Base] = OrderedDict()
        self.size = 0

    def __len__(self) -> int:
        return len(self._bases)

    def get(self, key: Key) -> Base | None:
        """Return what is kept of an aggregate, which counts as a use."""
        if key in self._bases:
            self._bases.move_to_end(key)
        return self._bases.get(key)

    def put(self, key: Key, base: Base) -> None:
        """Keep an aggregate; those that were not used for longest make room."""
        self.forget(key)
        self._bases[key] = base
        self.size += _size(base)
        while len(self._bases) > MOST or self.size > LARGEST:
            _, oldest = self._bases.popitem(last=False)
            self.size -= _size(oldest)

    def forget(self, key: Key) -> None:
        """Keep nothing of an aggregate."""
        if base := self._bases.pop(key, None):
            self.size -= _size(base)


def _size(base: Base) -> int:
    return len(base.state) + OVERHEAD
