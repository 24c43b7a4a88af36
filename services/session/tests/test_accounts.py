"""The read model of accounts, which is projected from the events of identity."""

from decimal import Decimal
from typing import Any
from unittest.mock import AsyncMock
from uuid import UUID

from contracts.identity.user import AccountEvent, QuotasChanged, RoleChanged, UserDisabled, UserEnabled, UserRegistered
from contracts.identity.values import Quotas
from contracts.samples import USER
from eventing.database import Row
from eventing.recording import Recorded
from eventing.testing.statements import logged_statements
from runtime import clock
from runtime.bus.envelope import Envelope
from session.projections.account import ACCOUNTS, project_account
from session.quotas.accounts import Accounts, Standing
from session.storage import Storage

from services.session.tests.desk import OWNER, Desk
from services.session.tests.quotas import set_quotas

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


async def test_a_standing_is_that_of_account_and_workspace_in_one_read(desk: Desk) -> None:
    accounts, session_id = Accounts(desk.database), await desk.create()
    await set_quotas(desk, "storage_bytes=70, viewer.storage_bytes=50")
    as_owner = Envelope.begin(actor=OWNER)
    assert await accounts.standing(ADA, session_id, as_owner) == Standing("user", True, 70, 0)
    await account_after(desk, RoleChanged(role="viewer"), UserDisabled())
    await Storage(desk.database).measure(session_id, AsyncMock(return_value=1))
    sent = await logged_statements(desk.database)
    assert await accounts.standing(ADA, session_id, as_owner) == Standing("viewer", False, 50, None)
    assert len(sent) == 1


async def test_the_standing_says_how_often_a_workspace_was_changed(desk: Desk) -> None:
    session_id, storage = await desk.create(), Storage(desk.database)
    async with storage.growth(session_id, 5, OWNER):
        pass
    standing = await Accounts(desk.database).standing(ADA, session_id, Envelope.begin(actor=OWNER))
    assert standing.changes == 1


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
