"""The two database roles: one owns the tables, and the service runs with another one."""

from collections.abc import AsyncGenerator
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio
from eventing.database import Database
from eventing.migrating import MigrationError, migrate_as_owner
from eventing.privileges import UNRESTRICTED, check_role, grant
from onebox.testing.cases import every_case
from onebox.testing.databases import Databases
from runtime.starting import CannotStart
from structlog.testing import capture_logs

TABLES = (
    "CREATE TABLE jars (id int); CREATE TABLE log (id int); INSERT INTO privileges VALUES ('log', '{INSERT,SELECT}')"
)
ROLE_OF = "SELECT current_user"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "0001_tables.sql").write_text(TABLES)
    return tmp_path


@pytest_asyncio.fixture
async def owner(database_url: str) -> AsyncGenerator[Database]:
    async with Database.open(database_url, "jar") as database:
        yield database


@pytest_asyncio.fixture
async def restricted(databases: Databases, database_url: str) -> AsyncGenerator[Database]:
    async with Database.open(databases.as_service(database_url), "jar") as database:
        yield database


@pytest_asyncio.fixture
async def single(owner: Database, restricted: Database) -> AsyncGenerator[Database]:
    """The database, of which the only role is no superuser."""
    role, name = await restricted.fetchval(ROLE_OF), await owner.fetchval("SELECT current_database()")
    await owner.execute(f"GRANT CREATE ON DATABASE {name} TO {role}")
    yield restricted


async def privileges(database: Database, table: str) -> set[str]:
    kinds = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")
    return {kind for kind in kinds if await database.fetchval("SELECT has_table_privilege($1, $2)", table, kind)}


async def test_the_role_of_the_service_may_change_rows_only(
    owner: Database, restricted: Database, folder: Path
) -> None:
    await migrate_as_owner(restricted, folder, owner.url)
    assert await privileges(restricted, "jars") == {"SELECT", "INSERT", "UPDATE", "DELETE"}
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await restricted.execute("CREATE TABLE more (id int)")


async def test_a_migration_restricts_what_may_be_done_with_a_table(
    owner: Database, restricted: Database, folder: Path
) -> None:
    await migrate_as_owner(restricted, folder, owner.url)
    assert await privileges(restricted, "log") == {"SELECT", "INSERT"}
    assert await privileges(restricted, "migrations") == await privileges(restricted, "privileges") == {"SELECT"}


async def test_tables_of_later_migrations_are_granted(owner: Database, restricted: Database, folder: Path) -> None:
    await migrate_as_owner(restricted, folder, owner.url)
    (folder / "0002_more.sql").write_text('CREATE TABLE "more ""tables" (id int)')
    await migrate_as_owner(restricted, folder, owner.url)
    assert await restricted.fetchval('SELECT count(*) FROM "more ""tables"') == 0


async def test_a_database_of_one_role_gets_two(owner: Database, restricted: Database, folder: Path) -> None:
    await migrate_as_owner(owner, folder, None)
    await migrate_as_owner(restricted, folder, owner.url)
    assert await privileges(restricted, "log") == {"SELECT", "INSERT"}


async def test_one_role_under_both_urls_stays_able_to_migrate(single: Database, folder: Path) -> None:
    await migrate_as_owner(single, folder, single.url)
    (folder / "0002_more.sql").write_text("CREATE TABLE more (id int)")
    assert await migrate_as_owner(single, folder, single.url) == ["0002_more.sql"]


async def test_one_role_under_both_urls_is_reported(single: Database, folder: Path) -> None:
    with capture_logs() as logs:
        await migrate_as_owner(single, folder, single.url)
        await check_role(single)
    assert [entry["log_level"] for entry in logs if "MIGRATION_DATABASE_URL" in entry["event"]] == ["warning"]


async def test_urls_of_two_databases_are_refused_before_anything_is_applied(
    databases: Databases, owner: Database, folder: Path
) -> None:
    async with (
        databases.fresh() as other_url,
        Database.open(databases.as_service(other_url), "jar") as service,
    ):
        with pytest.raises(MigrationError, match="different databases"):
            await migrate_as_owner(service, folder, owner.url)
    assert await owner.fetchval("SELECT to_regnamespace('jar')") is None


async def test_a_restricted_table_may_be_dropped_later(owner: Database, restricted: Database, folder: Path) -> None:
    await migrate_as_owner(restricted, folder, owner.url)
    (folder / "0002_less.sql").write_text("DROP TABLE log")
    assert await migrate_as_owner(restricted, folder, owner.url) == ["0002_less.sql"]


async def test_a_privilege_too_many_is_revoked(owner: Database, restricted: Database, folder: Path) -> None:
    await migrate_as_owner(restricted, folder, owner.url)
    role = await restricted.fetchval(ROLE_OF)
    await owner.execute(f"GRANT ALL ON log, jars TO {role}")
    await migrate_as_owner(restricted, folder, owner.url)
    assert await privileges(restricted, "log") == {"SELECT", "INSERT"}
    assert "TRUNCATE" not in await privileges(restricted, "jars")


async def test_granting_again_changes_nothing(owner: Database, restricted: Database, folder: Path) -> None:
    catalog = "SELECT sum(xmin::text::bigint) FROM pg_class WHERE relnamespace = 'jar'::regnamespace"
    await migrate_as_owner(restricted, folder, owner.url)
    before = await owner.fetchval(catalog)
    await grant(owner, await restricted.fetchval(ROLE_OF))
    assert await owner.fetchval(catalog) == before


async def test_a_name_of_a_role_is_quoted(owner: Database, folder: Path) -> None:
    await migrate_as_owner(owner, folder, None)
    async with owner.transaction() as connection:
        await connection.execute('CREATE ROLE "jar""s; DROP TABLE jars"')
    try:
        await grant(owner, 'jar"s; DROP TABLE jars')
        granted = """SELECT has_table_privilege('jar"s; DROP TABLE jars', 'jars', 'DELETE')"""
        assert await owner.fetchval(granted)
    finally:
        await owner.execute('DROP OWNED BY "jar""s; DROP TABLE jars"; DROP ROLE "jar""s; DROP TABLE jars"')


async def test_a_restricted_role_alone_starts_if_nothing_is_to_migrate(
    owner: Database, restricted: Database, folder: Path
) -> None:
    await migrate_as_owner(restricted, folder, owner.url)
    assert await migrate_as_owner(restricted, folder, None) == []


@pytest.mark.parametrize("migrated_before", [True, False])
async def test_a_restricted_role_alone_cannot_migrate(
    owner: Database, restricted: Database, folder: Path, migrated_before: bool
) -> None:
    if migrated_before:
        await migrate_as_owner(restricted, folder, owner.url)
        (folder / "0002_more.sql").write_text("CREATE TABLE more (id int)")
    with pytest.raises(MigrationError, match="Set MIGRATION_DATABASE_URL"):
        await migrate_as_owner(restricted, folder, None)


async def test_migrations_that_were_applied_for_no_role_are_reported(
    owner: Database, restricted: Database, folder: Path
) -> None:
    await migrate_as_owner(owner, folder, None)
    with pytest.raises(MigrationError, match="run `python -m jar migrate` with both URLs"):
        await migrate_as_owner(restricted, folder, None)


@every_case(
    ("revoked", "lacking"),
    [
        ("INSERT ON log", "log"),
        ("SELECT ON jars", "jars"),
        ("SELECT ON privileges", "privileges"),
        ("EXECUTE ON FUNCTION erase_events", "erase_"),
    ],
)
async def test_a_service_does_not_start_without_a_privilege(
    owner: Database, restricted: Database, folder: Path, revoked: str, lacking: str
) -> None:
    await migrate_as_owner(restricted, folder, owner.url)  # also grants what the previous case has revoked
    await owner.execute(f"REVOKE {revoked} FROM {await restricted.fetchval(ROLE_OF)}")
    with pytest.raises(CannotStart, match=rf"lacks privileges on .*{lacking}.*run `python -m jar migrate`"):
        await check_role(restricted)


async def test_a_role_that_owns_the_tables_is_reported(owner: Database, folder: Path) -> None:
    with capture_logs() as logs:
        await migrate_as_owner(owner, folder, None)
        await check_role(owner)
    assert [entry["log_level"] for entry in logs if "MIGRATION_DATABASE_URL" in entry["event"]] == ["warning"]


@every_case(
    ("more", "expected"),
    [("", False), ("CREATEROLE", True), ("IN ROLE agentapi", True), ("IN ROLE pg_write_all_data", True)],
)
async def test_a_role_that_could_change_a_restricted_table_is_found(
    owner: Database, folder: Path, more: str, expected: bool
) -> None:
    await migrate_as_owner(owner, folder, None)
    async with owner.connection() as connection:
        await connection.execute(f"BEGIN; CREATE ROLE more {more}")
        try:
            await connection.execute(
                "GRANT USAGE ON SCHEMA jar TO more; GRANT SELECT ON ALL TABLES IN SCHEMA jar TO more"
            )
            await connection.execute("GRANT INSERT ON log TO more; SET LOCAL ROLE more")
            assert await connection.fetchval(UNRESTRICTED, "jar") is expected
        finally:
            await connection.execute("ROLLBACK")


async def test_two_roles_are_not_reported(owner: Database, restricted: Database, folder: Path) -> None:
    with capture_logs() as logs:
        await migrate_as_owner(restricted, folder, owner.url)
        await check_role(restricted)
    assert not [entry for entry in logs if entry["log_level"] == "warning"]
