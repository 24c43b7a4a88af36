"""`python -m identity migrate`: the migrations of a service as a job of their own."""

import asyncio
import sys
from asyncio.subprocess import PIPE
from typing import Any

import pytest
from eventing.database import Database
from eventing.migrating import migrate_as_owner
from eventing.migration_job import MigrationSettings, run_migrations
from eventing.privileges import check_role
from identity.app import service
from onebox.testing.databases import Databases
from runtime.starting import CannotStart

pytestmark = pytest.mark.usefixtures("servers")


async def run(owner_url: str, url: str | None = None) -> None:
    settings = MigrationSettings(migration_database_url=owner_url, database_url=url, dependency_wait_seconds=10)
    await run_migrations("identity", settings, asyncio.Event())


async def test_the_role_of_the_service_can_start_afterwards(databases: Databases, database_url: str) -> None:
    url = databases.as_service(database_url)
    await run(database_url, url)
    async with Database.open(url, "identity") as database:
        assert await migrate_as_owner(database, service.migrations, None) == []
        await check_role(database)


async def test_what_was_done_is_written(
    databases: Databases, database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    await run(database_url, databases.as_service(database_url))
    migrations, role = capsys.readouterr().out.splitlines()
    assert "0001_users.sql" in migrations
    assert role == "identity: granted the role agentapi_service its privileges"


async def test_without_a_second_role_none_is_granted(database_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    await run(database_url)
    assert "granted no privileges, since DATABASE_URL is not set" in capsys.readouterr().out


async def test_a_connection_that_takes_too_long_is_tried_again(
    database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    connect, failures = Database._connect, [TimeoutError()]  # pyright: ignore[reportPrivateUsage]

    async def connect_later(database: Database, name: str, idle: float = 0) -> Any:
        if failures:
            raise failures.pop()
        return await connect(database, name, idle)

    monkeypatch.setattr(Database, "_connect", connect_later)
    await run(database_url)
    assert "0001_users.sql" in capsys.readouterr().out


async def test_a_role_that_owns_nothing_is_refused_with_advice(databases: Databases, database_url: str) -> None:
    with pytest.raises(CannotStart, match=r"may not create the schema 'identity'\. Set MIGRATION_DATABASE_URL to"):
        await run(databases.as_service(database_url))


async def job(**environment: str) -> tuple[int | None, str]:
    command = (sys.executable, "-P", "-m", "identity", "migrate")
    process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=PIPE, cwd="/")
    said, _ = await process.communicate()
    return process.returncode, said.decode()


async def test_two_jobs_at_once_with_only_the_urls_both_succeed(databases: Databases, database_url: str) -> None:
    urls = {"MIGRATION_DATABASE_URL": database_url, "DATABASE_URL": databases.as_service(database_url)}
    (first, said), (second, also_said) = await asyncio.gather(job(**urls), job(**urls))
    assert first == second == 0
    assert sorted("no migrations to apply" in text for text in (said, also_said)) == [False, True]
