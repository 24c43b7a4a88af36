"""The routes of tasks."""

from typing import Any
from uuid import UUID

import httpx
import pytest
from contracts.messages import Page, Refused
from contracts.refusals import Code
from contracts.samples import TASK, TEMPLATE
from contracts.session.session import CheckOptions
from contracts.session.values import SdkOptions
from contracts.task_scheduler.task import (
    ChangeTask,
    CreateTask,
    DeleteTask,
    GetTask,
    ListNextRuns,
    ListTasks,
    PauseTask,
    RenderPrompt,
    ResumeTask,
)
from contracts.task_scheduler.task_view import NextRuns, RenderedPrompt

from services.gateway.tests import samples
from services.gateway.tests.cases import each
from services.gateway.tests.fake_services import FakeServices

TASKS = "/api/v1/tasks"
ONE = f"{TASKS}/{TASK}"
BODY: dict[str, Any] = {"name": "Daily", "prompt_template": "Analyze logs from {{date}}"}


@pytest.fixture(autouse=True)
async def accepting(services: FakeServices) -> None:
    await services.answer(CheckOptions, None)
    await services.answer(CreateTask, samples.task())
    await services.answer(ChangeTask, samples.task())


async def test_a_created_task_is_returned_with_its_location(client: httpx.AsyncClient):
    response = await client.post(TASKS, json=BODY)
    body = response.json()
    assert (response.status_code, response.headers["location"]) == (201, ONE)
    assert (body["id"], body["schedule_cron"], body["next_run_at"]) == (TASK, "0 9 * * *", "2026-11-26T09:00:00Z")


async def test_options_are_checked_before_a_task_is_created(client: httpx.AsyncClient, services: FakeServices):
    body = BODY | {"sdk_options": {"model": "m"}, "template_id": TEMPLATE}
    assert (await client.post(TASKS, json=body)).status_code == 201
    [check] = services.of(CheckOptions)
    assert check == CheckOptions(sdk_options=SdkOptions(model="m"), template_id=UUID(TEMPLATE))


@each(
    ("code", "status"),
    [
        (Code.ADMINS_ONLY, 403),
        (Code.MODEL_NOT_ALLOWED, 422),
        (Code.TEMPLATE_NOT_FOUND, 404),
    ],
)
@each("method", ["POST", "PATCH"])
async def test_refused_options_prevent_the_command(
    client: httpx.AsyncClient, services: FakeServices, code: Code, status: int, method: str
):
    await services.answer(CheckOptions, Refused(code=code, detail="sdk_options.model: no."))
    body = {"sdk_options": {"model": "m"}} | (BODY if method == "POST" else {})
    response = await client.request(method, TASKS if method == "POST" else ONE, json=body)
    assert (response.status_code, response.json()["error_code"]) == (status, code)
    assert services.of(CreateTask, ChangeTask) == []


async def test_tasks_are_listed_with_their_filters(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(ListTasks, Page(items=[samples.task_summary()], total=9))
    query = {"is_active": "true", "is_scheduled": "false", "q": "logs", "skip": 3, "limit": 1}
    body = (await client.get(TASKS, params=query)).json()
    assert services.received[-1][0] == ListTasks(is_active=True, is_scheduled=False, q="logs", skip=3, limit=1)
    assert body["total"] == 9
    assert body["links"]["next"] == f"{TASKS}?skip=4&limit=1&is_active=true&is_scheduled=false&q=logs"
    assert "prompt_template" not in body["items"][0]


@each("query", ["q=", "q=%00", "is_active=maybe", "limit=0", "is_actve=true", "skip=10001"])
async def test_invalid_parameters_of_a_list_of_tasks_are_422(client: httpx.AsyncClient, query: str):
    assert (await client.get(f"{TASKS}?{query}")).status_code == 422


async def test_a_task_is_returned_with_its_definition(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(GetTask, samples.task())
    body = (await client.get(ONE)).json()
    assert (body["prompt_template"], body["mode"]) == ("Analyze logs from {{date}}", "non_interactive")


async def test_a_change_of_a_task_contains_only_the_sent_fields(client: httpx.AsyncClient, services: FakeServices):
    response = await client.patch(ONE, json={"name": "New", "sdk_options": {"model": None}})
    changes = services.received[-1][0].changes
    assert response.status_code == 200
    assert changes.model_fields_set == {"name", "sdk_options"}
    assert changes.sdk_options.model_fields_set == {"model"}


NULLABLE = ["template_id", "allowed_tools", "schedule_cron", "start_deadline_seconds", "timeout_seconds"]


@each("name", NULLABLE)
async def test_null_clears_a_field_that_may_be_null(client: httpx.AsyncClient, services: FakeServices, name: str):
    assert (await client.patch(ONE, json={name: None})).status_code == 200
    assert services.received[-1][0].changes.model_dump(exclude_unset=True) == {name: None}


async def test_a_change_without_options_checks_none(client: httpx.AsyncClient, services: FakeServices):
    await client.patch(ONE, json={"name": "New"})
    assert services.of(CheckOptions) == []


async def test_a_changed_template_is_checked(client: httpx.AsyncClient, services: FakeServices):
    await client.patch(ONE, json={"template_id": TEMPLATE})
    assert services.of(CheckOptions) == [CheckOptions(sdk_options=SdkOptions(), template_id=UUID(TEMPLATE))]


@each(("verb", "kind", "active"), [("pause", PauseTask, False), ("resume", ResumeTask, True)])
async def test_a_task_is_paused_and_resumed(
    client: httpx.AsyncClient, services: FakeServices, verb: str, kind: Any, active: bool
):
    await services.answer(kind, samples.task(is_active=active))
    response = await client.post(f"{ONE}/{verb}")
    assert (response.status_code, response.json()["is_active"]) == (200, active)


async def test_a_task_is_deleted(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(DeleteTask, None)
    assert (await client.delete(ONE)).status_code == 204


@each(("body", "variables"), [(None, {}), ({"variables": {"date": "today"}}, {"date": "today"})])
async def test_a_prompt_is_rendered(client: httpx.AsyncClient, services: FakeServices, body: Any, variables: Any):
    await services.answer(RenderPrompt, RenderedPrompt(prompt="Analyze", variables={"date": "today"}))
    response = await client.post(f"{ONE}/render", json=body)
    assert (response.status_code, response.json()) == (200, {"prompt": "Analyze", "variables": {"date": "today"}})
    assert services.received[-1][0].variables == variables


@each("code", [Code.VARIABLES_MISSING, Code.TEMPLATE_INVALID, Code.TEMPLATE_TOO_EXPENSIVE])
async def test_a_prompt_that_cannot_be_rendered_is_422(client: httpx.AsyncClient, services: FakeServices, code: Code):
    await services.answer(RenderPrompt, Refused(code=code, detail="No."))
    response = await client.post(f"{ONE}/render")
    assert (response.status_code, response.json()["error_code"]) == (422, code)


@each(("query", "count"), [("", 10), ("?count=3", 3)])
async def test_the_next_runs_are_listed(client: httpx.AsyncClient, services: FakeServices, query: str, count: int):
    runs = {"schedule_cron": "@daily", "schedule_timezone": "UTC", "items": ["2026-11-26T00:00:00Z"]}
    await services.answer(ListNextRuns, NextRuns.model_validate(runs))
    response = await client.get(f"{ONE}/next-runs{query}")
    assert (response.status_code, response.json()) == (200, runs)
    assert services.received[-1][0].count == count


@each("query", ["count=0", "count=101", "count=x", "number=1"])
async def test_invalid_parameters_of_next_runs_are_422(client: httpx.AsyncClient, query: str):
    assert (await client.get(f"{ONE}/next-runs?{query}")).status_code == 422


@each(
    ("method", "path", "kind"),
    [
        ("GET", ONE, GetTask),
        ("PATCH", ONE, ChangeTask),
        ("DELETE", ONE, DeleteTask),
        ("POST", f"{ONE}/pause", PauseTask),
        ("POST", f"{ONE}/resume", ResumeTask),
        ("POST", f"{ONE}/render", RenderPrompt),
        ("GET", f"{ONE}/next-runs", ListNextRuns),
    ],
)
async def test_another_users_task_is_404(
    client: httpx.AsyncClient, services: FakeServices, method: str, path: str, kind: Any
):
    await services.answer(kind, Refused(code=Code.TASK_NOT_FOUND, detail="There is no such task."))
    response = await client.request(method, path, json={} if method == "PATCH" else None)
    assert (response.status_code, response.json()["error_code"]) == (404, "TASK_NOT_FOUND")
