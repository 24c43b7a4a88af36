"""The setting QUOTAS, and the limits of a user."""

from decimal import Decimal
from uuid import UUID

import pytest
from contracts.identity.values import ROLES, Quotas, Role
from contracts.samples import USER
from hypothesis import given
from hypothesis import strategies as st
from session.quotas.rules import NAMES, Rules, limits_of

from services.session.tests.desk import Desk
from services.session.tests.quotas import set_quotas

USER_ID = UUID(USER)


def quotas(text: str, role: Role = "user") -> Quotas:
    return Rules.parse(text).by_role[role]


@pytest.mark.parametrize("role", ["admin", "user", "viewer"])
def test_by_default_only_concurrent_runs_are_limited(role: Role) -> None:
    assert quotas("", role) == Quotas(concurrent_runs=5)


def test_a_quota_without_a_role_is_that_of_all_roles() -> None:
    assert quotas("sessions_per_month=1000, budget_per_month_usd=49.95") == Quotas(
        concurrent_runs=5, sessions_per_month=1000, budget_per_month_usd=Decimal("49.95")
    )


def test_a_quota_of_a_role_goes_before_that_of_all_roles() -> None:
    text = "admin.concurrent_runs=20, concurrent_runs=2"
    assert (quotas(text, "admin").concurrent_runs, quotas(text).concurrent_runs) == (20, 2)


def test_none_is_unlimited() -> None:
    assert quotas("concurrent_runs=none").concurrent_runs is None


@pytest.mark.parametrize(("text", "size"), [("10GiB", 10 * 2**30), ("500MB", 500_000_000), ("1000", 1000)])
def test_storage_has_units(text: str, size: int) -> None:
    assert quotas(f"storage_bytes={text}").storage_bytes == size


@pytest.mark.parametrize(
    "text",
    [
        *("runs=5", "concurrent_runs", "concurrent_runs=", "concurrent_runs=-1", "concurrent_runs=many"),
        *("concurrent_runs=1, concurrent_runs=2", "root.concurrent_runs=1", "concurrent_runs=99999999999"),
        *("storage_bytes=1" + "0" * 400, "concurrent_runs=" + "9" * 5000),
        *("storage_bytes=much", "storage_bytes=-1", "budget_per_month_usd=nan", "budget_per_month_usd=inf"),
    ],
)
def test_a_setting_that_is_not_of_the_form_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^entry .* an example is concurrent_runs=5, admin"):
        Rules.parse(text)


PIECES = [*NAMES, *(f"{role}." for role in ROLES), *",,=== ", "none", "5", "0.5", "9" * 400, "10GiB", "1e999", "٣"]


@given(st.lists(st.sampled_from(PIECES)).map("".join))
def test_any_setting_is_read_or_refused_with_an_example_that_is_read(text: str) -> None:
    try:
        Rules.parse(text)
    except ValueError as error:
        Rules.parse(str(error).partition("an example is ")[2])


async def test_the_limits_of_a_user_are_those_of_the_role(desk: Desk) -> None:
    await set_quotas(desk, "concurrent_runs=2, admin.sessions_per_month=7")
    limits = await limits_of(desk.database, USER_ID, "admin")
    assert limits == Quotas(concurrent_runs=2, sessions_per_month=7)


async def test_what_is_set_for_a_user_goes_before_the_role(desk: Desk) -> None:
    await set_quotas(desk, "concurrent_runs=2, sessions_per_month=7")
    await desk.database.execute("INSERT INTO accounts (user_id, sessions_per_month) VALUES ($1, 0)", USER_ID)
    limits = await limits_of(desk.database, USER_ID, "user")
    assert limits == Quotas(concurrent_runs=2, sessions_per_month=0)


async def test_rules_that_are_stored_again_replace_the_earlier_ones(desk: Desk) -> None:
    await set_quotas(desk, "sessions_per_month=7")
    await set_quotas(desk, "concurrent_runs=none")
    assert await limits_of(desk.database, USER_ID, "user") == Quotas()
