"""All migrations together, on the data of the release before quotas, costs and storage."""

from datetime import UTC
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from contracts.samples import USER
from contracts.session.quota import GetUsage
from contracts.session.settling import LostCall
from eventing.database import Database
from eventing.migrating import migrate
from onebox.testing.databases import Databases
from runtime import clock
from runtime.clock import new_id
from session.agent.begun_calls import read_begun
from session.app import service

from services.session.tests.desk import Desk

LAST_OF_EARLIER_RELEASE = "0014_depth.sql"
SESSION = """
    INSERT INTO sessions (id, user_id, name, mode, status, sdk_options, created_at, updated_at)
    VALUES ($1, $2, 'x', 'interactive', $3, '{}', $4, $4)"""
RUN = """
    INSERT INTO runs (id, session_id, status, attempt, cost_usd, created_at, requested_at, ended_at)
    VALUES ($1, $2, $3, 1, $4, $5, $5, $6)"""
MESSAGE = """
    INSERT INTO messages (session_id, sequence_number, id, run_id, message_type, content, created_at)
    VALUES ($1, 1, $2, $3, 'assistant', $4, $5)"""
CALL = LostCall(tool_use_id="toolu_1", tool_name="Bash", tool_input={"command": "make release"})
BLOCK = {"type": "tool_use", "id": CALL.tool_use_id, "tool_call_id": str(new_id())}
ENDED: dict[str, Any] = {"type": "tool_use", "id": "a", "tool_call_id": str(new_id()), "name": "Bash", "input": {}}
BLOCKS = [{"type": "text", "text": "Releasing"}, ENDED, {**BLOCK, "name": CALL.tool_name, "input": CALL.tool_input}]
TOOL_CALL = """
    INSERT INTO tool_calls (id, session_id, run_id, tool_name, tool_input, status, created_at)
    VALUES ($1, $2, $3, 'Bash', '{}', 'success', $4)"""
ARCHIVE = "INSERT INTO archives VALUES ($1, $2, 'ready', 'gzip', 'active', 70, 1, 0, $3)"


async def fill(database: Database) -> tuple[UUID, UUID]:
    """Add a session with a completed and an active run, and an archived one; return the active run's ids."""
    at, busy, archived, active = clock.now().astimezone(UTC), new_id(), new_id(), new_id()
    await database.execute(SESSION, busy, UUID(USER), "processing", at)
    await database.execute(SESSION, archived, UUID(USER), "archived", at)
    await database.execute(RUN, new_id(), busy, "completed", Decimal("0.25"), at, at)
    await database.execute(RUN, active, busy, "running", Decimal(0), at, None)
    await database.execute(MESSAGE, busy, new_id(), active, {"blocks": BLOCKS}, at)
    await database.execute(TOOL_CALL, UUID(ENDED["tool_call_id"]), busy, active, at)
    await database.execute(ARCHIVE, archived, new_id(), at)
    return busy, active


@pytest.mark.usefixtures("one_moment")
async def test_what_was_there_before_counts(databases: Databases, tmp_path: Path) -> None:
    for path in service.migrations.glob("*.sql"):
        if path.name <= LAST_OF_EARLIER_RELEASE:
            (tmp_path / path.name).write_bytes(path.read_bytes())
    async with databases.fresh() as url, Database.open(url, service.name) as database:
        await migrate(database, tmp_path)
        run = await fill(database)
        await migrate(database, service.migrations)
        assert await read_begun(database, *run) == {CALL.tool_use_id: CALL}
        used = await Desk(database).ask(GetUsage(user_id=UUID(USER), role="user"))
    assert used.storage_bytes
    assert (used.concurrent_runs.used, used.sessions_per_month.used) == (1, 2)
    assert (used.budget_per_month_usd.used, used.storage_bytes.used) == (Decimal("0.25"), 70)
