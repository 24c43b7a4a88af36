"""The interface of the stores."""

from pathlib import Path
from typing import Protocol


class ObjectMissing(Exception):
    """There is no object with this key."""


class StorageDenied(Exception):
    """The store refuses access, or is not set up: an operator has to change that, so retrying does not help."""


class Storage(Protocol):
    """Stores files under keys such as `<report id>/<name>`.

    Every method may raise `StorageDenied`; any other exception than those named means that the store is unavailable at
    present.
    """

    async def check(self) -> None:
        """Check that the store can be used."""
        ...

    async def put(self, key: str, file: Path) -> None:
        """Store a copy of a local file: readers see all of it or nothing."""
        ...

    async def read(self, key: str, offset: int, length: int) -> bytes:
        """Return up to `length` bytes from `offset` on, which is inside the object.

        Raises:
            ObjectMissing: there is no such object.
        """
        ...

    async def keys(self, prefix: str) -> list[str]:
        """Return the keys in the folder `prefix`, which ends with a slash."""
        ...

    async def delete(self, key: str) -> None:
        """Delete an object, if there is one."""
        ...
