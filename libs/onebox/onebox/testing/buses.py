"""A bus for every test."""

import json
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Self

from onebox.folder import DataFolder
from onebox.nats import EmbeddedNats
from onebox.testing.folders import temporary_folder

ACCOUNTS = 64


class SharedNats(EmbeddedNats):
    """A server with many accounts: what one says and stores is not there for the others."""

    largest_store = "10TB"  # streams reserve what they may grow to
    names = tuple(f"test_{number}" for number in range(ACCOUNTS))

    def users(self) -> str:
        """Give each account one user, of the same name."""
        accounts = (
            f"{name} {{ jetstream: enabled, users: [ {{ user: {name}, password: {json.dumps(self._password)} }} ] }}"
            for name in self.names
        )
        return "accounts {\n" + "\n".join(accounts) + "\n}"


class Buses:
    """Gives each test an account; when a server's accounts are used up, another server takes its place.

    Servers that share nothing would be the same to a test, but for the 90 ms that each takes to start and to stop.
    """

    def __init__(self) -> None:
        self._held = ExitStack()
        self._left: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.close()

    def fresh(self) -> str:
        """Give the address of an empty bus, password included."""
        if not self._left:
            self._held.close()
            server = self._held.enter_context(_shared())
            self._left = [server.url_of(name) for name in server.names]
        return self._left.pop()


@contextmanager
def _shared() -> Generator[SharedNats]:
    with temporary_folder() as path:
        folder = DataFolder(path / "nats")
        server = SharedNats(folder)
        try:
            server.start()
            yield server
        finally:
            server.stop()
            folder.close()
