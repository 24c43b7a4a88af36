"""Stopping and restarting the servers of a test, and failing over to a standby."""

import shutil
from pathlib import Path

from eventing.database import Database
from eventing.retrying import wait_until_available
from onebox.nats import EmbeddedNats
from onebox.postgres import EmbeddedPostgres
from onebox.testing.unrooted import copy_files


def shut_down(server: EmbeddedNats | EmbeddedPostgres) -> None:
    """Stop a server so that it can be started again at the same address."""
    server.child.ask_to_stop()
    server.child.finish()


def restart(server: EmbeddedNats | EmbeddedPostgres) -> None:
    """Stop and start a server."""
    shut_down(server)
    server.start()


class Standby:
    """A standby of a database server: a copy of its files that misses what was stored after the copy."""

    def __init__(self, server: EmbeddedPostgres, database: Database, folder: Path) -> None:
        self.server, self.database, self.folder = server, database, folder

    async def copy(self) -> None:
        """Copy the server's files, and start it again."""
        shut_down(self.server)
        copy_files(self.server.data, self.folder)
        await self._start()

    async def fail_over(self) -> None:
        """Continue with the copy: later events are lost, and their transaction numbers are assigned again."""
        shut_down(self.server)
        shutil.rmtree(self.server.data)
        self.folder.rename(self.server.data)
        await self._start()

    async def _start(self) -> None:
        self.server.start()
        await self.database.pool.expire_connections()
        await wait_until_available(self.database)
