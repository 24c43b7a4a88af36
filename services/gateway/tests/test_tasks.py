"""The routes of tasks."""

import json
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
    NextRuns,
    PauseTask,
    RenderedPrompt,
    RenderPrompt,
    ResumeTask,
)

from services.gateway.tests import samples
from services.gateway.tests.fake_services import FakeServices

TASKS = "/api/v1/tasks"
ONE = f"{TASKS}/{TASK}"
BODY: dict[str, Any] = {"name": "Daily", "prompt_template": "Analyze logs from {{date}}"}


@pytest.fixture(autouse=True)
async def accepting(services: FakeServices) -> None:
    await services.answer(CheckOptions, None)
    await services.answer(CreateTask, samples.task())
    await services.answer(ChangeTask, samples.task())


async def created(client: httpx.AsyncClient, services: FakeServices, **fields: Any) -> CreateTask:
    response = await client.post(TASKS, json=BODY | fields)
    assert response.status_code == 201, response.text
    return services.received[-1][0]


async def test_a_created_task_is_returned_with_its_location(client: httpx.AsyncClient):
    response = await client.post(TASKS, json=BODY)
    body = response.json()
    assert (response.status_code, response.headers["location"]) == (201, ONE)
    assert (body["id"], body["schedule_cron"], body["next_run_at"]) == (TASK, "@daily", "2026-11-25T09:00:00Z")


async def test_the_example_of_the_specification_creates_a_task(client: httpx.AsyncClient, services: FakeServices):
    definition = (await created(client, services, **CreateTask.sample["definition"])).definition
    assert definition == CreateTask.example().definition


async def test_omitted_fields_have_the_defaults_of_the_definition(client: httpx.AsyncClient, services: FakeServices):
    definition = (await created(client, services)).definition
    assert definition == type(definition)(**BODY)
    assert definition.sdk_options.model_fields_set == set()


@pytest.mark.parametrize(
    ("fields", "scheduled"),
    [({}, False), ({"schedule_cron": "@daily"}, True), ({"schedule_cron": "@daily", "is_scheduled": False}, False)],
)
async def test_a_task_with_a_cron_is_scheduled_unless_told_otherwise(
    client: httpx.AsyncClient, services: FakeServices, fields: dict[str, Any], scheduled: bool
):
    assert (await created(client, services, **fields)).definition.is_scheduled is scheduled


async def test_options_are_checked_before_a_task_is_created(client: httpx.AsyncClient, services: FakeServices):
    await created(client, services, sdk_options={"model": "m"}, template_id=TEMPLATE)
    [check] = services.of(CheckOptions)
    assert check == CheckOptions(sdk_options=SdkOptions(model="m"), template_id=UUID(TEMPLATE))


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (Code.ADMINS_ONLY, 403),
        (Code.MODEL_NOT_ALLOWED, 422),
        (Code.MCP_SERVER_NOT_FOUND, 422),
        (Code.TEMPLATE_NOT_FOUND, 404),
    ],
)
@pytest.mark.parametrize("method", ["POST", "PATCH"])
async def test_refused_options_prevent_the_command(
    client: httpx.AsyncClient, services: FakeServices, code: Code, status: int, method: str
):
    await services.answer(CheckOptions, Refused(code=code, detail="sdk_options.model: no."))
    body = {"sdk_options": {"model": "m"}} | (BODY if method == "POST" else {})
    response = await client.request(method, TASKS if method == "POST" else ONE, json=body)
    assert (response.status_code, response.json()["error_code"]) == (status, code)
    assert services.of(CreateTask, ChangeTask) == []


REFUSED = [
    (Code.INVALID_SCHEDULE, "schedule_cron: six fields."),
    (Code.INVALID_TIMEZONE, "schedule_timezone: unknown."),
    (Code.INVALID_EVENT_NAME, "on: unknown event."),
    (Code.TEMPLATE_INVALID, "prompt_template: line 3: unexpected '}'."),
    (Code.VARIABLE_NOT_SET, "sdk_options.env.TOKEN: has no value."),
]


@pytest.mark.parametrize(("code", "detail"), REFUSED)
async def test_a_refused_definition_is_422_and_names_the_field(
    client: httpx.AsyncClient, services: FakeServices, code: Code, detail: str
):
    await services.answer(CreateTask, Refused(code=code, detail=detail))
    response = await client.post(TASKS, json=BODY)
    [error] = response.json()["errors"]
    assert (response.status_code, response.json()["error_code"]) == (422, code)
    assert error["loc"] == ["body", *detail.partition(": ")[0].split(".")]


@pytest.mark.parametrize("code", [Code.TEMPLATE_TOO_EXPENSIVE, Code.REPORTS_NOT_AVAILABLE])
async def test_other_refused_definitions_are_422(client: httpx.AsyncClient, services: FakeServices, code: Code):
    await services.answer(ChangeTask, Refused(code=code, detail="No."))
    response = await client.patch(ONE, json={"generate_report": True})
    assert (response.status_code, response.json()["error_code"]) == (422, code)


DEEP = json.loads("[" * 80 + "]" * 80)

INVALID: list[dict[str, Any]] = [
    {"name": ""},
    {"name": "  "},
    {"name": "x" * 201},
    {"name": None},
    {"description": "x" * 2001},
    {"prompt_template": ""},
    {"prompt_template": "x" * 100_001},
    {"variables": None},
    {"variables": []},
    {"variables": {"not a name": 1}},
    {"variables": {"1st": 1}},
    {"variables": {"a": "x" * 65_536}},
    {"variables": {"a": DEEP}},
    {"template_id": "x"},
    {"allowed_tools": ["Raed"]},
    {"sdk_options": None},
    {"sdk_options": {"modle": "m"}},
    {"mode": "forked"},
    {"is_scheduled": None},
    {"is_scheduled": "yes"},
    {"schedule_cron": ""},
    {"schedule_cron": "x" * 201},
    {"schedule_timezone": None},
    {"schedule_timezone": "x" * 101},
    {"on": None},
    {"on": ["session.created"] * 21},
    {"on": [""]},
    {"overlap_policy": "both"},
    {"catch_up_window_seconds": -1},
    {"catch_up_window_seconds": 604_801},
    {"catch_up_window_seconds": "5"},
    {"jitter_seconds": 3601},
    {"jitter_seconds": True},
    {"start_deadline_seconds": 0},
    {"start_deadline_seconds": 604_801},
    {"max_retries": 11},
    {"max_retries": 1.5},
    {"timeout_seconds": 0},
    {"timeout_seconds": 604_801},
    {"pause_on_failure": 1},
    {"generate_report": "no"},
    {"report_format": "docx"},
    {"next_run_at": None},
    {"shedule_cron": "@daily"},
]


@pytest.mark.parametrize("wrong", INVALID, ids=lambda wrong: str(wrong)[:40])
@pytest.mark.parametrize("method", ["POST", "PATCH"])
async def test_an_invalid_task_is_422(client: httpx.AsyncClient, method: str, wrong: dict[str, Any]):
    body, path = (BODY | wrong, TASKS) if method == "POST" else (wrong, ONE)
    response = await client.request(method, path, json=body)
    assert (response.status_code, response.json()["error_code"]) == (422, "VALIDATION_ERROR")
    assert response.json()["errors"][0]["loc"][:2] == ["body", *wrong][:2]
    assert "This value is not valid" not in response.text


async def test_a_prompt_with_a_nul_character_is_422(client: httpx.AsyncClient):
    response = await client.post(TASKS, json=BODY | {"prompt_template": "a\0b"})
    assert (response.status_code, response.json()["errors"][0]["type"]) == (422, "nul_character")


@pytest.mark.parametrize("missing", ["name", "prompt_template"])
async def test_a_task_needs_a_name_and_a_prompt(client: httpx.AsyncClient, missing: str):
    body = {name: value for name, value in BODY.items() if name != missing}
    assert (await client.post(TASKS, json=body)).json()["errors"][0]["loc"] == ["body", missing]


LARGEST = {
    "name": "x" * 200,
    "prompt_template": "x" * 100_000,
    "description": "x" * 2000,
    "schedule_cron": "x" * 200,
    "on": ["session.created"] * 20,
    "catch_up_window_seconds": 604_800,
    "jitter_seconds": 3600,
    "start_deadline_seconds": 604_800,
    "max_retries": 10,
    "timeout_seconds": 604_800,
    "variables": {"a": "x" * 65_000},
}


async def test_the_largest_allowed_values_are_accepted(client: httpx.AsyncClient, services: FakeServices):
    definition = (await created(client, services, **LARGEST)).definition
    assert {name: getattr(definition, name) for name in LARGEST} == LARGEST


async def test_tasks_are_listed_with_their_filters(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(ListTasks, Page(items=[samples.task_summary()], total=9))
    query = {"is_active": "true", "is_scheduled": "false", "q": "logs", "skip": 3, "limit": 1}
    body = (await client.get(TASKS, params=query)).json()
    assert services.received[-1][0] == ListTasks(is_active=True, is_scheduled=False, q="logs", skip=3, limit=1)
    assert body["total"] == 9
    assert body["links"]["next"] == f"{TASKS}?skip=4&limit=1&is_active=True&is_scheduled=False&q=logs"
    assert "prompt_template" not in body["items"][0]


@pytest.mark.parametrize("query", ["q=", "q=%00", "is_active=maybe", "limit=0", "is_actve=true", "skip=10001"])
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


@pytest.mark.parametrize("name", NULLABLE)
async def test_null_clears_a_field_that_may_be_null(client: httpx.AsyncClient, services: FakeServices, name: str):
    assert (await client.patch(ONE, json={name: None})).status_code == 200
    assert services.received[-1][0].changes.model_dump(exclude_unset=True) == {name: None}


async def test_a_change_without_options_checks_none(client: httpx.AsyncClient, services: FakeServices):
    await client.patch(ONE, json={"name": "New"})
    assert services.of(CheckOptions) == []


async def test_a_changed_template_is_checked(client: httpx.AsyncClient, services: FakeServices):
    await client.patch(ONE, json={"template_id": TEMPLATE})
    assert services.of(CheckOptions) == [CheckOptions(sdk_options=SdkOptions(), template_id=UUID(TEMPLATE))]


@pytest.mark.parametrize(("verb", "kind", "active"), [("pause", PauseTask, False), ("resume", ResumeTask, True)])
async def test_a_task_is_paused_and_resumed(
    client: httpx.AsyncClient, services: FakeServices, verb: str, kind: Any, active: bool
):
    await services.answer(kind, samples.task(is_active=active))
    response = await client.post(f"{ONE}/{verb}")
    assert (response.status_code, response.json()["is_active"]) == (200, active)


async def test_a_task_is_deleted(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(DeleteTask, None)
    assert (await client.delete(ONE)).status_code == 204


@pytest.mark.parametrize(("body", "variables"), [(None, {}), ({"variables": {"date": "today"}}, {"date": "today"})])
async def test_a_prompt_is_rendered(client: httpx.AsyncClient, services: FakeServices, body: Any, variables: Any):
    await services.answer(RenderPrompt, RenderedPrompt(prompt="Analyze", variables={"date": "today"}))
    response = await client.post(f"{ONE}/render", json=body)
    assert (response.status_code, response.json()) == (200, {"prompt": "Analyze", "variables": {"date": "today"}})
    assert services.received[-1][0].variables == variables


@pytest.mark.parametrize("code", [Code.VARIABLES_MISSING, Code.TEMPLATE_INVALID, Code.TEMPLATE_TOO_EXPENSIVE])
async def test_a_prompt_that_cannot_be_rendered_is_422(client: httpx.AsyncClient, services: FakeServices, code: Code):
    await services.answer(RenderPrompt, Refused(code=code, detail="No."))
    response = await client.post(f"{ONE}/render")
    assert (response.status_code, response.json()["error_code"]) == (422, code)


@pytest.mark.parametrize(("query", "count"), [("", 10), ("?count=3", 3)])
async def test_the_next_runs_are_listed(client: httpx.AsyncClient, services: FakeServices, query: str, count: int):
    runs = {"schedule_cron": "@daily", "schedule_timezone": "UTC", "items": ["2026-11-26T00:00:00Z"]}
    await services.answer(ListNextRuns, NextRuns.model_validate(runs))
    response = await client.get(f"{ONE}/next-runs{query}")
    assert (response.status_code, response.json()) == (200, runs)
    assert services.received[-1][0].count == count


@pytest.mark.parametrize("query", ["count=0", "count=101", "count=x", "number=1"])
async def test_invalid_parameters_of_next_runs_are_422(client: httpx.AsyncClient, query: str):
    assert (await client.get(f"{ONE}/next-runs?{query}")).status_code == 422


@pytest.mark.parametrize(
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
