"""Resources of a request: the version that was read, the one that a change expects, and the owner."""

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from uuid import UUID

from contracts.files import FilePrecondition


@dataclass
class Versions:
    """Those of one request. Only its first command is checked: the others follow from it.

    Files have no versions; a change of one is checked by its `file` precondition. `owner` is that of the resource which
    a command has changed.
    """

    expected: tuple[int, ...] = ()
    file: FilePrecondition | None = None
    wanted: bool = False
    read: int | None = None
    owner: UUID | None = None

    def take_expected(self) -> tuple[int, ...]:
        """Return what the next command has to expect."""
        expected, self.expected = self.expected, ()
        return expected


_current: ContextVar[Versions | None] = ContextVar("versions", default=None)


@contextmanager
def tracking(versions: Versions) -> Generator[Versions]:
    """Apply `versions` to the messages that are sent within the block."""
    token = _current.set(versions)
    try:
        yield versions
    finally:
        _current.reset(token)


def current() -> Versions:
    """Return the versions of this request; new ones, which apply to nothing, if it has none."""
    return _current.get() or Versions()
