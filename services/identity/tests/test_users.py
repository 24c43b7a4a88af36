"""Roles, disabled accounts, service accounts, and the last administrator."""

import asyncio
from decimal import Decimal
from uuid import UUID

import pytest
from contracts.identity.user import ChangeUser, CreateServiceAccount, GetUser
from contracts.identity.values import Quotas
from contracts.messages import Actor
from contracts.refusals import Code, Refusal
from runtime.clock import new_id

from services.identity.tests.desk import Desk, family_of

SERVICE = CreateServiceAccount(user_id=UUID(int=5), username="Build", role="viewer")


async def test_a_role_and_the_state_are_changed_together(desk: Desk) -> None:
    admin, ada = await desk.admin(), await desk.register()
    view = await desk.change(ada, admin, role="viewer", is_active=False)
    assert (view.role, view.is_active) == ("viewer", False)


async def test_quotas_are_shown_and_kept_when_others_change(desk: Desk) -> None:
    admin, ada = await desk.admin(), await desk.register()
    await desk.change(ada, admin, quotas=Quotas(budget_per_month_usd=Decimal("1.25"), concurrent_runs=3))
    view = await desk.change(ada, admin, quotas=Quotas(concurrent_runs=0))
    assert view.quotas == Quotas(budget_per_month_usd=Decimal("1.25"), concurrent_runs=0)


async def test_a_quota_is_reset_to_the_default(desk: Desk) -> None:
    admin, ada = await desk.admin(), await desk.register()
    await desk.change(ada, admin, quotas=Quotas(concurrent_runs=3))
    assert (await desk.change(ada, admin, quotas=Quotas(concurrent_runs=None))).quotas == Quotas()


async def test_quotas_and_role_are_changed_together_or_not_at_all(desk: Desk) -> None:
    admin = await desk.admin()
    with pytest.raises(Refusal, match=Code.LAST_ADMIN):
        await desk.change(admin.user_id, admin, role="user", quotas=Quotas(concurrent_runs=3))
    assert (await desk.ask(GetUser(user_id=admin.user_id))).quotas == Quotas()


async def test_a_disabled_user_cannot_log_in_until_enabled(desk: Desk) -> None:
    await desk.admin()
    ada = await desk.register()
    await desk.change(ada, is_active=False)
    with pytest.raises(Refusal, match=Code.ACCOUNT_DISABLED):
        await desk.log_in()
    await desk.change(ada, is_active=True)
    assert await desk.log_in()


async def test_a_disabled_user_with_a_wrong_password_gets_the_usual_refusal(desk: Desk) -> None:
    await desk.admin()
    await desk.change(await desk.register(), is_active=False)
    with pytest.raises(Refusal, match=Code.INVALID_CREDENTIALS):
        await desk.log_in(password="plantedsecret-wrong password")


async def test_a_disabled_user_cannot_refresh(desk: Desk) -> None:
    await desk.admin()
    ada = await desk.register()
    tokens = await desk.log_in()
    await desk.change(ada, is_active=False)
    with pytest.raises(Refusal, match=Code.INVALID_REFRESH_TOKEN):
        await desk.refresh(tokens.refresh_token)


async def test_a_change_is_stored_with_its_version(desk: Desk) -> None:
    await desk.admin()
    ada = await desk.register()
    await desk.change(ada, role="viewer")
    row = await desk.database.fetchrow("SELECT access_version, access_changed_at FROM users WHERE id = $1", ada)
    assert row
    assert (row["access_version"], row["access_changed_at"] is not None) == (3, True)


@pytest.mark.parametrize("role", ["user", "viewer"])
async def test_only_administrators_change_accounts(desk: Desk, role: str) -> None:
    ada = await desk.register()
    with pytest.raises(Refusal, match=Code.ADMINS_ONLY):
        await desk.change(ada, Actor.model_validate({"user_id": ada, "role": role}), role="admin")


@pytest.mark.parametrize("change", [{"role": "user"}, {"is_active": False}])
async def test_the_last_administrator_stays(desk: Desk, change: dict[str, object]) -> None:
    admin = await desk.admin()
    await desk.send(SERVICE.model_copy(update={"role": "admin"}), admin)  # cannot log in, so it does not count
    with pytest.raises(Refusal, match=Code.LAST_ADMIN):
        await desk.change(admin.user_id, admin, **change)
    view = await desk.ask(GetUser(user_id=admin.user_id))
    assert (view.role, view.is_active) == ("admin", True)


async def test_an_administrator_can_be_demoted_if_another_is_active(desk: Desk) -> None:
    first, second = await desk.admin(), await desk.admin("second")
    assert (await desk.change(first.user_id, second, role="user")).role == "user"


async def test_a_disabled_administrator_does_not_count(desk: Desk) -> None:
    first, second = await desk.admin(), await desk.admin("second")
    await desk.change(second.user_id, first, is_active=False)
    with pytest.raises(Refusal, match=Code.LAST_ADMIN):
        await desk.change(first.user_id, first, role="user")


@pytest.mark.parametrize("round_number", range(3))
async def test_of_administrators_who_demote_each_other_at_once_one_stays(desk: Desk, round_number: int) -> None:
    admins = [await desk.admin(), *[await desk.admin(f"admin-{n}") for n in range(4)]]
    changes = [ChangeUser(user_id=a.user_id, role="user") for a in admins]
    outcomes = await asyncio.gather(*(desk.send(change, admins[0]) for change in changes), return_exceptions=True)
    refusals = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    assert [refusal.code for refusal in refusals if isinstance(refusal, Refusal)] == [Code.LAST_ADMIN]
    assert len(refusals) == 1
    assert await desk.dispatcher.dependencies.directory.has_admin()


async def test_a_service_account_is_created_without_a_password(desk: Desk) -> None:
    view = await desk.send(SERVICE, await desk.admin())
    assert (view.username, view.role, view.is_service_account) == ("Build", "viewer", True)
    assert view.email == f"{view.id}@service.invalid"


async def test_only_administrators_create_service_accounts(desk: Desk) -> None:
    with pytest.raises(Refusal, match=Code.ADMINS_ONLY):
        await desk.send(SERVICE, Actor(user_id=new_id(), role="user"))


@pytest.mark.parametrize("kind", ["person", "service account"])
async def test_the_username_of_a_service_account_is_unique(desk: Desk, kind: str) -> None:
    if kind == "person":
        await desk.register(username="bu.ild")
    else:
        await desk.send(SERVICE.model_copy(update={"user_id": new_id()}), await desk.admin())
    with pytest.raises(Refusal, match=Code.USERNAME_TAKEN):
        await desk.send(SERVICE, await desk.admin())


async def test_a_refreshed_token_has_the_new_role(desk: Desk) -> None:
    await desk.admin()
    ada = await desk.register()
    tokens = await desk.log_in()
    await desk.change(ada, role="viewer")
    refreshed = await desk.refresh(tokens.refresh_token)
    assert family_of(refreshed) == family_of(tokens)
    assert desk.claims(refreshed)["role"] == "viewer"
