"""The definitions of tasks that clients send: defaults, limits, and what is refused."""

import json
from typing import Any

import httpx
import pytest
from contracts.messages import Refused
from contracts.refusals import Code
from contracts.samples import TASK
from contracts.session.session import CheckOptions
from contracts.task_scheduler.task import ChangeTask, CreateTask

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


async def created(client: httpx.AsyncClient, services: FakeServices, **fields: Any) -> CreateTask:
    response = await client.post(TASKS, json=BODY | fields)
    assert response.status_code == 201, response.text
    return services.received[-1][0]


async def test_the_example_of_the_specification_creates_a_task(client: httpx.AsyncClient, services: FakeServices):
    definition = (await created(client, services, **CreateTask.sample["definition"])).definition
    assert definition == CreateTask.example().definition


async def test_omitted_fields_have_the_defaults_of_the_definition(client: httpx.AsyncClient, services: FakeServices):
    definition = (await created(client, services)).definition
    assert definition == type(definition)(**BODY)
    assert definition.sdk_options.model_fields_set == set()


@each(
    ("fields", "scheduled"),
    [({}, False), ({"schedule_cron": "@daily"}, True), ({"schedule_cron": "@daily", "is_scheduled": False}, False)],
)
async def test_a_task_with_a_cron_is_scheduled_unless_the_client_disables_it(
    client: httpx.AsyncClient, services: FakeServices, fields: dict[str, Any], scheduled: bool
):
    assert (await created(client, services, **fields)).definition.is_scheduled is scheduled


async def test_too_many_tasks_are_a_conflict(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(CreateTask, Refused(code=Code.TOO_MANY_TASKS, detail="You have 500 tasks."))
    response = await client.post(TASKS, json=BODY)
    assert (response.status_code, response.json()["error_code"]) == (409, "TOO_MANY_TASKS")


REFUSED = [
    (Code.INVALID_SCHEDULE, "schedule_cron: six fields."),
    (Code.INVALID_TIMEZONE, "schedule_timezone: unknown."),
    (Code.INVALID_EVENT_NAME, "on: unknown event."),
    (Code.TEMPLATE_INVALID, "prompt_template: line 3: unexpected '}'."),
    (Code.VARIABLE_NOT_SET, "sdk_options.env.TOKEN: has no value."),
]


@each(("code", "detail"), REFUSED)
async def test_a_refused_definition_is_422_and_names_the_field(
    client: httpx.AsyncClient, services: FakeServices, code: Code, detail: str
):
    await services.answer(CreateTask, Refused(code=code, detail=detail))
    response = await client.post(TASKS, json=BODY)
    [error] = response.json()["errors"]
    assert (response.status_code, response.json()["error_code"]) == (422, code)
    assert error["loc"] == ["body", *detail.partition(": ")[0].split(".")]


async def test_a_change_to_a_too_expensive_prompt_is_422(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(ChangeTask, Refused(code=Code.TEMPLATE_TOO_EXPENSIVE, detail="No."))
    response = await client.patch(ONE, json={"prompt_template": "{{ a }}"})
    assert (response.status_code, response.json()["error_code"]) == (422, "TEMPLATE_TOO_EXPENSIVE")


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


@each("wrong", INVALID)
@each("method", ["POST", "PATCH"])
async def test_an_invalid_task_is_422(client: httpx.AsyncClient, method: str, wrong: dict[str, Any]):
    body, path = (BODY | wrong, TASKS) if method == "POST" else (wrong, ONE)
    response = await client.request(method, path, json=body)
    assert (response.status_code, response.json()["error_code"]) == (422, "VALIDATION_ERROR")
    assert response.json()["errors"][0]["loc"][:2] == ["body", *wrong][:2]
    assert "This value is not valid" not in response.text


async def test_a_prompt_with_a_nul_character_is_422(client: httpx.AsyncClient):
    response = await client.post(TASKS, json=BODY | {"prompt_template": "a\0b"})
    assert (response.status_code, response.json()["errors"][0]["type"]) == (422, "nul_character")


@each("missing", ["name", "prompt_template"])
async def test_a_task_needs_a_name_and_a_prompt(client: httpx.AsyncClient, missing: str):
    body = {name: value for name, value in BODY.items() if name != missing}
    assert (await client.post(TASKS, json=body)).json()["errors"][0]["loc"] == ["body", missing]


MAX_VALUES = {
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
    definition = (await created(client, services, **MAX_VALUES)).definition
    assert {name: getattr(definition, name) for name in MAX_VALUES} == MAX_VALUES
