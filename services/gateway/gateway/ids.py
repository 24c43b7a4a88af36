"""Ids of what requests create and send: new ones, or those that an earlier attempt at the same request had.

All requests take ids from here. Those of a request with an Idempotency-Key derive from its user, method, path
and key, so that services recognise what an earlier attempt has sent to them.
"""

from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from uuid import UUID, uuid5

from contracts.messages import Command
from runtime import clock

_RANDOM_A, _RANDOM_B = 2**12 - 1, 2**62 - 1
"""The bits of a UUID of version 7 besides its time."""


class DerivedIds:
    """The ids of one attempt at a keyed request; another attempt that does the same has the same ids.

    `began` is the time of the first attempt, in milliseconds since 1970. Ids of resources begin with it, because lists
    are sorted by them; ids of messages do not depend on it.
    """

    def __init__(self, namespace: UUID, began: int) -> None:
        self.namespace, self.began, self.commands = namespace, began, 0
        self._labels, self._used = dict[UUID, str](), Counter[str]()

    def new_id(self, label: str) -> UUID:
        """Return the next id with this label."""
        numbered = self._numbered(f"id {label}")
        random = uuid5(self.namespace, numbered).int
        derived = self.began << 80 | 7 << 76 | (random >> 64 & _RANDOM_A) << 64 | 2 << 62 | random & _RANDOM_B
        id = UUID(int=derived)
        self._labels[id] = numbered
        return id

    def message_id(self, command: Command[Any]) -> UUID:
        """Return the id of a command, from its subject and the resources that it names."""
        self.commands += 1
        named = (self._labels.get(value, str(value)) for value in vars(command).values() if isinstance(value, UUID))
        return uuid5(self.namespace, self._numbered(" ".join((command.subject, *named))))

    def _numbered(self, label: str) -> str:
        self._used[label] += 1
        return f"{label} {self._used[label]}"


_current: ContextVar[DerivedIds | None] = ContextVar("derived_ids", default=None)


@contextmanager
def deriving(derived: DerivedIds | None) -> Generator[None]:
    """Derive the ids within the block, unless the argument is None."""
    token = _current.set(derived)
    try:
        yield
    finally:
        _current.reset(token)


def derived() -> bool:
    """Return whether ids are derived now: then it is safe to send the request again."""
    return _current.get() is not None


def new_id(label: str = "") -> UUID:
    """Return an id of version 7 for a resource.

    With a label, it does not depend on how many ids with other labels were taken before.
    """
    current = _current.get()
    return clock.new_id() if current is None else current.new_id(label)


def message_id(command: Command[Any]) -> UUID | None:
    """Return the id under which a command has to be sent; None if any new one will do."""
    current = _current.get()
    return None if current is None else current.message_id(command)
