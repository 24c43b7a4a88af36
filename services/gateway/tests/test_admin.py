"""The routes of administrators that read the system as a whole."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
from contracts.identity.statistics import GetStatistics, RecordApiCalls, StatisticsView
from contracts.identity.user import GetUser, ListUsers
from contracts.identity.values import Quotas
from contracts.messages import Page, Refused
from contracts.refusals import Code
from contracts.samples import SESSION, TIME, USER
from contracts.session.cost import CostPage, Costs, GroupCosts, ListCosts
from contracts.session.session import CountSessions, ListSessions
from gateway.clients import api_calls
from runtime import clock
from runtime.testing import eventually

from services.gateway.tests import samples
from services.gateway.tests.cases import each
from services.gateway.tests.fake_services import FakeServices
from services.gateway.tests.harness import Harness

ADMIN = "/api/v1/admin"
USED: dict[str, Any] = {"cost_usd": Decimal("15.67"), "input_tokens": 5, "output_tokens": 3, "runs": 2}
SHOWN = USED | {"cost_usd": 15.67}


@pytest.fixture(autouse=True)
def one_day(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop the clock: no day ends between a request and what is expected of it, and reports are not cut off."""
    now = clock.now()
    monkeypatch.setattr(clock, "now", lambda: now)
    monkeypatch.setattr(api_calls, "LAST_REPORT_SECONDS", 60.0)


@pytest.fixture
async def admin(harness: Harness):
    async with harness.client("admin") as client:
        yield client


@pytest.fixture
async def costs(services: FakeServices) -> FakeServices:
    """Answer lists of costs with one group of two."""
    page = CostPage(items=[GroupCosts(key=USER, **USED)], total=2, sums=Costs(**USED))
    await services.answer(ListCosts, page)
    return services


async def test_statistics_are_those_of_the_specification(admin: httpx.AsyncClient, costs: FakeServices):
    await costs.answer(GetStatistics, StatisticsView(total_users=42, api_calls=1234))
    await costs.answer(CountSessions, {"active": 1, "processing": 2, "waiting": 4, "paused": 8, "created": 16})
    assert (await admin.get(f"{ADMIN}/stats")).json() == {
        "total_users": 42,
        "total_sessions": 31,
        "active_sessions": 7,
        "total_api_calls_today": 1234,
        "total_cost_today_usd": 15.67,
    }
    today = clock.now().date()
    [query] = costs.of(ListCosts)
    assert (query.first_day, query.last_day, costs.of(GetStatistics)[0].day) == (today, today, today)


async def test_statistics_without_a_service_are_503(admin: httpx.AsyncClient, costs: FakeServices):
    await costs.answer(CountSessions, {})
    assert (await admin.get(f"{ADMIN}/stats")).status_code == 503


async def test_accounts_are_listed_with_the_fields_of_the_specification(
    admin: httpx.AsyncClient, services: FakeServices
):
    await services.answer(ListUsers, Page(items=[samples.user()], total=1))
    body = (await admin.get(f"{ADMIN}/users")).json()
    assert (body["total"], body["links"]) == (1, {"next": None, "prev": None})
    assert body["items"] == [
        {
            "id": USER,
            "email": "ada@example.com",
            "username": "ada",
            "full_name": "Ada Lovelace",
            "role": "user",
            "is_active": True,
            "is_service_account": False,
            "quotas": dict.fromkeys(Quotas.model_fields) | {"concurrent_runs": 10},
            "created_at": TIME,
            "last_login_at": TIME,
        }
    ]


async def test_filters_of_accounts_reach_the_service_and_the_links(admin: httpx.AsyncClient, services: FakeServices):
    await services.answer(ListUsers, Page(items=[samples.user()], total=3, more=True))
    filters = "role=viewer&is_active=false&is_service_account=true&q=ÄDA"
    response = await admin.get(f"{ADMIN}/users?limit=1&{filters}")
    assert services.of(ListUsers) == [
        ListUsers(role="viewer", is_active=False, is_service_account=True, search="äda", limit=1)
    ]
    await admin.get(response.json()["links"]["next"])
    assert services.of(ListUsers)[1] == services.of(ListUsers)[0].model_copy(update={"skip": 1})


@each("query", ["role=root", "is_active=x", "q=", "q=%00", f"q={'x' * 321}", f"skip=1&after={USER}", "email=a"])
async def test_wrong_filters_of_accounts_are_422(admin: httpx.AsyncClient, query: str):
    assert (await admin.get(f"{ADMIN}/users?{query}")).status_code == 422


async def test_one_account_is_returned(admin: httpx.AsyncClient, services: FakeServices):
    await services.answer(GetUser, samples.user())
    response = await admin.get(f"{ADMIN}/users/{USER}")
    assert (response.status_code, response.json()["email"]) == (200, "ada@example.com")


async def test_an_unknown_account_is_404(admin: httpx.AsyncClient, services: FakeServices):
    await services.answer(GetUser, Refused(code=Code.USER_NOT_FOUND, detail="There is no user."))
    assert (await admin.get(f"{ADMIN}/users/{SESSION}")).status_code == 404


async def test_sessions_of_one_user_are_listed(admin: httpx.AsyncClient, services: FakeServices):
    await services.answer(ListSessions, Page(items=[samples.session()], total=2, more=True))
    body = (await admin.get(f"{ADMIN}/sessions?user_id={USER}&status=active&limit=1")).json()
    assert [item["user_id"] for item in body["items"]] == [USER]
    assert services.of(ListSessions) == [ListSessions.model_validate({"user_id": USER, "status": "active", "limit": 1})]
    assert body["links"]["next"] == f"{ADMIN}/sessions?skip=1&limit=1&status=active&user_id={USER}"


async def test_the_list_of_own_sessions_has_no_filter_by_user(client: httpx.AsyncClient):
    assert (await client.get(f"/api/v1/sessions?user_id={USER}")).status_code == 422


async def test_costs_are_shown_with_their_sums_and_period(admin: httpx.AsyncClient, costs: FakeServices):
    path = f"{ADMIN}/costs?by=user&from=2026-10-01&to=2026-10-31&user_id={USER}&model=sonnet&template_id={SESSION}"
    body = (await admin.get(f"{path}&limit=1")).json()
    assert costs.of(ListCosts) == [
        ListCosts.model_validate(
            {
                "by": "user",
                "first_day": "2026-10-01",
                "last_day": "2026-10-31",
                "limit": 1,
                "user_id": USER,
                "model": "sonnet",
                "template_id": SESSION,
            }
        )
    ]
    assert body["items"] == [{"key": USER, **SHOWN}]
    assert (body["sums"], body["total"]) == (SHOWN, 2)
    assert (body["by"], body["from"], body["to"]) == ("user", "2026-10-01", "2026-10-31")


async def test_the_next_page_of_costs_has_the_same_period(admin: httpx.AsyncClient, costs: FakeServices):
    body = (await admin.get(f"{ADMIN}/costs?by=model&from=2026-10-01&to=2026-10-31&limit=1")).json()
    await admin.get(body["links"]["next"])
    first, second = costs.of(ListCosts)
    assert second == first.model_copy(update={"skip": 1})


@each(("query", "days"), [("", 30), ("to=2026-10-31", 30), ("from=2026-10-31&to=2026-10-31", 1)])
async def test_a_period_has_thirty_days_by_default(
    admin: httpx.AsyncClient, costs: FakeServices, query: str, days: int
):
    await admin.get(f"{ADMIN}/costs?{query}")
    [asked] = costs.of(ListCosts)
    assert asked.last_day - asked.first_day == timedelta(days=days - 1)
    assert asked.last_day == (date(2026, 10, 31) if query else clock.now().date())


@each(
    "query",
    [
        *(
            "by=session",
            "by=",
            "from=yesterday",
            "from=5",
            "from=20261101",
            "from=2026-W40-1",
            "from=2026-02-30",
            "to=1999-12-31",
            "to=2100-01-01",
            "from=",
        ),
        *("from=2026-11-02&to=2026-11-01", "user_id=x", "model=", "model=%00", "skip=-1", "limit=101", "after=x"),
    ],
)
async def test_wrong_parameters_of_costs_are_422(admin: httpx.AsyncClient, query: str):
    assert (await admin.get(f"{ADMIN}/costs?{query}")).status_code == 422


async def test_every_request_but_probes_is_counted_as_a_call(client: httpx.AsyncClient, harness: Harness):
    for path in ("/api/v1/nothing", "/api/v1/sessions?x=1", "/health", "/metrics"):
        await client.get(path)
    assert harness.gateway.api_calls.totals == {clock.now().date(): 2}


async def test_calls_are_reported_as_totals_until_they_are_stored(
    client: httpx.AsyncClient, harness: Harness, services: FakeServices
):
    await client.get("/api/v1/nothing")
    await harness.gateway.api_calls.report_last()  # identity does not answer
    await services.answer(RecordApiCalls, None)
    for _ in range(2):
        await client.get("/api/v1/nothing")
        await harness.gateway.api_calls.report_last()
    await harness.gateway.api_calls.report_last()  # nothing new
    assert [report.calls for report in services.of(RecordApiCalls)] == [{clock.now().date(): n} for n in (2, 3)]
    assert {report.process_id for report in services.of(RecordApiCalls)} == {harness.gateway.api_calls.process_id}


async def test_days_that_are_over_are_reported_once_more(harness: Harness, services: FakeServices):
    await services.answer(RecordApiCalls, None)
    today = clock.now().date()
    calls = harness.gateway.api_calls
    calls.totals = {today - timedelta(days=age): age + 1 for age in range(5)}
    await calls.report_last()
    assert (sorted(services.of(RecordApiCalls)[0].calls.values()), calls.totals) == ([1, 2, 3], {today: 1})


async def test_calls_of_a_day_that_begins_during_a_report_are_kept(harness: Harness, services: FakeServices):
    calls, yesterday = harness.gateway.api_calls, clock.now().date() - timedelta(days=1)
    calls.totals = {yesterday: 5}
    await services.answer_with(RecordApiCalls, lambda _: calls.count())
    await calls.report_last()
    assert calls.totals == {yesterday: 5, clock.now().date(): 1}


async def test_calls_are_reported_regularly(harness: Harness, services: FakeServices, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(api_calls, "REPORT_SECONDS", 0)
    await services.answer(RecordApiCalls, None)
    harness.gateway.api_calls.count()
    await harness.gateway.api_calls.stay_reported()
    await eventually(lambda: services.of(RecordApiCalls))
