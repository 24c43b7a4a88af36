"""Migrations as a job of their own: with them, running services need no role that owns their tables."""

import asyncio
import sys
from functools import partial

from pydantic import Field
from runtime.process import ProcessSettings

from eventing.database import Database
from eventing.database.start import database_ready, retry_at_start
from eventing.migrating import migrate_as_owner, migrations_of


class MigrationSettings(ProcessSettings):
    """The settings of the job. The role in `database_url`, if it is set, gets the privileges that the service needs.

    `services_stopped` allows migrations that replicas of the release before cannot work with.
    """

    migration_database_url: str = Field(repr=False)
    database_url: str | None = Field(default=None, repr=False)
    services_stopped: bool = False


async def run_migrations(package: str, settings: MigrationSettings, stop: asyncio.Event) -> None:
    """Apply the migrations of the service in a package, and write what was done to standard output.

    Jobs and services may run at the same time: the others wait for the first one.

    Raises:
        CannotStart: the database cannot be used, the migrations do not match it, or one needs a stop.
        Stopped: `stop` was set while waiting for the database.
    """
    url, owner_url = settings.database_url, settings.migration_database_url
    wait = settings.dependency_wait_seconds
    await database_ready(url, owner_url, package, within=wait, stop=stop)
    async with Database.open(url or owner_url, package, size=1) as database:
        folder, stopped = migrations_of(package), settings.services_stopped
        migrate = partial(migrate_as_owner, database, folder, owner_url, stopped=stopped)
        applied = await retry_at_start(migrate, url, owner_url, within=wait, stop=stop)
        role = await database.fetchval("SELECT current_user")
    sys.stdout.write(f"{package}: {_described(applied)}\n")
    granted = (
        f"granted the role {role} its privileges" if url else "granted no privileges, since DATABASE_URL is not set"
    )
    sys.stdout.write(f"{package}: {granted}\n")


def _described(applied: list[str]) -> str:
    if not applied:
        return "no migrations to apply"
    return f"applied {', '.join(applied)}"
