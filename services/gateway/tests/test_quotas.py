"""The routes of usage, and the problems of quotas."""

from typing import Any

import httpx
from contracts.identity.user import GetUser
from contracts.messages import Refused
from contracts.refusals import Code
from contracts.samples import SESSION, USER
from contracts.session.quota import GetUsage, UsageView
from contracts.session.session import CreateSession

from services.gateway.tests import samples
from services.gateway.tests.cases import each
from services.gateway.tests.fake_services import FakeServices
from services.gateway.tests.harness import Harness

RESETS = "2026-12-01T00:00:00Z"
USAGE: dict[str, Any] = {
    "user_id": USER,
    "concurrent_runs": {"used": 2, "limit": 5, "resets_at": None},
    "sessions_per_month": {"used": 40, "limit": None, "resets_at": RESETS},
    "budget_per_month_usd": {"used": 12.5, "limit": 50.0, "resets_at": RESETS},
    "storage_bytes": {"used": 4096, "limit": 1048576, "resets_at": None},
}
NEW_SESSION = {"name": "one", "mode": "interactive"}


def refused(quota: str, retry_after: int | None = None) -> Refused:
    data: dict[str, Any] = {"quota": quota, "limit": 5, "used": 5, "resets_at": RESETS}
    return Refused(code=Code.QUOTA_EXCEEDED, detail="No.", retry_after=retry_after, data=data)


async def test_the_own_usage_has_the_limits_of_the_own_role(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(GetUsage, UsageView.model_validate(USAGE))
    response = await client.get("/api/v1/auth/me/usage")
    assert (response.status_code, response.json()) == (200, USAGE)
    [query] = services.of(GetUsage)
    assert (str(query.user_id), query.role) == (USER, "user")


async def test_an_administrator_reads_the_usage_of_a_user(harness: Harness, services: FakeServices):
    await services.answer(GetUser, samples.user(role="viewer"))
    await services.answer(GetUsage, UsageView.model_validate(USAGE))
    async with harness.client("admin") as admin:
        response = await admin.get(f"/api/v1/admin/users/{SESSION}/usage")
    assert (response.status_code, response.json()) == (200, USAGE)
    [query] = services.of(GetUsage)
    assert (str(query.user_id), query.role) == (SESSION, "viewer")


@each("quota", ["concurrent_runs", "sessions_per_month"])
async def test_a_quota_that_frees_itself_is_429(client: httpx.AsyncClient, services: FakeServices, quota: str):
    await services.answer(CreateSession, refused(quota, retry_after=60))
    response = await client.post("/api/v1/sessions", json=NEW_SESSION)
    problem = response.json()
    assert (response.status_code, problem["status"], problem["error_code"]) == (429, 429, "QUOTA_EXCEEDED")
    assert (problem["quota"], problem["limit"], problem["used"], problem["resets_at"]) == (quota, 5, 5, RESETS)
    assert (problem["retry_after"], response.headers["retry-after"]) == (60, "60")


@each("quota", ["budget_per_month_usd", "storage_bytes"])
async def test_a_quota_that_does_not_free_itself_is_409(client: httpx.AsyncClient, services: FakeServices, quota: str):
    await services.answer(CreateSession, refused(quota))
    response = await client.post("/api/v1/sessions", json=NEW_SESSION)
    assert (response.status_code, response.json()["quota"]) == (409, quota)
    assert "retry-after" not in response.headers
