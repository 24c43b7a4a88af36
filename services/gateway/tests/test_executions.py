"""The routes of executions of tasks."""

from typing import Any
from uuid import UUID

import httpx
from contracts.messages import Page, Refused
from contracts.refusals import Code
from contracts.samples import BACKFILL, EXECUTION, SESSION, TASK
from contracts.task_scheduler.execution import (
    CancelExecution,
    ExecuteTask,
    GetExecution,
    ListExecutions,
    RetryExecution,
)

from services.gateway.tests import samples
from services.gateway.tests.cases import each
from services.gateway.tests.fake_services import OTHER, FakeServices

EXECUTE = f"/api/v1/tasks/{TASK}/execute"
EXECUTIONS = f"/api/v1/tasks/{TASK}/executions"
ONE = f"{EXECUTIONS}/{EXECUTION}"


@each(("body", "variables"), [(None, {}), ({}, {}), ({"variables": {"date": "2025-10-19"}}, {"date": "2025-10-19"})])
async def test_an_execution_is_started(client: httpx.AsyncClient, services: FakeServices, body: Any, variables: Any):
    await services.answer(ExecuteTask, samples.execution(status="running", trigger="manual"))
    response = await client.post(EXECUTE, json=body)
    assert (response.status_code, response.headers["location"]) == (200, ONE)
    assert response.json() == {
        "execution_id": EXECUTION,
        "session_id": SESSION,
        "status": "running",
        "started_at": "2026-11-25T09:00:00Z",
    }
    assert services.received[-1][0].variables == variables


async def test_a_waiting_execution_has_no_session(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(ExecuteTask, samples.execution(status="pending", session_id=None, started_at=None))
    body = (await client.post(EXECUTE)).json()
    assert (body["status"], body["session_id"], body["started_at"]) == ("pending", None, None)


RENDER = [(Code.VARIABLES_MISSING, 422), (Code.TEMPLATE_INVALID, 422), (Code.TEMPLATE_TOO_EXPENSIVE, 422)]


@each(("code", "status"), [*RENDER, (Code.TASK_NOT_FOUND, 404), (Code.TASK_BUSY, 409)])
async def test_a_refused_execution_is_a_problem(
    client: httpx.AsyncClient, services: FakeServices, code: Code, status: int
):
    await services.answer(ExecuteTask, Refused(code=code, detail="No."))
    response = await client.post(EXECUTE)
    assert (response.status_code, response.json()["error_code"]) == (status, code)


@each("wrong", [{"variables": None}, {"variables": {"a b": 1}}, {"variable": {}}, [], "x"])
async def test_invalid_variables_of_an_execution_are_422(client: httpx.AsyncClient, wrong: Any):
    assert (await client.post(EXECUTE, json=wrong)).status_code == 422


async def test_executions_are_listed_with_their_duration(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(ListExecutions, Page(items=[samples.execution_summary()], total=1))
    [execution] = (await client.get(EXECUTIONS)).json()["items"]
    assert (execution["id"], execution["status"], execution["duration_ms"]) == (EXECUTION, "completed", 330_000)
    assert execution["usage"]["cost_usd"] == 0.0012


@each("missing", ["started_at", "completed_at"])
async def test_an_execution_that_has_not_started_or_ended_has_no_duration(
    client: httpx.AsyncClient, services: FakeServices, missing: str
):
    await services.answer(GetExecution, samples.execution(**{missing: None}))
    assert (await client.get(ONE)).json()["duration_ms"] is None


async def test_executions_are_listed_with_their_filters(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(ListExecutions, Page(items=[samples.execution_summary()], total=7, more=True))
    query = {"status": "timed_out", "trigger": "backfill", "backfill_id": BACKFILL, "limit": 1, "after": str(OTHER)}
    page = (await client.get(EXECUTIONS, params=query)).json()
    assert services.received[-1][0] == ListExecutions.model_validate({"task_id": TASK, **query})
    filters = f"status=timed_out&trigger=backfill&backfill_id={BACKFILL}"
    assert page["links"]["next"] == f"{EXECUTIONS}?limit=1&after={EXECUTION}&{filters}"


@each("query", ["status=stuck", "trigger=cron", "backfill_id=x", "limit=101", "state=failed"])
async def test_invalid_parameters_of_a_list_of_executions_are_422(client: httpx.AsyncClient, query: str):
    assert (await client.get(f"{EXECUTIONS}?{query}")).status_code == 422


async def test_an_execution_is_returned_with_its_prompt(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(GetExecution, samples.execution())
    body = (await client.get(ONE)).json()
    assert (body["prompt"], body["variables"]) == ("Analyze logs from 2026-11-25", {"date": "2026-11-25"})


async def test_a_cancelled_execution_is_returned(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(CancelExecution, samples.execution(status="cancelled"))
    response = await client.post(f"{ONE}/cancel")
    assert (response.status_code, response.json()["status"]) == (200, "cancelled")


async def test_a_retry_starts_another_execution(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(RetryExecution, samples.execution(id=str(OTHER), status="running"))
    response = await client.post(f"{ONE}/retry")
    command, _ = services.received[-1]
    assert (command.retry_of, command.execution_id == command.retry_of) == (UUID(EXECUTION), False)
    assert (response.status_code, response.json()["execution_id"]) == (200, str(OTHER))
    assert response.headers["location"] == f"{EXECUTIONS}/{OTHER}"


@each(
    ("method", "path", "kind", "code", "status"),
    [
        ("GET", EXECUTIONS, ListExecutions, Code.TASK_NOT_FOUND, 404),
        ("GET", EXECUTIONS, ListExecutions, Code.EXECUTION_NOT_FOUND, 404),
        ("GET", ONE, GetExecution, Code.TASK_NOT_FOUND, 404),
        ("GET", ONE, GetExecution, Code.EXECUTION_NOT_FOUND, 404),
        ("POST", f"{ONE}/cancel", CancelExecution, Code.EXECUTION_NOT_FOUND, 404),
        ("POST", f"{ONE}/cancel", CancelExecution, Code.EXECUTION_OVER, 409),
        ("POST", f"{ONE}/retry", RetryExecution, Code.EXECUTION_NOT_FOUND, 404),
        ("POST", f"{ONE}/retry", RetryExecution, Code.EXECUTION_NOT_OVER, 409),
        ("POST", f"{ONE}/retry", RetryExecution, Code.TASK_BUSY, 409),
    ],
)
async def test_a_refusal_about_an_execution_is_a_problem(
    client: httpx.AsyncClient, services: FakeServices, method: str, path: str, kind: Any, code: Code, status: int
):
    await services.answer(kind, Refused(code=code, detail="No."))
    response = await client.request(method, path)
    assert (response.status_code, response.json()["error_code"]) == (status, code)
