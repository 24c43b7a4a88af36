"""Forward-only migrations: `NNNN_name.sql` files, each in a transaction of its own, frozen once applied."""

import asyncio
import hashlib
import re
from pathlib import Path

from eventing.database import Database

OWN = Path(__file__).parent / "migrations"
NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")
LOCK_TIMEOUT = 60.0


class MigrationError(Exception):
    """The files and the database do not fit together; nothing was changed."""


async def migrate(database: Database, *folders: Path) -> list[str]:
    """Bring the service's schema up to date with the event store's own migrations and those of `folders`.

    Any number of replicas may do this at once: one does it, the others wait (60 s at most).
    Returns the names of the files applied.

    Raises:
        MigrationError: a file was changed after it was applied, numbers are missing, or the database is newer.
    """
    async with asyncio.timeout(LOCK_TIMEOUT):
        while True:
            async with database.holding(f"migrate:{database.schema}") as free:
                if free:
                    return [name for folder in (OWN, *folders) for name in await _apply(database, folder)]
            # Polled: a blocked pg_advisory_lock holds a snapshot, and CREATE INDEX CONCURRENTLY would wait for that.
            await asyncio.sleep(0.1)


async def _apply(database: Database, folder: Path) -> list[str]:
    origin = "eventing" if folder == OWN else database.schema
    await database.execute(
        f'CREATE SCHEMA IF NOT EXISTS "{database.schema}";'
        f'CREATE TABLE IF NOT EXISTS "{database.schema}".migrations (origin text, name text, sha256 text NOT NULL, '
        "applied_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (origin, name))"
    )
    rows = await database.fetch("SELECT name, sha256 FROM migrations WHERE origin = $1", origin)
    applied = {row["name"]: row["sha256"] for row in rows}
    files = _files(folder)
    _check(files, applied)
    fresh = [path for path in files if path.name not in applied]
    for path in fresh:
        async with database.transaction() as connection:
            await connection.execute("SET LOCAL lock_timeout = '5s'")
            await connection.execute(path.read_text())
            await connection.execute(
                "INSERT INTO migrations (origin, name, sha256) VALUES ($1, $2, $3)", origin, path.name, _digest(path)
            )
    return [path.name for path in fresh]


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if NAME.fullmatch(path.name))


def _check(files: list[Path], applied: dict[str, str]) -> None:
    if [path.name[:4] for path in files] != [f"{n:04}" for n in range(1, len(files) + 1)]:
        raise MigrationError(f"migrations must be numbered 0001, 0002, ... without a gap: {[p.name for p in files]}")
    if newer := sorted(set(applied) - {path.name for path in files}):
        raise MigrationError(f"the database is newer than this code, it has had {newer}: start the newer version")
    for path in files:
        if path.name in applied and applied[path.name] != _digest(path):
            raise MigrationError(f"{path.name} was changed after it was applied: put it back, and add a new file")


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
