"""Queries of administrators: the list of accounts and statistics."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from contracts.identity.statistics import GetStatistics, RecordApiCalls
from contracts.identity.user import CreateServiceAccount, ListUsers
from contracts.messages import Actor, Page
from contracts.refusals import Code, Refusal
from eventing.database import Database
from eventing.migrating import migrate
from identity.app import service
from identity.operations import OPERATOR
from onebox.testing.databases import Databases
from runtime.clock import new_id

from services.identity.tests.desk import Desk

DAY = date(2026, 11, 25)


async def add_users(desk: Desk, *names: str) -> list[UUID]:
    return [await desk.register(f"{name}@example.com", name) for name in names]


async def page(desk: Desk, **query: Any) -> Page[Any]:
    return await desk.ask(ListUsers(**query), OPERATOR)


async def names(desk: Desk, **query: Any) -> list[str]:
    return [user.username for user in (await page(desk, **query)).items]


async def test_accounts_are_listed_newest_first(desk: Desk) -> None:
    await add_users(desk, "ada", "bob", "eve")
    assert await names(desk) == ["eve", "bob", "ada"]


async def test_an_account_is_listed_as_its_owner_sees_it(desk: Desk) -> None:
    await add_users(desk, "ada")
    await desk.log_in()
    [user] = (await page(desk)).items
    assert (user.email, user.role, user.is_active, user.is_service_account) == ("ada@example.com", "user", True, False)
    assert user.last_login_at is not None


async def test_accounts_continue_after_and_before_a_cursor(desk: Desk) -> None:
    ids = await add_users(desk, "ada", "bob", "eve")
    assert await names(desk, after=ids[1]) == ["ada"]
    assert await names(desk, before=ids[1]) == ["eve"]


async def test_an_unknown_cursor_is_refused(desk: Desk) -> None:
    with pytest.raises(Refusal, match=Code.USER_NOT_FOUND):
        await page(desk, after=new_id())


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"role": "admin"}, ["admin"]),
        ({"role": "viewer"}, ["bot"]),
        ({"is_active": False}, ["bob"]),
        ({"is_active": True, "role": "user"}, ["ada"]),
        ({"is_service_account": True}, ["bot"]),
        ({"is_service_account": False, "is_active": True}, ["ada", "admin"]),
        ({"role": "viewer", "is_active": False}, []),
    ],
)
async def test_filtered_accounts_have_a_total_of_their_own(
    desk: Desk, filters: dict[str, Any], found: list[str]
) -> None:
    await desk.admin()
    _, bob = await add_users(desk, "ada", "bob")
    await desk.send(CreateServiceAccount(user_id=new_id(), username="bot", role="viewer"), OPERATOR)
    await desk.change(bob, is_active=False)
    result = await page(desk, **filters)
    assert (sorted(user.username for user in result.items), result.total) == (found, len(found))


async def test_the_total_follows_changes_of_accounts(desk: Desk) -> None:
    await desk.admin()
    [ada] = await add_users(desk, "ada")
    await desk.change(ada, role="viewer", is_active=False)
    assert [(await page(desk, role=role)).total for role in ("user", "viewer", "admin")] == [0, 1, 1]


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("ad", ["Ada"]),
        ("ada@example.com", ["Ada"]),
        ("ada@example.comx", []),
        ("da", []),
        ("a_a", ["a_a"]),
        ("%", []),
        ("a", ["Ada", "a_a"]),
        ("x'; DROP TABLE users", []),
        ("\U0010ffff", []),
    ],
)
async def test_accounts_are_found_by_the_beginning_of_a_name(desk: Desk, search: str, found: list[str]) -> None:
    await add_users(desk, "a_a", "Ada", "bob")
    await desk.database.execute("UPDATE users SET email = lower(email)")
    result = await page(desk, search=search)
    assert (sorted(user.username for user in result.items), result.total) == (found, len(found))


async def test_a_search_continues_after_a_cursor(desk: Desk) -> None:
    ids = await add_users(desk, "ada", "adb", "adc", "eve")
    assert await names(desk, search="ad", after=ids[1]) == ["ada"]


async def test_an_upgrade_counts_existing_accounts(databases: Databases, tmp_path: Path) -> None:
    for path in service.migrations.glob("*.sql"):
        if path.name < "0005":
            (tmp_path / path.name).write_bytes(path.read_bytes())
    async with databases.fresh() as url, Database.open(url, service.name) as database:
        await migrate(database, tmp_path)
        await database.execute(
            "INSERT INTO users (id, email, username, role, created_at) VALUES ($1, 'a@b', 'ada', 'user', now())",
            new_id(),
        )
        await migrate(database, service.migrations)
        assert await database.fetchval("SELECT sum(n) FROM user_counts WHERE role = 'user' AND is_active") == 1


async def test_all_accounts_and_the_calls_of_the_day_are_counted(desk: Desk) -> None:
    await add_users(desk, "ada", "bob")
    for process_id, calls in ((1, 10), (2, 5)):
        await report(desk, process_id, {DAY: calls, DAY - timedelta(days=1): 7})
    statistics = await desk.ask(GetStatistics(day=DAY), OPERATOR)
    assert (statistics.total_users, statistics.api_calls) == (2, 15)


async def test_a_day_without_reports_has_no_calls(desk: Desk) -> None:
    assert (await desk.ask(GetStatistics(day=DAY), OPERATOR)).api_calls == 0


async def test_a_repeated_or_old_report_changes_nothing(desk: Desk) -> None:
    for calls in (10, 12, 12, 11):
        await report(desk, 1, {DAY: calls})
    assert (await desk.ask(GetStatistics(day=DAY), OPERATOR)).api_calls == 12


async def test_numbers_of_more_than_a_month_ago_are_deleted(desk: Desk) -> None:
    for age in (31, 32):
        await report(desk, 1, {DAY - timedelta(days=age): 1})
    await desk.dispatcher.dependencies.api_calls.remove_old(DAY)
    assert await desk.database.fetchval("SELECT array_agg(day) FROM api_calls") == [DAY - timedelta(days=31)]


@pytest.mark.parametrize("query", [ListUsers(), GetStatistics(day=DAY)])
async def test_only_administrators_read_accounts_and_statistics(desk: Desk, query: Any) -> None:
    with pytest.raises(Refusal, match=Code.ADMINS_ONLY):
        await desk.ask(query, Actor(user_id=new_id(), role="user"))


async def report(desk: Desk, process_id: int, calls: dict[date, int]) -> None:
    await desk.send(RecordApiCalls(process_id=UUID(int=process_id), calls=calls))
