"""All migrations together, on the data of the release before quotas, costs and storage."""

from datetime import UTC
from decimal import Decimal
from pathlib import Path
from uuid import UUID

from contracts.samples import USER
from contracts.session.quota import GetUsage
from eventing.database import Database
from eventing.migrating import migrate
from onebox.testing.databases import Databases
from runtime import clock
from runtime.clock import new_id
from session.app import service

from services.session.tests.desk import Desk

LAST_OF_EARLIER_RELEASE = "0014_depth.sql"
SESSION = """
    INSERT INTO sessions (id, user_id, name, mode, status, sdk_options, created_at, updated_at)
    VALUES ($1, $2, 'x', 'interactive', $3, '{}', $4, $4)"""
RUN = """
    INSERT INTO runs (id, session_id, status, attempt, cost_usd, created_at, requested_at, ended_at)
    VALUES ($1, $2, $3, 1, $4, $5, $5, $6)"""
ARCHIVE = "INSERT INTO archives VALUES ($1, $2, 'ready', 'gzip', 'active', 70, 1, 0, $3)"


async def fill(database: Database) -> None:
    """Add a session with a completed and an active run, and an archived one."""
    at, busy, archived = clock.now().astimezone(UTC), new_id(), new_id()
    await database.execute(SESSION, busy, UUID(USER), "processing", at)
    await database.execute(SESSION, archived, UUID(USER), "archived", at)
    await database.execute(RUN, new_id(), busy, "completed", Decimal("0.25"), at, at)
    await database.execute(RUN, new_id(), busy, "running", Decimal(0), at, None)
    await database.execute(ARCHIVE, archived, new_id(), at)


async def test_what_users_have_used_before_counts(databases: Databases, tmp_path: Path) -> None:
    for path in service.migrations.glob("*.sql"):
        if path.name <= LAST_OF_EARLIER_RELEASE:
            (tmp_path / path.name).write_bytes(path.read_bytes())
    async with databases.fresh() as url, Database.open(url, service.name) as database:
        await migrate(database, tmp_path)
        await fill(database)
        await migrate(database, service.migrations)
        used = await Desk(database).ask(GetUsage(user_id=UUID(USER), role="user"))
    assert used.storage_bytes
    assert (used.concurrent_runs.used, used.sessions_per_month.used) == (1, 2)
    assert (used.budget_per_month_usd.used, used.storage_bytes.used) == (Decimal("0.25"), 70)
