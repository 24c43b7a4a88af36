"""The options of agents, and changes of sessions."""

import re
from typing import Any

import httpx
import jsonschema
import pytest
from contracts.mcp_registry.server import CheckReferences
from contracts.messages import Refused
from contracts.refusals import Code
from contracts.samples import SESSION
from contracts.session.session import ChangeSession, CreateSession
from contracts.session.values import SdkOptions
from gateway.schemas.options import Options
from pydantic import ValidationError
from runtime.variable_names import CODE_PREFIXES, CODE_VARIABLES

from services.gateway.tests import samples
from services.gateway.tests.cases import each
from services.gateway.tests.fake_services import FakeServices

SESSIONS = "/api/v1/sessions"
ONE = f"{SESSIONS}/{SESSION}"
FORMAT = {"type": "json_schema", "schema": {"type": "object", "properties": {"n": {"type": "integer"}}}}


def deep(levels: int) -> Any:
    return {"not": deep(levels - 1)} if levels else {}


def test_the_document_allows_null_for_every_option():
    nothing: Any = dict.fromkeys(SdkOptions.model_fields)
    assert Options.model_validate(nothing).model_dump() == SdkOptions().model_dump()
    documented: Any = jsonschema.Draft202012Validator(Options.model_json_schema())
    assert documented.is_valid(nothing)


async def test_every_option_reaches_the_service(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(CreateSession, samples.session())
    await services.answer(CheckReferences, None)
    options = {
        "model": "m",
        "effort": "xhigh",
        "output_format": FORMAT,
        "env": {"TOKEN": "x=1"},
        "mcp_servers": ["files"],
        "allowed_tools": ["Bash(git log:*)", "Edit(src/(app)/**)", "mcp__files__read"],
    }
    response = await client.post(SESSIONS, json={"sdk_options": options})
    assert response.status_code == 201
    assert services.received[-1][0].sdk_options == SdkOptions.model_validate(options)


WRONG: list[tuple[str, Any]] = [
    ("model", ""),
    ("model", "--dangerously-skip-permissions"),
    ("model", "a b"),
    ("fallback_model", 5),
    ("fallback_model", "x" * 201),
    ("system_prompt", "x" * 100_001),
    ("system_prompt", {"type": "preset"}),
    ("max_turns", 0),
    ("max_turns", 1.5),
    ("max_turns", True),
    ("max_turns", "5"),
    ("max_turns", 10_001),
    ("max_budget_usd", 0),
    ("max_budget_usd", -1),
    ("max_budget_usd", True),
    ("max_budget_usd", "5"),
    ("max_budget_usd", 2_000_000),
    ("timeout_seconds", 0),
    ("timeout_seconds", True),
    ("timeout_seconds", "7"),
    ("timeout_seconds", 86_401),
    ("disallowed_tools", ["--x"]),
    ("disallowed_tools", ["Bash(" + "x" * 150 + ")"] * 100),
    ("effort", "huge"),
    ("output_format", {}),
    ("output_format", {"type": "json_schema"}),
    ("output_format", {"type": "json_schema", "schema": {"type": "array"}}),
    ("output_format", {"type": "json_schema", "schema": {"type": "object", "required": "n"}}),
    ("output_format", {"type": "json_schema", "schema": {"type": "object", "$comment": "x" * 33_000}}),
    ("output_format", {"type": "json_schema", "schema": {"type": "object", "not": deep(200)}}),
    ("output_format", {"type": "json_schema", "schema": {"type": "object", "default": deep(64)}}),
    ("output_format", {"type": "json_schema", "schema": {"type": "object", "const": deep(400)}}),
    ("output_format", {"type": "json_schema", "schema": {"type": "object", "enum": [deep(225)]}}),
    ("env", {"A B": "1"}),
    ("env", {"1A": "1"}),
    ("env", {"A\n": "1"}),
    ("env", {"A=B": "1"}),
    ("env", {"": "1"}),
    ("env", {"A": 1}),
    ("env", {"A": "x" * 8193}),
    ("env", {"PATH": "/"}),
    ("env", {"HOME": "/"}),
    ("env", {"ANTHROPIC_API_KEY": "x"}),
    ("env", {"CLAUDE_CODE_X": "x"}),
    ("env", {"LD_PRELOAD": "x"}),
    ("env", {f"A{n}": "" for n in range(101)}),
    ("env", {f"A{n}": "x" * 8000 for n in range(9)}),
    ("mcp_servers", [""]),
    ("mcp_servers", ["x" * 65]),
    ("mcp_servers", "files"),
    ("allowed_tools", ["Raed"]),
    ("allowed_tools", ["Bash(x),Nonsense(y)"]),
    ("allowed_tools", ["Bash(x) Nonsense(y)"]),
    ("allowed_tools", ["Edit(a(b),Nonsense)"]),
    ("allowed_tools", ["Bash(x)Nonsense"]),
    ("permission_mode", "yolo"),
    ("after_crash", "retry"),
]


def test_no_variable_that_makes_programs_run_other_code_can_be_set():
    names = [*sorted(CODE_VARIABLES), *(f"{prefix}X" for prefix in CODE_PREFIXES)]
    with pytest.raises(ValidationError) as refused:
        Options.model_validate({"env": dict.fromkeys(names, "x")})
    messages = "\n".join(error["msg"] for error in refused.value.errors())
    reasons = r"the variable {} (makes programs run other code|is reserved)"
    assert [name for name in names if not re.search(reasons.format(name), messages)] == []


def test_every_option_has_an_invalid_value_here():
    assert {name for name, _ in WRONG} == set(SdkOptions.model_fields)


@each(("name", "wrong"), WRONG)
async def test_an_invalid_option_is_422_and_names_the_option(client: httpx.AsyncClient, name: str, wrong: Any):
    response = await client.post(SESSIONS, json={"sdk_options": {name: wrong}})
    assert (response.status_code, response.json()["errors"][0]["loc"][:3]) == (422, ["body", "sdk_options", name])


async def test_a_budget_may_be_a_whole_number(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(CreateSession, samples.session())
    await client.post(SESSIONS, json={"sdk_options": {"max_budget_usd": 5}})
    assert services.received[-1][0].sdk_options.max_budget_usd == 5


async def test_metadata_of_the_maximum_depth_are_accepted(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(ChangeSession, samples.session())
    assert (await client.patch(ONE, json={"metadata": deep(63)})).status_code == 200
    assert services.received[-1][0].metadata == deep(63)


@each("levels", [64, 198, 225, 400])
async def test_too_deeply_nested_metadata_are_422_and_name_the_field(client: httpx.AsyncClient, levels: int):
    response = await client.patch(ONE, json={"metadata": deep(levels)})
    assert (response.status_code, response.json()["errors"][0]["loc"]) == (422, ["body", "metadata"])


async def test_the_error_of_an_invalid_variable_hides_its_value(client: httpx.AsyncClient):
    response = await client.post(
        SESSIONS, json={"sdk_options": {"env": {"PATH": "plantedsecret", "A": "plantedsecret" * 2000}}}
    )
    assert response.status_code == 422
    assert "plantedsecret" not in response.text


@each("method", ["POST", "PATCH"])
async def test_too_large_environments_are_413(client: httpx.AsyncClient, method: str):
    body = {"sdk_options": {"env": {f"A{n}": "x" * 8_000 for n in range(400)}}}
    response = await client.request(method, SESSIONS if method == "POST" else ONE, json=body)
    assert response.status_code == 413


async def test_a_nul_character_in_a_variable_is_422(client: httpx.AsyncClient):
    response = await client.post(SESSIONS, json={"sdk_options": {"env": {"A": "plantedsecret\0"}}})
    assert (response.status_code, "plantedsecret" in response.text) == (422, False)


async def test_environment_variables_in_a_template_are_422(client: httpx.AsyncClient):
    body = {"name": "one", "sdk_options": {"env": {"A": "1"}}}
    assert (await client.post("/api/v1/session-templates", json=body)).status_code == 422


@each(
    ("code", "name"),
    [
        (Code.MODEL_NOT_ALLOWED, "model"),
        (Code.MODEL_NOT_ALLOWED, "fallback_model"),
        (Code.VARIABLE_NOT_SET, "env"),
    ],
)
async def test_an_unavailable_option_value_is_422_and_names_the_option(
    client: httpx.AsyncClient, services: FakeServices, code: Code, name: str
):
    await services.answer(CreateSession, Refused(code=code, detail=f"sdk_options.{name}: There is none."))
    response = await client.post(SESSIONS, json={})
    assert (response.status_code, response.json()["error_code"]) == (422, code)
    assert response.json()["errors"][0]["loc"] == ["body", "sdk_options", name]


async def test_a_change_contains_only_the_fields_that_were_sent(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(ChangeSession, samples.session())
    response = await client.patch(ONE, json={"sdk_options": {"effort": None}, "metadata": {"a": [1, None, "é"]}})
    command, _ = services.received[-1]
    assert response.status_code == 200
    assert (command.name, command.metadata) == (None, {"a": [1, None, "é"]})
    assert command.sdk_options.model_fields_set == {"effort"}


@each(
    "wrong",
    [
        '{"name": ""}',
        '{"name": null}',
        '{"mode": "interactive"}',
        '{"sdk_options": null}',
        '{"sdk_options": {"other": 1}}',
        '{"sdk_options": {"env": {"A": "\\ud800"}}}',
        '{"sdk_options": {"output_format": {"type": "json_schema", "schema": {"type": "object", "title": "\\ud800"}}}}',
        '{"metadata": null}',
        '{"metadata": []}',
        '{"metadata": {"a": NaN}}',
        '{"metadata": {"a": "\\ud800"}}',
        '{"metadata": {"a": "' + "x" * 16_400 + '"}}',
        '{"metadata": ' + '{"a":' * 2000 + "1" + "}" * 2001,
    ],
)
async def test_an_invalid_change_is_422(client: httpx.AsyncClient, wrong: str):
    response = await client.patch(ONE, content=wrong, headers={"content-type": "application/json"})
    assert response.status_code in {400, 422}
