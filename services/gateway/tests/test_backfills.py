"""The routes of backfills."""

from datetime import UTC, datetime
from typing import Any

import httpx
from contracts.messages import Page, Refused
from contracts.refusals import Code
from contracts.samples import BACKFILL, TASK
from contracts.task_scheduler.backfill import CancelBackfill, GetBackfill, ListBackfills, StartBackfill

from services.gateway.tests import samples
from services.gateway.tests.cases import each
from services.gateway.tests.fake_services import FakeServices

START = f"/api/v1/tasks/{TASK}/backfill"
BACKFILLS = f"/api/v1/tasks/{TASK}/backfills"
ONE = f"{BACKFILLS}/{BACKFILL}"
PERIOD: dict[str, Any] = {"from": "2026-11-01T00:00:00Z", "to": "2026-11-08T00:00:00Z"}


async def test_a_started_backfill_is_returned_with_its_location(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(StartBackfill, samples.backfill())
    response = await client.post(START, json=PERIOD)
    assert (response.status_code, response.headers["location"]) == (202, ONE)
    assert {name: response.json()[name] for name in PERIOD} == PERIOD
    assert (response.json()["total"], response.json()["done"]) == (7, 2)


async def test_times_of_a_backfill_are_converted_to_utc(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(StartBackfill, samples.backfill())
    await client.post(START, json=PERIOD | {"from": "2026-11-01T01:30:00+01:00", "rerun": True})
    command, _ = services.received[-1]
    assert (command.from_at, command.rerun) == (datetime(2026, 11, 1, 0, 30, tzinfo=UTC), True)


@each(
    "wrong",
    [
        {"from": None},
        {"from": "yesterday"},
        {"from": "2026-11-01"},
        {"from": "2026-11-01T00:00:00"},
        {"from": "0001-01-01T00:00:00+14:00"},
        {"to": "9999-12-31T23:59:59-14:00"},
        {"to": 1_764_147_600},
        {"rerun": "yes"},
        {"from_at": "2026-11-01T00:00:00Z"},
    ],
)
async def test_an_invalid_backfill_is_422(client: httpx.AsyncClient, wrong: dict[str, Any]):
    response = await client.post(START, json=PERIOD | wrong)
    assert (response.status_code, response.json()["errors"][0]["loc"]) == (422, ["body", *wrong])


async def test_an_invalid_time_is_explained(client: httpx.AsyncClient):
    response = await client.post(START, json=PERIOD | {"to": "tomorrow"})
    assert response.json()["detail"].startswith("to: Must be a time with its UTC offset")


async def test_backfills_are_listed(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(ListBackfills, Page(items=[samples.backfill()], total=3))
    page = (await client.get(BACKFILLS, params={"skip": 1, "limit": 1})).json()
    assert ([item["id"] for item in page["items"]], page["total"]) == ([BACKFILL], 3)
    assert page["links"]["next"] == f"{BACKFILLS}?skip=2&limit=1"


async def test_a_backfill_is_returned(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(GetBackfill, samples.backfill(status="completed"))
    assert (await client.get(ONE)).json()["status"] == "completed"


async def test_a_cancelled_backfill_is_returned(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(CancelBackfill, samples.backfill(status="cancelled"))
    response = await client.post(f"{ONE}/cancel")
    assert (response.status_code, response.json()["status"]) == (200, "cancelled")


@each(
    ("method", "path", "kind", "code", "status"),
    [
        ("POST", START, StartBackfill, Code.TASK_NOT_FOUND, 404),
        ("POST", START, StartBackfill, Code.NO_SCHEDULE, 422),
        ("POST", START, StartBackfill, Code.BACKFILL_PERIOD_INVALID, 422),
        ("POST", START, StartBackfill, Code.BACKFILL_TOO_LARGE, 422),
        ("POST", START, StartBackfill, Code.NOTHING_TO_BACKFILL, 422),
        ("POST", START, StartBackfill, Code.BACKFILL_RUNNING, 409),
        ("GET", BACKFILLS, ListBackfills, Code.TASK_NOT_FOUND, 404),
        ("GET", ONE, GetBackfill, Code.BACKFILL_NOT_FOUND, 404),
        ("POST", f"{ONE}/cancel", CancelBackfill, Code.BACKFILL_NOT_FOUND, 404),
        ("POST", f"{ONE}/cancel", CancelBackfill, Code.BACKFILL_OVER, 409),
    ],
)
async def test_a_refusal_about_a_backfill_is_a_problem(
    client: httpx.AsyncClient, services: FakeServices, method: str, path: str, kind: Any, code: Code, status: int
):
    await services.answer(kind, Refused(code=code, detail="No."))
    response = await client.request(method, path, json=PERIOD if path == START else None)
    assert (response.status_code, response.json()["error_code"]) == (status, code)
