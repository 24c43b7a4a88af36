"""Migrations: order, repetition, failures, and replicas that start at the same time."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio
from eventing import migrating
from eventing.database import Database
from eventing.migrating import OWN, MigrationError, migrate
from onebox.testing.cases import every_case

OWN_FILES = [path.name for path in sorted(OWN.iterdir())]


@pytest_asyncio.fixture
async def empty(database_url: str) -> AsyncGenerator[Database]:
    async with Database.open(database_url, "jar") as database:
        yield database


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, "0001_jars.sql", "CREATE TABLE jars (id int)")
    return tmp_path


def write(folder: Path, name: str, content: str) -> None:
    (folder / name).write_text(content)


async def has_table(database: Database, table: str) -> bool:
    return await database.fetchval("SELECT to_regclass($1) IS NOT NULL", table)


async def test_all_files_are_applied_to_an_empty_database_in_order(empty: Database, folder: Path) -> None:
    write(folder, "0002_marbles.sql", "CREATE TABLE marbles (jar int); CREATE INDEX marbles_jar ON marbles (jar)")
    assert await migrate(empty, folder) == [*OWN_FILES, "0001_jars.sql", "0002_marbles.sql"]
    assert await has_table(empty, "events")
    assert await has_table(empty, "marbles_jar")


async def test_each_service_has_its_own_schema(empty: Database, folder: Path) -> None:
    await migrate(empty, folder)
    assert await has_table(empty, "jar.jars")
    assert not await has_table(empty, "public.jars")


async def test_a_migration_that_needs_a_stop_is_refused_without_one(empty: Database, folder: Path) -> None:
    await migrate(empty, folder)
    write(folder, "0002_lids.sql", "CREATE TABLE lids (id int)")
    write(folder, "0003_marbles.sql", "-- needs a stop: marbles have other names\nCREATE TABLE marbles (id int)")
    with pytest.raises(MigrationError, match=r"0003_marbles\.sql.* Stop all replicas of jar"):
        await migrate(empty, folder, stopped=False)
    assert not await has_table(empty, "lids")
    assert await migrate(empty, folder) == ["0002_lids.sql", "0003_marbles.sql"]


async def test_an_empty_database_needs_no_stop(empty: Database, folder: Path) -> None:
    write(folder, "0001_jars.sql", "-- needs a stop\nCREATE TABLE jars (id int)")
    assert "0001_jars.sql" in await migrate(empty, folder, stopped=False)


async def test_a_file_is_applied_once(empty: Database, folder: Path) -> None:
    await migrate(empty, folder)
    assert await migrate(empty, folder) == []


async def test_a_new_file_is_applied_to_an_existing_database(empty: Database, folder: Path) -> None:
    await migrate(empty, folder)
    write(folder, "0002_marbles.sql", "CREATE TABLE marbles (id int)")
    assert await migrate(empty, folder) == ["0002_marbles.sql"]


async def test_a_failing_file_changes_nothing(empty: Database, folder: Path) -> None:
    write(folder, "0002_marbles.sql", "CREATE TABLE marbles (id int); SELECT nonsense")
    with pytest.raises(asyncpg.UndefinedColumnError):
        await migrate(empty, folder)
    assert await has_table(empty, "jars")
    assert not await has_table(empty, "marbles")


async def test_a_file_that_failed_is_applied_after_it_was_fixed(empty: Database, folder: Path) -> None:
    write(folder, "0002_marbles.sql", "SELECT nonsense")
    with pytest.raises(asyncpg.UndefinedColumnError):
        await migrate(empty, folder)
    write(folder, "0002_marbles.sql", "CREATE TABLE marbles (id int)")
    assert await migrate(empty, folder) == ["0002_marbles.sql"]


async def test_a_file_changed_after_it_was_applied_is_rejected(empty: Database, folder: Path) -> None:
    await migrate(empty, folder)
    write(folder, "0001_jars.sql", "CREATE TABLE jars (id bigint)")
    with pytest.raises(MigrationError, match=r"0001_jars\.sql was changed"):
        await migrate(empty, folder)


async def test_a_database_of_a_newer_release_is_rejected(empty: Database, folder: Path) -> None:
    write(folder, "0002_marbles.sql", "CREATE TABLE marbles (id int)")
    await migrate(empty, folder)
    (folder / "0002_marbles.sql").unlink()
    with pytest.raises(MigrationError, match=r"newer than this release.*0002_marbles"):
        await migrate(empty, folder)


@every_case("name", ["0003_gap.sql", "0001_twice.sql", "2_short.sql", "0002-dashes.sql"])
async def test_a_folder_with_a_gap_or_a_wrong_name_changes_nothing(empty: Database, folder: Path, name: str) -> None:
    write(folder, name, "CREATE TABLE marbles (id int)")
    with pytest.raises(MigrationError, match=name):
        await migrate(empty, folder)
    assert not await has_table(empty, "events")
    (folder / name).unlink()


@pytest.mark.parametrize("exists", [True, False])
async def test_a_folder_without_migrations_is_refused(empty: Database, tmp_path: Path, exists: bool) -> None:
    with pytest.raises(MigrationError, match=r"there are no migrations in .*: install the complete package"):
        await migrate(empty, tmp_path if exists else tmp_path / "missing")
    assert not await has_table(empty, "events")


async def test_one_of_several_replicas_migrates_and_the_others_wait(empty: Database, folder: Path) -> None:
    applied = await asyncio.gather(*(migrate(empty, folder) for _ in range(3)))
    assert sorted(map(len, applied)) == [0, 0, len(OWN_FILES) + 1]


async def test_waiting_for_another_replica_times_out(
    empty: Database, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrating, "LOCK_TIMEOUT", 0.05)
    async with empty.advisory_lock("migrate:jar"):
        with pytest.raises(MigrationError, match=r"applying migrations to the schema 'jar' for more than 0\.05 s"):
            await migrate(empty, folder)


async def test_a_migration_may_take_longer_than_the_lock_timeout(
    empty: Database, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrating, "LOCK_TIMEOUT", 2.0)  # in which also a busy machine takes the lock
    write(folder, "0002_slow.sql", "SELECT pg_sleep(2.5)")
    assert "0002_slow.sql" in await migrate(empty, folder)
