"""The read model of accounts: their role, state and quotas, from the events of identity."""

from typing import assert_never

from contracts.identity.user import AccountEvent, QuotasChanged, RoleChanged, UserDisabled, UserEnabled, UserRegistered
from eventing.database import Connection
from eventing.projectors.projector import Projector
from eventing.recording import Recorded

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
    """Update the read model with one event of an account."""
    event = recorded.event
    match event:
        case UserRegistered():
            await db.execute(SET_ROLE, recorded.id, event.role)
        case RoleChanged():
            await db.execute(SET_ROLE, recorded.id, event.role)
            await _start_waiting(recorded, db)
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
            await _start_waiting(recorded, db)
        case _:
            assert_never(event)


async def _start_waiting(recorded: Recorded[AccountEvent], db: Connection) -> None:
    """Start sessions of the user that wait and may start now: the quota of concurrent runs may be higher."""
    await lock_user(recorded.id, db)
    await start_waiting(recorded.id, "user", recorded.at, db)


ACCOUNTS = Projector(
    "accounts", "identity", [UserRegistered, RoleChanged, UserDisabled, UserEnabled, QuotasChanged], project_account
)
