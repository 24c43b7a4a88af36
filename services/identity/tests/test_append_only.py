"""Entries of the audit log are only added: by the privileges of the service's role, and by triggers for the owner."""

from datetime import timedelta

import asyncpg
import pytest
import pytest_asyncio
from contracts.identity.audit import AuditEntry, ListAuditEntries, RecordEntries
from eventing.database import Database
from identity.audit_log import AuditLog, NotAllowed
from identity.operations import OPERATOR
from onebox.testing.cases import every_case
from runtime import clock
from runtime.clock import new_id

from services.identity.tests.desk import Desk

CHANGES = ["UPDATE audit_log SET action = 'x'", "DELETE FROM audit_log", "TRUNCATE audit_log"]
FUNCTION = "FUNCTION keep_audit_log() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END'"
ATTACKS = [
    *CHANGES,
    "INSERT INTO audit_log SELECT * FROM audit_log ON CONFLICT (id) DO UPDATE SET action = 'x'",
    "MERGE INTO audit_log USING (SELECT 1) AS one ON true WHEN MATCHED THEN DELETE",
    "WITH gone AS (DELETE FROM audit_log RETURNING id) SELECT count(*) FROM gone",
    "SELECT * FROM audit_log FOR UPDATE",
    "LOCK TABLE audit_log",
    "DROP TABLE audit_log",
    "ALTER TABLE audit_log RENAME TO gone",
    "ALTER TABLE audit_log RENAME action TO gone",
    "ALTER TABLE audit_log DROP COLUMN action",
    "ALTER TABLE audit_log ALTER action TYPE text USING 'x'",
    "ALTER TABLE audit_log DISABLE TRIGGER ALL",
    "ALTER TABLE audit_log SET SCHEMA public",
    "ALTER TABLE audit_log OWNER TO CURRENT_USER",
    "ALTER TABLE audit_log ENABLE ROW LEVEL SECURITY",
    "DROP TRIGGER audit_log_rows ON audit_log",
    "CREATE TRIGGER more BEFORE INSERT ON audit_log FOR EACH ROW EXECUTE FUNCTION keep_audit_log()",
    "CREATE RULE more AS ON INSERT TO audit_log DO INSTEAD NOTHING",
    "CREATE POLICY more ON audit_log USING (false)",
    f"CREATE OR REPLACE {FUNCTION}",
    f"CREATE {FUNCTION.replace('keep', 'lose')}",
    "DROP FUNCTION keep_audit_log CASCADE",
    "DROP INDEX audit_log_user",
    "DROP SCHEMA identity CASCADE",
    "ALTER SCHEMA identity RENAME TO gone",
    "GRANT ALL ON audit_log TO CURRENT_USER; DELETE FROM audit_log",
    "UPDATE privileges SET granted = '{DELETE}'",
    "DELETE FROM privileges",
    "DELETE FROM migrations",
    "SET session_replication_role = replica",
    "SET ROLE agentapi",
    "SET SESSION AUTHORIZATION agentapi",
    "GRANT agentapi TO CURRENT_USER",
    "ALTER ROLE CURRENT_USER SUPERUSER",
    "CREATE ROLE another",
    "REASSIGN OWNED BY agentapi TO CURRENT_USER",
    "COPY audit_log FROM PROGRAM 'true'",
    "ALTER DATABASE postgres RENAME TO gone",
]


def entry_of(days: int = 0) -> AuditEntry:
    """Return an entry of some days ago."""
    fields = {"outcome": "denied", "action": "deleteSession", "correlation_id": "one"}
    return AuditEntry.model_validate(fields | {"id": new_id(), "at": clock.now() - timedelta(days=days)})


@pytest_asyncio.fixture
async def recorded(desk: Desk) -> Desk:
    """A desk with an entry."""
    await desk.send(RecordEntries(entries=[entry_of(days=40)]))
    return desk


@every_case("attack", ATTACKS)
async def test_the_role_of_the_service_cannot_change_an_entry(recorded: Desk, attack: str) -> None:
    before = await recorded.ask(ListAuditEntries(), OPERATOR)
    async with recorded.database.transaction() as connection:
        await connection.execute("SET LOCAL agentapi.prunes_audit_log = 'on'")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(attack)
    assert await recorded.ask(ListAuditEntries(), OPERATOR) == before


async def test_a_temporary_table_does_not_take_the_entries(desk: Desk) -> None:
    async with desk.database.transaction() as connection:
        await connection.execute("CREATE TEMPORARY TABLE audit_log (LIKE identity.audit_log INCLUDING ALL)")
    await desk.send(RecordEntries(entries=[entry_of()]))
    async with desk.database.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM identity.audit_log") == 1


@pytest.mark.parametrize("statement", CHANGES)
async def test_the_owner_cannot_change_an_entry_by_mistake(desk: Desk, owner: Database, statement: str) -> None:
    await desk.send(RecordEntries(entries=[entry_of()]))
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
        await owner.execute(statement)
    async with owner.transaction() as connection:
        await connection.execute("SET LOCAL agentapi.prunes_audit_log = 'on'")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)


async def test_old_entries_are_pruned_in_batches(desk: Desk, owner: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("identity.audit_log.BATCH", 2)
    await desk.send(RecordEntries(entries=[entry_of(days) for days in (32, 33, 34, 31, 1)]))
    assert await AuditLog(owner).prune(clock.now() - timedelta(days=31, hours=12)) == 3
    assert len((await desk.ask(ListAuditEntries(), OPERATOR)).items) == 2


async def test_the_role_of_the_service_cannot_prune(desk: Desk) -> None:
    with pytest.raises(NotAllowed, match="MIGRATION_DATABASE_URL"):
        await AuditLog(desk.database).prune(clock.now() - timedelta(days=31))
