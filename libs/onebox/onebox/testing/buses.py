"""An empty bus for each test."""

import json
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Self

from onebox.folder import DataFolder
from onebox.nats import EmbeddedNats
from onebox.testing.folders import temporary_folder
from onebox.testing.planted import check_files
from onebox.testing.running import running

ACCOUNTS = 64


class SharedNats(EmbeddedNats):
    """A server with many accounts, which are isolated from each other."""

    max_store = "10TB"  # streams reserve their maximum size
    sync_interval = "2m"  # flushing the streams of all earlier tests every second takes 4 % of a core
    names = tuple(f"test_{number}" for number in range(ACCOUNTS))

    def users(self) -> str:
        """Return one account per name, each with one user of the same name."""
        users = ((name, f"{{ user: {name}, password: {json.dumps(self.password_of(name))} }}") for name in self.names)
        accounts = (f"{name} {{ jetstream: enabled, users: [ {user} ] }}" for name, user in users)
        return "accounts {\n" + "\n".join(accounts) + "\n}"


class Buses:
    """Assigns an account to each test; when the accounts of a server are used up, it is replaced by another server.

    A server per test would work as well, but takes 90 ms to start and stop.
    """

    def __init__(self) -> None:
        self._server_stack = ExitStack()
        self._unused: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server_stack.close()

    def fresh(self) -> str:
        """Return the URL of an empty bus, with its password."""
        if not self._unused:
            self._server_stack.close()
            server = self._server_stack.enter_context(_shared())
            self._unused = [server.url_of(name) for name in server.names]
        return self._unused.pop()


@contextmanager
def _shared() -> Generator[SharedNats]:
    with temporary_folder() as path:
        folder = DataFolder(path / "nats")
        with running(folder, SharedNats(folder)) as server:
            yield server
        check_files(path)
