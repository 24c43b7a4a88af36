"""The role of the service adds events, and changes them only as the functions of the owner permit."""

from collections.abc import AsyncGenerator

import asyncpg
import pytest
import pytest_asyncio
from eventing.database import Database
from eventing.store.postgres import PostgresStore
from eventing.testing.breaking import pass_delay
from eventing.testing.following import append
from eventing.testing.harness import migrated, owned
from eventing.testing.jars import MIGRATIONS, Jar, project
from eventing.testing.messages import JAR, JarBroken, JarOpened
from onebox.testing.cases import every_case
from onebox.testing.databases import Databases

ERASE, COMPLETE = f"SELECT erase_events('{JAR}')", f"SELECT complete_erasure('{JAR}')"
FUNCTION = "FUNCTION erase_events(id uuid) RETURNS boolean LANGUAGE sql AS 'SELECT true'"
ATTACKS = [
    "UPDATE events SET state = ''",
    "UPDATE events SET topic = 'evt.jar.broken;1'",
    "UPDATE events SET tx = '1'",
    "DELETE FROM events",
    "TRUNCATE events",
    "TRUNCATE events CASCADE",
    "INSERT INTO events OVERRIDING SYSTEM VALUE TABLE events ON CONFLICT (tx, position) DO UPDATE SET state = ''",
    "MERGE INTO events USING (SELECT 1) AS one ON true WHEN MATCHED THEN DELETE",
    "MERGE INTO events USING (SELECT 1) AS one ON true WHEN MATCHED THEN UPDATE SET state = ''",
    "WITH gone AS (DELETE FROM events RETURNING position) SELECT count(*) FROM gone",
    "WITH changed AS (UPDATE events SET state = '' RETURNING position) SELECT count(*) FROM changed",
    "SELECT * FROM events FOR UPDATE",
    "LOCK TABLE events",
    "DROP TABLE events CASCADE",
    "ALTER TABLE events RENAME TO gone",
    "ALTER TABLE events DROP COLUMN state",
    "ALTER TABLE events ALTER state TYPE text USING 'x'",
    "ALTER TABLE events DISABLE TRIGGER ALL",
    "ALTER TABLE events SET SCHEMA public",
    "ALTER TABLE events OWNER TO CURRENT_USER",
    'DROP TRIGGER "erase after evt.jar.broken" ON events',
    "CREATE TRIGGER more BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION add_erasure()",
    "CREATE RULE more AS ON INSERT TO events DO INSTEAD NOTHING",
    "GRANT ALL ON events TO CURRENT_USER; DELETE FROM events",
    "UPDATE privileges SET granted = '{UPDATE}'",
    "INSERT INTO erasures SELECT originator_id, 0, now() FROM events",
    "UPDATE erasures SET due_at = now()",
    "DELETE FROM erasures",
    ERASE,
    f"SET LOCAL search_path = public; SELECT jar.erase_events('{JAR}')",
    f"SET LOCAL TimeZone = 'Pacific/Kiritimati'; {ERASE}",
    "SELECT erase_after('evt.jar.opened')",
    "SELECT add_erasure()",
    f"CREATE OR REPLACE {FUNCTION}",
    "ALTER FUNCTION erase_events(uuid) RESET search_path",
    "ALTER FUNCTION erasure_delay() OWNER TO CURRENT_USER",
    "DROP FUNCTION add_erasure() CASCADE",
    "CREATE OR REPLACE FUNCTION erasure_delay() RETURNS interval LANGUAGE sql AS 'SELECT interval ''0'''",
    "SET session_replication_role = replica",
    "SET ROLE agentapi",
    "SELECT lo_import('/etc/passwd')",
    "COPY events TO PROGRAM 'true'",
]
SHADOWS = """
    CREATE TEMPORARY TABLE erasures (LIKE jar.erasures INCLUDING ALL);
    INSERT INTO pg_temp.erasures (aggregate, deletion, due_at)
        SELECT DISTINCT originator_id, 0, timestamptz 'epoch' FROM jar.events;
    CREATE TEMPORARY TABLE events (LIKE jar.events INCLUDING ALL);
    CREATE FUNCTION pg_temp.now() RETURNS timestamptz LANGUAGE sql AS $$ SELECT timestamptz 'infinity' $$;
    CREATE FUNCTION pg_temp.erasure_delay() RETURNS interval LANGUAGE sql AS $$ SELECT interval '0' $$;
    SET LOCAL search_path = pg_temp, jar;"""
IS_PUBLIC = """
    SELECT p.oid::regprocedure::text FROM pg_proc AS p
    CROSS JOIN LATERAL aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS a
    WHERE p.prosecdef AND p.pronamespace = 'jar'::regnamespace AND a.grantee = 0"""


@pytest_asyncio.fixture
async def store(databases: Databases) -> AsyncGenerator[PostgresStore]:
    """Provide a store that uses the role of the services."""
    async with migrated(databases, "jar", MIGRATIONS) as database:
        yield PostgresStore(database, Jar.events, project)


@pytest_asyncio.fixture
async def owner(store: PostgresStore, databases: Databases) -> AsyncGenerator[Database]:
    async with owned(databases, store.database) as database:
        yield database


async def dump(database: Database) -> list[str]:
    tables = ("events", "erasures")
    return [str(await database.fetch(f'SELECT * FROM jar."{name}"')) for name in tables]  # noqa: S608  constants


async def is_refused(store: PostgresStore, attack: str, reason: str | None = None) -> bool:
    """Return whether a statement is refused, and has changed nothing."""
    before = await dump(store.database)
    async with store.database.transaction() as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match=reason):
            await connection.execute(attack)
    return await dump(store.database) == before


@pytest_asyncio.fixture
async def stored(store: PostgresStore) -> PostgresStore:
    await append(store, JarOpened(label="one"))
    return store


@every_case("attack", ATTACKS)
async def test_the_role_of_the_service_cannot_change_an_event(stored: PostgresStore, attack: str) -> None:
    assert await is_refused(stored, attack)


async def test_an_aggregate_is_not_erased_before_its_time(store: PostgresStore) -> None:
    await append(store, JarOpened(label="one"), JarBroken())
    assert await is_refused(store, ERASE, "may not be erased")


async def test_temporary_objects_do_not_change_what_the_functions_do(store: PostgresStore) -> None:
    await append(store, JarOpened(label="one"), JarBroken())
    assert await is_refused(
        store, f"{SHADOWS} {ERASE.replace('erase_events', 'jar.erase_events')}", "may not be erased"
    )


async def test_only_secrets_in_clear_can_be_sealed(store: PostgresStore) -> None:
    await append(store, JarOpened(label="one"))
    before = await dump(store.database)
    await store.database.fetchval("SELECT seal_event($1, 1, 'x')", JAR)
    assert await dump(store.database) == before


async def test_an_erasure_is_not_completed_before_all_is_erased(store: PostgresStore, owner: Database) -> None:
    await append(store, JarOpened(label="one"), JarBroken())
    await pass_delay(owner)
    await store.database.fetchval(COMPLETE)
    assert await owner.fetchval("SELECT erased_at FROM erasures") is None


async def test_the_role_of_the_service_erases_what_is_due(store: PostgresStore, owner: Database) -> None:
    await append(store, JarOpened(label="one"), JarBroken())
    await pass_delay(owner)
    assert await store.database.fetchval(ERASE) is True
    await store.database.fetchval(COMPLETE)
    assert await owner.fetchval("SELECT erased_at IS NOT NULL FROM erasures")


async def test_a_forged_deletion_erases_nothing_for_a_day(store: PostgresStore) -> None:
    await append(store, JarOpened(label="one"))
    await store.database.execute(
        "INSERT INTO events (originator_id, originator_version, topic, state, envelope, recorded_at, owner) "
        "SELECT originator_id, 2, 'evt.jar.broken;1', '{}', envelope, 'epoch', owner FROM events"
    )
    assert await is_refused(store, ERASE, "may not be erased")


async def test_no_function_of_the_owner_is_public(store: PostgresStore) -> None:
    assert await store.database.fetch(IS_PUBLIC) == []
