"""Validation errors are explained in words for clients, never in those of pydantic."""

import json
from typing import Any

import httpx
import pytest
from contracts.samples import SESSION
from gateway.problems.validation_messages import BUILT_IN, MESSAGES, message, with_known_fields
from gateway.schemas.identity import Credentials
from gateway.schemas.lists import KeysetWindow
from gateway.schemas.mcp_authorization import NewMcpAuthorization
from gateway.schemas.run import NewQuery
from gateway.schemas.session import NewSession, SessionChange, SessionWindow
from gateway.schemas.template import NewTemplate
from gateway.schemas.webhook import DeliveryWindow
from pydantic import BaseModel, ValidationError

from services.gateway.tests.cases import each

SESSIONS = "/api/v1/sessions"
REWRITTEN = {"enum", "extra_forbidden", "literal_error", "value_error"}


def messages(model: type[BaseModel], body: Any) -> list[str]:
    with pytest.raises(ValidationError) as raised:
        model.model_validate(body)
    return [message(error) for error in with_known_fields(raised.value.errors(), model)]


async def detail(client: httpx.AsyncClient, path: str, body: Any) -> str:
    response = await client.post(path, json=body)
    assert response.status_code == 422
    return response.json()["detail"]


async def test_an_unknown_field_suggests_the_nearest_one(client: httpx.AsyncClient):
    assert await detail(client, SESSIONS, {"nmae": "x"}) == "nmae: Unknown field (did you mean `name`?)."


async def test_an_unknown_option_suggests_the_nearest_one(client: httpx.AsyncClient):
    sent = {"sdk_options": {"max_turn": 1}}
    assert await detail(client, SESSIONS, sent) == "sdk_options.max_turn: Unknown field (did you mean `max_turns`?)."


async def test_an_unknown_field_without_a_similar_one_suggests_none(client: httpx.AsyncClient):
    assert await detail(client, SESSIONS, {"zzz": 1}) == "zzz: Unknown field."


async def test_an_unknown_query_parameter_suggests_the_nearest_one(client: httpx.AsyncClient):
    response = await client.get(SESSIONS, params={"stauts": "active"})
    assert response.json()["detail"] == "stauts: Unknown query parameter (did you mean `status`?)."


async def test_an_unknown_query_parameter_without_a_similar_one_lists_all(client: httpx.AsyncClient):
    response = await client.get(f"{SESSIONS}/{SESSION}/tool-calls", params={"zzz": "1"})
    known = "after, before, limit, order, run_id, skip"
    assert response.json()["detail"] == f"zzz: Unknown query parameter; there are: {known}."


async def test_all_errors_of_a_body_are_listed(client: httpx.AsyncClient):
    path, message = f"{SESSIONS}/{SESSION}/query", "message: This field is required. prompt: Unknown field."
    assert await detail(client, path, {"prompt": "Hello"}) == message


async def test_of_many_errors_the_first_five_are_listed(client: httpx.AsyncClient):
    assert (await detail(client, SESSIONS, dict.fromkeys("zyxwvut", 1))).endswith("v: Unknown field. (2 more)")


@each(
    ("path", "body", "field"),
    [
        ("/api/v1/reports", {"format": "json"}, ["session_id"]),
        ("/api/v1/reports", {"format": "json", "session_id": SESSION, "task_id": SESSION}, ["task_id"]),
        ("/api/v1/session-templates", {"name": "x", "sdk_options": {"env": {"A": "b"}}}, ["sdk_options", "env"]),
        (SESSIONS, {"sdk_options": {"allowed_tools": ["Read", "Wri\0te"]}}, ["sdk_options", "allowed_tools", 1]),
        (SESSIONS, {"metadata": {"a": "\ud800"}}, ["metadata", "a"]),
    ],
)
async def test_an_error_names_its_field(client: httpx.AsyncClient, path: str, body: Any, field: list[str | int]):
    response = await client.post(path, content=json.dumps(body), headers={"content-type": "application/json"})
    assert [error["loc"] for error in response.json()["errors"]] == [["body", *field]]
    assert response.json()["detail"].startswith(".".join(map(str, field)))


async def test_an_unknown_field_of_an_optional_body_suggests_the_nearest_one(client: httpx.AsyncClient):
    path = f"/api/v1/approvals/{SESSION}/deny"
    assert await detail(client, path, {"mesage": "no"}) == "mesage: Unknown field (did you mean `message`?)."


async def test_an_unknown_enum_value_lists_the_allowed_ones(client: httpx.AsyncClient):
    sent = {"mode": "batch"}
    assert await detail(client, SESSIONS, sent) == "mode: Must be one of: interactive, non_interactive."


async def test_an_error_in_a_key_is_reported_without_a_marker(client: httpx.AsyncClient):
    sent = {"sdk_options": {"env": {"1A": "x"}}}
    rule = "Must be letters, digits and underscores, not beginning with a digit"
    assert await detail(client, SESSIONS, sent) == f"sdk_options.env.1A: {rule}."


@each(
    ("model", "body", "expected"),
    [
        (NewSession, {"sdk_options": {"model": "a b"}}, "Must be letters, digits and the characters . _ : @ / [ ] -"),
        (NewSession, {"sdk_options": {"allowed_tools": ["Raed"]}}, "Unknown tool `Raed` (did you mean `Read`?)"),
        (NewSession, {"sdk_options": {"timeout_seconds": 0}}, "Must be greater than 0"),
        (NewSession, {"sdk_options": {"output_format": {}}}, 'Must be {"type": "json_schema"'),
        (NewSession, [], "Must be a JSON object"),
        (NewSession, {"template_id": "x"}, "Must be a UUID"),
        (SessionChange, {"metadata": []}, "Must be a JSON object"),
        (NewTemplate, {"name": "x", "category": "dev ops"}, "Must be at most 50 upper-case letters"),
        (NewTemplate, {}, "This field is required"),
        (NewQuery, {"message": ""}, "Must not be empty"),
        (Credentials, {"email": "x", "password": "x"}, "Must be an e-mail address"),
        (NewMcpAuthorization, {"scope": "read\nwrite"}, "Must be scopes in ASCII, separated by single spaces"),
        (DeliveryWindow, {"type": "completed"}, "Must be the name of an event"),
        (KeysetWindow, {"limit": 101}, "Must be at most 100"),
        (SessionWindow, {"q": ""}, "Must not be empty"),
        (SessionWindow, {"metadata.ticket": "x" * 1001}, "Must have at most 1000 characters"),
        (KeysetWindow, {"skip": 10_001}, "Must be at most 10000; use `after` to read further"),
    ],
)
def test_a_message_says_what_is_allowed(model: type[BaseModel], body: Any, expected: str):
    assert messages(model, body)[0].startswith(expected)


def test_no_text_of_pydantic_reaches_the_client():
    error = {"loc": ("body",), "msg": "Input should match [a-z]", "ctx": {"pattern": "[a-z]"}}
    sent = {kind: message({**error, "type": kind}) for kind in BUILT_IN - MESSAGES.keys() - REWRITTEN}
    assert {kind: text for kind, text in sent.items() if text != "This value is not valid"} == {}
