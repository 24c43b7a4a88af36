"""Quotas that administrators set for a user."""

from decimal import Decimal
from typing import Any

import httpx
import pytest
from contracts.identity.user import ChangeUser, GetUser
from contracts.identity.values import Quotas
from contracts.samples import USER

from services.gateway.tests import samples
from services.gateway.tests.cases import each
from services.gateway.tests.fake_services import FakeServices
from services.gateway.tests.harness import Harness

PATH = f"/api/v1/admin/users/{USER}"
NO_QUOTAS = dict.fromkeys(Quotas.model_fields)


@pytest.fixture
async def admin(harness: Harness):
    async with harness.client("admin") as client:
        yield client


async def test_only_the_quotas_that_are_sent_are_changed(admin: httpx.AsyncClient, services: FakeServices):
    await services.answer(ChangeUser, samples.user())
    body = {"quotas": {"concurrent_runs": 0, "budget_per_month_usd": 0.1, "storage_bytes": None}}
    assert (await admin.patch(PATH, json=body)).status_code == 200
    [command] = services.of(ChangeUser)
    assert command.quotas
    assert command.quotas == Quotas(concurrent_runs=0, budget_per_month_usd=Decimal("0.1"))
    assert command.quotas.model_fields_set == {"concurrent_runs", "budget_per_month_usd", "storage_bytes"}


async def test_a_change_expects_the_account_that_was_read(admin: httpx.AsyncClient, services: FakeServices):
    services.version = 5
    await services.answer(GetUser, samples.user())
    await services.answer(ChangeUser, samples.user())
    headers = {"if-match": (await admin.get(PATH)).headers["etag"]}
    assert (await admin.patch(PATH, json={"role": "viewer"}, headers=headers)).status_code == 200
    assert services.received[-1][1].expected_versions == (5,)


async def test_a_change_without_quotas_leaves_them(admin: httpx.AsyncClient, services: FakeServices):
    await services.answer(ChangeUser, samples.user())
    await admin.patch(PATH, json={"role": "viewer"})
    [command] = services.of(ChangeUser)
    assert command.quotas is None


async def test_the_quotas_of_an_account_are_shown(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(GetUser, samples.user(quotas={"budget_per_month_usd": "2.50"}))
    body = (await client.get("/api/v1/auth/me")).json()
    assert body["quotas"] == NO_QUOTAS | {"budget_per_month_usd": 2.5}


@each(
    "wrong",
    [
        {"concurrent_runs": -1},
        {"concurrent_runs": 10_001},
        {"concurrent_runs": True},
        {"concurrent_runs": "5"},
        {"concurrent_runs": 1.5},
        {"sessions_per_month": 10**9},
        {"storage_bytes": 2**50 + 1},
        {"budget_per_month_usd": -0.01},
        {"budget_per_month_usd": 1_000_001},
        {"budget_per_month_usd": "5"},
        {"budget_per_month_usd": 0.0000001},
        {"runs": 5},
    ],
)
async def test_a_wrong_quota_is_422_and_named(admin: httpx.AsyncClient, wrong: dict[str, Any]):
    response = await admin.patch(PATH, json={"quotas": wrong})
    assert response.status_code == 422
    assert response.json()["errors"][0]["loc"][:3] == ["body", "quotas", next(iter(wrong))]


@each("value", ["NaN", "Infinity"])
async def test_a_budget_that_is_no_number_is_an_error(admin: httpx.AsyncClient, value: str):
    content = f'{{"quotas": {{"budget_per_month_usd": {value}}}}}'
    response = await admin.patch(PATH, content=content, headers={"content-type": "application/json"})
    assert response.status_code in {400, 422}


@each("wrong", [None, 5, [], "all"])
async def test_quotas_have_to_be_an_object(admin: httpx.AsyncClient, wrong: Any):
    assert (await admin.patch(PATH, json={"quotas": wrong})).status_code == 422
