"""The read model of accounts, which is projected from the events of identity."""

from decimal import Decimal
from typing import Any
from uuid import UUID

from contracts.identity.user import AccountEvent, QuotasChanged, RoleChanged, UserDisabled, UserEnabled, UserRegistered
from contracts.identity.values import Quotas
from contracts.samples import USER
from eventing.database import Row
from eventing.recording import Recorded
from runtime import clock
from runtime.bus.envelope import Envelope
from session.projections.account import ACCOUNTS, project_account

from services.session.tests.desk import Desk

ADA, EVE = UUID(USER), UUID(int=5)
QUOTAS = Quotas(concurrent_runs=2, sessions_per_month=3, storage_bytes=2**40, budget_per_month_usd=Decimal("1.25"))


async def account_after(desk: Desk, *events: AccountEvent) -> Row:
    """Return the row of an account after its events."""
    for version, event in enumerate(events, start=1):
        recorded: Recorded[Any] = Recorded(ADA, version, clock.now(), event, Envelope.begin(), ADA)
        async with desk.database.transaction() as connection:
            await project_account(recorded, connection)
    row = await desk.database.fetchrow("SELECT * FROM accounts WHERE user_id = $1", ADA)
    assert row
    return row


async def test_quotas_are_stored_and_replaced_as_a_whole(desk: Desk) -> None:
    row = await account_after(desk, QuotasChanged(quotas=QUOTAS))
    assert Quotas(**{name: row[name] for name in Quotas.model_fields}) == QUOTAS
    row = await account_after(desk, QuotasChanged(quotas=Quotas(storage_bytes=5)))
    assert Quotas(**{name: row[name] for name in Quotas.model_fields}) == Quotas(storage_bytes=5)


async def test_role_and_state_are_those_of_the_last_events(desk: Desk) -> None:
    row = await account_after(desk, UserRegistered.example(), RoleChanged(role="viewer"), UserDisabled())
    assert (row["role"], row["is_active"]) == ("viewer", False)
    row = await account_after(desk, UserEnabled())
    assert (row["role"], row["is_active"]) == ("viewer", True)


async def test_a_state_does_not_reset_quotas(desk: Desk) -> None:
    row = await account_after(desk, QuotasChanged(quotas=QUOTAS), UserDisabled(), RoleChanged(role="user"))
    assert (row["storage_bytes"], row["role"]) == (2**40, "user")


async def test_a_rebuild_replaces_accounts_and_ignores_quotas_of_the_past(desk: Desk) -> None:
    await account_after(desk, UserRegistered.example(), UserDisabled())
    rebuild = ACCOUNTS.rebuild
    assert rebuild
    async with desk.database.transaction() as connection:
        await rebuild.clear(connection)
        recorded: Recorded[Any] = Recorded(EVE, 1, clock.now(), QuotasChanged(quotas=QUOTAS), Envelope.begin(), EVE)
        await rebuild.project(recorded, connection)
        assert await connection.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == 0
        await rebuild.finish(connection)
    assert await desk.database.fetchval("SELECT array_agg(user_id) FROM accounts") == [EVE]


def test_all_events_of_accounts_are_projected() -> None:
    assert set(ACCOUNTS.kinds.values()) == set(AccountEvent.__args__)
