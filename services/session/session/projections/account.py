"""The read model of accounts: their role, state and quotas, from the events of identity."""

from datetime import datetime
from typing import assert_never
from uuid import UUID

from contracts.identity.user import AccountEvent, QuotasChanged, RoleChanged, UserDisabled, UserEnabled, UserRegistered
from eventing.database import Connection
from eventing.projectors.filling import Rebuild
from eventing.projectors.projector import Projector
from eventing.recording import Recorded
from runtime import clock

from session.quotas.concurrency import lock_user, start_waiting

SET_ROLE = """
    INSERT INTO accounts (user_id, role) VALUES ($1, $2)
    ON CONFLICT (user_id) DO UPDATE SET role = excluded.role"""
SET_ACTIVE = """
    INSERT INTO accounts (user_id, is_active) VALUES ($1, $2)
    ON CONFLICT (user_id) DO UPDATE SET is_active = excluded.is_active"""
SET_QUOTAS = """
    INSERT INTO accounts (user_id, concurrent_runs, sessions_per_month, storage_bytes, budget_per_month_usd)
    VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (user_id) DO UPDATE SET
        concurrent_runs = excluded.concurrent_runs, sessions_per_month = excluded.sessions_per_month,
        storage_bytes = excluded.storage_bytes, budget_per_month_usd = excluded.budget_per_month_usd"""


async def project_account(recorded: Recorded[AccountEvent], db: Connection) -> None:
    """Update the read model with one event of an account, and start sessions that wait and may start now."""
    await update_account(recorded, db)
    if isinstance(recorded.event, RoleChanged | QuotasChanged):  # the quota of concurrent runs may be higher
        await _start_waiting(recorded.id, recorded.at, db)


async def update_account(recorded: Recorded[AccountEvent], db: Connection) -> None:
    """Update the read model with one event of an account."""
    event = recorded.event
    match event:
        case UserRegistered() | RoleChanged():
            await db.execute(SET_ROLE, recorded.id, event.role)
        case UserDisabled():
            await db.execute(SET_ACTIVE, recorded.id, False)
        case UserEnabled():
            await db.execute(SET_ACTIVE, recorded.id, True)
        case QuotasChanged():
            quotas = event.quotas
            await db.execute(
                SET_QUOTAS,
                recorded.id, quotas.concurrent_runs, quotas.sessions_per_month, quotas.storage_bytes,
                quotas.budget_per_month_usd,
            )  # fmt: skip
        case _:
            assert_never(event)


async def _start_waiting(user_id: UUID, at: datetime, db: Connection) -> None:
    await lock_user(user_id, db)
    await start_waiting(user_id, "user", at, db)


async def _clear(db: Connection) -> None:
    await db.execute("DELETE FROM accounts")


async def _start_all_waiting(db: Connection) -> None:
    """Start the sessions of all users that wait and may start: a quota may be higher than before."""
    now = clock.now()
    for row in await db.fetch("SELECT DISTINCT user_id FROM waiting_sessions ORDER BY user_id"):
        await _start_waiting(row["user_id"], now, db)


ACCOUNTS = Projector(
    "accounts",
    "identity",
    [UserRegistered, RoleChanged, UserDisabled, UserEnabled, QuotasChanged],
    project_account,
    rebuild=Rebuild(_clear, update_account, _start_all_waiting),
)
