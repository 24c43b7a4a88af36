"""Embedded servers that run while a context is open."""

from collections.abc import Generator
from contextlib import contextmanager

from onebox.folder import DataFolder
from onebox.nats import EmbeddedNats
from onebox.postgres import EmbeddedPostgres


@contextmanager
def running[S: EmbeddedNats | EmbeddedPostgres](folder: DataFolder, server: S) -> Generator[S]:
    """Run a server with its data in a folder, which is closed afterwards."""
    try:
        server.start()
        yield server
    finally:
        server.stop()
        folder.close()
