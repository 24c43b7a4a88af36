"""Runs: listed, cancelled; sessions: interrupted, paused, resumed."""

from typing import Any

import httpx
import pytest
from contracts.messages import Page, Refused
from contracts.refusals import Code
from contracts.samples import RUN, SESSION
from contracts.session.run import CancelRun, InterruptSession, ListRuns
from contracts.session.session import PauseSession, ResumeSession

from services.gateway.tests import samples
from services.gateway.tests.door import Door
from services.gateway.tests.stand_ins import Services

ONE = f"/api/v1/sessions/{SESSION}"
RUNS = f"{ONE}/runs"


async def test_runs_are_listed(client: httpx.AsyncClient, services: Services):
    await services.answer(
        ListRuns, Page(items=[samples.run_summary(status="failed", error_code="MODEL_ERROR")], total=1)
    )
    [run] = (await client.get(RUNS)).json()["items"]
    assert (run["id"], run["status"], run["error_code"], run["attempt"]) == (RUN, "failed", "MODEL_ERROR", 1)
    assert run["usage"]["cost_usd"] == 0.0012


async def test_a_list_of_runs_is_filtered_and_its_links_keep_the_filter(client: httpx.AsyncClient, services: Services):
    await services.answer(ListRuns, Page(items=[samples.run_summary()], total=7))
    page = (await client.get(RUNS, params={"status": "queued", "skip": 2, "limit": 1})).json()
    query, _ = services.heard[-1]
    assert (query.status, query.skip, query.limit, page["total"]) == ("queued", 2, 1, 7)
    assert page["links"]["next"] == f"{RUNS}?skip=3&limit=1&status=queued"


@pytest.mark.parametrize("wrong", [{"status": "stuck"}, {"limit": 101}, {"skip": -1}])
async def test_a_list_of_runs_that_cannot_be_is_422(client: httpx.AsyncClient, wrong: dict[str, Any]):
    assert (await client.get(RUNS, params=wrong)).status_code == 422


async def test_a_cancelled_run_is_answered(client: httpx.AsyncClient, services: Services):
    await services.answer(CancelRun, samples.run(status="cancelled", error_code="RUN_CANCELLED"))
    answer = await client.post(f"{RUNS}/{RUN}/cancel")
    assert (answer.status_code, answer.json()["id"], answer.json()["status"]) == (200, RUN, "cancelled")


@pytest.mark.parametrize(
    ("code", "status"), [(Code.RUN_OVER, 409), (Code.RUN_NOT_FOUND, 404), (Code.SESSION_NOT_FOUND, 404)]
)
async def test_a_run_that_cannot_be_cancelled_is_a_problem(
    client: httpx.AsyncClient, services: Services, code: Code, status: int
):
    await services.answer(CancelRun, Refused(code=code, detail="No."))
    answer = await client.post(f"{RUNS}/{RUN}/cancel")
    assert (answer.status_code, answer.json()["error_code"]) == (status, code)


@pytest.mark.parametrize(
    ("verb", "kind", "status"),
    [("interrupt", InterruptSession, "active"), ("pause", PauseSession, "paused"), ("resume", ResumeSession, "active")],
)
async def test_a_session_is_interrupted_paused_and_resumed(
    client: httpx.AsyncClient, services: Services, verb: str, kind: Any, status: Any
):
    await services.answer(kind, samples.session(status=status))
    answer = await client.post(f"{ONE}/{verb}")
    assert (answer.status_code, answer.json()["id"], answer.json()["status"]) == (200, SESSION, status)


async def test_interrupting_where_no_run_is_going_is_409(client: httpx.AsyncClient, services: Services):
    await services.answer(InterruptSession, Refused(code=Code.NOTHING_TO_INTERRUPT, detail="No run is going."))
    answer = await client.post(f"{ONE}/interrupt")
    assert (answer.status_code, answer.json()["error_code"]) == (409, "NOTHING_TO_INTERRUPT")


@pytest.mark.parametrize("path", [f"{RUNS}/{RUN}/cancel", f"{ONE}/interrupt", f"{ONE}/pause", f"{ONE}/resume"])
async def test_a_viewer_only_reads(door: Door, path: str):
    async with door.client("viewer") as viewer:
        assert (await viewer.post(path)).status_code == 403
