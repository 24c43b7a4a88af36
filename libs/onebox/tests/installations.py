"""An installation in containers, as far as backups know it."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
from eventing.database import Database
from eventing.migrating import migrate
from onebox.backup.settings import BackupSettings

RINGS = {"ring.json": "signing", "secrets.json": "master", "replay.json": "replay"}


@dataclass
class Installation:
    """A database with the tables of one service, and the folders of an installation in containers."""

    url: str
    path: Path

    @property
    def settings(self) -> BackupSettings:
        folders: dict[str, Any] = {
            f"{name}_dir": self.path / name for name in ("workspaces", "archives", "reports", "keys")
        }
        return BackupSettings(database_url=self.url, **folders)

    def fill(self) -> None:
        for name in ("workspaces", "archives", "reports"):
            (self.path / name / "one").mkdir(parents=True)
            (self.path / name / "one" / "file").write_text(name)
        (self.path / "keys").mkdir()
        for name, ring in RINGS.items():
            (self.path / "keys" / name).write_text(ring)
        asyncio.run(self._create_tables())

    async def _create_tables(self) -> None:
        migrations = self.path / "migrations"
        migrations.mkdir()
        (migrations / "0001_things.sql").write_text("CREATE TABLE things (name text)")
        async with Database.open(self.url, "report") as database:
            await migrate(database, migrations)
            await database.execute("INSERT INTO things VALUES ('a thing')")

    def files(self) -> dict[str, str]:
        names = ("workspaces", "archives", "reports", "keys")
        found = [path for name in names for path in (self.path / name).rglob("*") if path.is_file()]
        return {str(path.relative_to(self.path)): path.read_text() for path in found}

    def ask(self, query: str) -> Any:
        return asyncio.run(self._ask(query))

    async def _ask(self, query: str) -> Any:
        connection = await asyncpg.connect(self.url)
        try:
            return await connection.fetchval(query)
        finally:
            await connection.close()
