"""Forward-only migrations: files `NNNN_name.sql`, each applied in its own transaction and frozen afterwards."""

import asyncio
import hashlib
import re
from importlib import resources
from pathlib import Path
from typing import Any, cast

import asyncpg
from runtime import clock
from runtime.starting import CannotStart

from eventing.database import Database
from eventing.database.start import migrate_advice
from eventing.privileges import grant

NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")
NEEDS_STOP = b"-- needs a stop"
"""The beginning of a migration that replicas of the release before cannot work with."""
LOCK_TIMEOUT = 60.0
HAS_TABLE = "SELECT EXISTS (SELECT FROM pg_tables WHERE schemaname = $1 AND tablename = 'migrations')"
STATEMENT_TIMEOUT = 3600.0  # for one file, which may build an index on a large table


def migrations_of(package: str) -> Path:
    """Return the folder of the migrations in an importable package."""
    return Path(str(resources.files(package) / "migrations"))


OWN = migrations_of("eventing")


class MigrationError(CannotStart):
    """The migration files and the database do not match; nothing was changed."""


async def migrate(database: Database, folder: Path, role: str | None = None, *, stopped: bool = True) -> list[str]:
    """Bring the service's schema up to date with the event store's own migrations and those of `folder`.

    If the service runs with another `role`, that one gets its privileges on the tables. Unless all replicas are
    `stopped`, migrations that need it are refused, except in an empty database.

    Any number of replicas may call this concurrently. One applies the files, without a limit; the others wait for it,
    at most 60 s.

    Returns:
        The names of the applied files.

    Raises:
        MigrationError: a folder has no files, a file was changed after it was applied, a number is missing, the
            database is newer, a file needs a stop, or another replica was still applying files after 60 s.
    """
    end = asyncio.get_running_loop().time() + LOCK_TIMEOUT
    while asyncio.get_running_loop().time() < end:
        async with database.advisory_lock(f"migrate:{database.schema}") as connection:
            if connection:
                applied = await _migrate(database, {"eventing": OWN} | {database.schema: folder}, stopped=stopped)
                if role:
                    await grant(database, role)
                return applied
        # Polled, because a blocked pg_advisory_lock holds a snapshot that CREATE INDEX CONCURRENTLY would wait for.
        await asyncio.sleep(0.1)
    raise MigrationError(
        f"another process has been applying migrations to the schema '{database.schema}' for more than "
        f"{LOCK_TIMEOUT:g} s: start again when it has finished"
    )


async def migrate_as_owner(
    database: Database, folder: Path, owner_url: str | None, *, stopped: bool = True
) -> list[str]:
    """Migrate with the role in `owner_url`, or without one with the role of the service, and return the applied files.

    Raises:
        CannotStart: the role may not apply them, the URLs are of two databases, and what `migrate` raises.
    """
    try:
        if owner_url:
            role = await database.fetchval("SELECT current_user")
            async with Database.open(owner_url, database.schema, size=1) as owned:
                await _check_same(owned, database)
                applied = await migrate(owned, folder, role, stopped=stopped)
        else:
            applied = await migrate(database, folder, stopped=stopped)
    except asyncpg.InsufficientPrivilegeError as error:
        raise MigrationError(
            f"the database role may not apply the migrations of this release ({error}). "
            f"{migrate_advice(database.schema)}"
        ) from None
    return applied


async def _check_same(one: Database, other: Database) -> None:
    name = f"same database: {clock.new_id()}"  # one connection excludes the other, if both are to one database
    async with one.advisory_lock(name) as held, other.advisory_lock(name) as also_held:
        if held and also_held:
            raise MigrationError("MIGRATION_DATABASE_URL and DATABASE_URL are different databases: correct one of them")


async def _migrate(database: Database, folders: dict[str, Path], *, stopped: bool) -> list[str]:
    if not await database.fetchval(HAS_TABLE, database.schema):  # a role that may not create it may still read it
        await database.execute(
            f'CREATE SCHEMA IF NOT EXISTS "{database.schema}";'
            f'CREATE TABLE IF NOT EXISTS "{database.schema}".migrations (origin text, name text, sha256 text NOT NULL, '
            "applied_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (origin, name))"
        )
        stopped = True  # no release has used it
    fresh = [(origin, path) for origin, folder in folders.items() for path in await _fresh(database, origin, folder)]
    if not stopped:
        _check_stopped(database.schema, [path for _, path in fresh])
    for origin, path in fresh:
        await _apply(database, origin, path.name, path.read_bytes())
    return [path.name for _, path in fresh]


async def _fresh(database: Database, origin: str, folder: Path) -> list[Path]:
    rows = await database.fetch(f'SELECT name, sha256 FROM "{database.schema}".migrations WHERE origin = $1', origin)  # noqa: S608
    applied = {row["name"]: row["sha256"] for row in rows}
    files = _files(folder)
    _check(files, applied)
    return [path for path in files if path.name not in applied]


async def _apply(database: Database, origin: str, name: str, content: bytes) -> None:
    async with database.transaction() as connection:
        await connection.execute("SET LOCAL lock_timeout = '5s'")
        try:
            await cast(Any, connection).execute(content.decode(), timeout=STATEMENT_TIMEOUT)
        except TimeoutError:
            raise MigrationError(f"{name} was not applied within {STATEMENT_TIMEOUT:g} s") from None
        await connection.execute("INSERT INTO migrations VALUES ($1, $2, $3)", origin, name, _digest(content))


def _files(folder: Path) -> list[Path]:
    files = sorted(folder.glob("*.sql"))
    if not files:
        raise MigrationError(f"there are no migrations in {folder}: install the complete package")
    if misnamed := [path.name for path in files if not NAME.fullmatch(path.name)]:
        raise MigrationError(f"migrations must be named like 0001_some_words.sql: {misnamed}")
    return files


def _check(files: list[Path], applied: dict[str, str]) -> None:
    if [path.name[:4] for path in files] != [f"{n:04}" for n in range(1, len(files) + 1)]:
        raise MigrationError(f"migrations must be numbered 0001, 0002, ... without a gap: {[p.name for p in files]}")
    if newer := sorted(set(applied) - {path.name for path in files}):
        raise MigrationError(
            f"the database is newer than this release: it has the migrations {newer}. Start the newer release"
        )
    for path in files:
        if path.name in applied and applied[path.name] != _digest(path.read_bytes()):
            raise MigrationError(f"{path.name} was changed after it was applied: restore it, and add a new file")


def _check_stopped(schema: str, fresh: list[Path]) -> None:
    if names := [path.name for path in fresh if path.read_bytes().startswith(NEEDS_STOP)]:
        raise MigrationError(
            f"the release before cannot work after {names}. Stop all replicas of {schema}, and set "
            "SERVICES_STOPPED=true (docs/runbooks/upgrade.md)"
        )


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
