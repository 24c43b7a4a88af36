"""Errors: problem details (RFC 9457) with their status."""

from datetime import datetime
from typing import Any

import httpx
import pytest
from contracts.identity.login import LogOut
from contracts.messages import Command, Faulted, Refused
from contracts.refusals import Code
from contracts.samples import SESSION
from contracts.session.session import CreateSession, DeleteSession, GetSession, PauseSession
from gateway.problems import TABLE, EdgeCode, translation
from gateway.problems.translation import REPEATABLE
from structlog.testing import capture_logs

from services.gateway.tests.cases import each
from services.gateway.tests.fake_services import FakeServices
from services.gateway.tests.harness import Harness

PATH = f"/api/v1/sessions/{SESSION}"


def test_every_code_has_a_status_and_a_title():
    assert [code for code in (*Code, *EdgeCode) if code not in TABLE] == []
    assert {code: row for code, row in TABLE.items() if not (400 <= row[0] <= 599 and row[1])} == {}


async def test_a_refusal_is_a_problem_with_its_code(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(GetSession, Refused(code=Code.SESSION_NOT_FOUND, detail="There is none."))
    response = await client.get(PATH)
    body = response.json()
    assert response.status_code == body["status"] == 404
    assert response.headers["content-type"] == "application/problem+json"
    assert (body["error_code"], body["detail"], body["instance"]) == ("SESSION_NOT_FOUND", "There is none.", PATH)
    assert body["type"] == "urn:agentapi:problem:SESSION_NOT_FOUND"
    assert datetime.fromisoformat(body["timestamp"]).tzinfo


@each(
    ("path", "hint"),
    [
        ("/sessions", "`/api/v1`"),
        ("/api/v2/sessions", "`/docs`"),
        ("/api/v1/sessions/", "none ends with a slash"),
        (f"{PATH}/stream", "a WebSocket"),
    ],
)
async def test_a_wrong_path_is_explained(client: httpx.AsyncClient, path: str, hint: str):
    response = await client.get(path)
    assert response.status_code == 404
    assert hint in response.json()["detail"]


async def test_an_unavailable_service_is_503_with_retry_after(client: httpx.AsyncClient):
    response = await client.get(PATH)
    assert (response.status_code, response.json()["error_code"]) == (503, "UNAVAILABLE")
    assert response.headers["retry-after"] == "1"
    assert response.json()["retry_after"] == 1


@pytest.mark.usefixtures("impatient")
async def test_a_service_that_does_not_answer_is_503(client: httpx.AsyncClient, harness: Harness):
    await harness.services.ignore(GetSession)
    assert (await client.get(PATH)).status_code == 503


@pytest.mark.usefixtures("impatient")
@each("silent", [True, False])
async def test_a_failed_creation_has_no_retry_after(client: httpx.AsyncClient, services: FakeServices, silent: bool):
    await (services.ignore(CreateSession) if silent else services.answer(CreateSession, Faulted(detail="slow")))
    response = await client.post("/api/v1/sessions", json={"mode": "interactive"})
    assert (response.status_code, response.json()["error_code"]) == (503, "UNAVAILABLE")
    assert "retry-after" not in response.headers
    assert "retry_after" not in response.json()
    assert response.json()["detail"].endswith("check GET /api/v1/sessions.")


async def test_a_creation_that_no_service_received_has_retry_after(client: httpx.AsyncClient):
    response = await client.post("/api/v1/sessions", json={"mode": "interactive"})
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")


@each(
    ("method", "path", "command"),
    [
        ("DELETE", PATH, DeleteSession),
        ("POST", f"{PATH}/pause", PauseSession),
        ("POST", "/api/v1/auth/logout", LogOut),
    ],
)
async def test_a_failed_idempotent_operation_has_retry_after(
    client: httpx.AsyncClient, services: FakeServices, method: str, path: str, command: type[Command[Any]]
):
    await services.answer(command, Faulted(detail="slow"))
    response = await client.request(method, path)
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")


def test_a_creation_in_doubt_names_a_list_that_exists(document: dict[str, Any]):
    paths: dict[str, Any] = document["paths"]
    lists = {path for path in paths if "get" in paths[path]}
    created = [
        p for p, methods in paths.items() if "post" in methods and methods["post"]["operationId"] not in REPEATABLE
    ]
    named = {translation.list_of(path) for path in created}
    assert named - {None} <= lists


def test_repeatable_operations_exist(document: dict[str, Any]):
    paths = document["paths"].values()
    assert {path["post"]["operationId"] for path in paths if "post" in path} >= REPEATABLE


async def test_a_fault_is_503_without_internal_details(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(GetSession, Faulted(detail="SELECT secret"))
    response = await client.get(PATH)
    assert response.status_code == 503
    assert "secret" not in response.text


async def test_an_unexpected_error_is_500_without_internal_details(
    client: httpx.AsyncClient, harness: Harness, monkeypatch: pytest.MonkeyPatch
):
    async def broken(_: object) -> None:
        raise RuntimeError("secret reason")

    monkeypatch.setattr(harness.gateway.tokens, "verify", broken)
    with capture_logs() as logged:
        response = await client.get(PATH)
    assert (response.status_code, response.json()["error_code"]) == (500, "INTERNAL_ERROR")
    assert "secret" not in response.text
    assert [line["event"] for line in logged] == ["request failed", "request"]


async def test_an_unknown_path_is_404(client: httpx.AsyncClient):
    response = await client.get("/api/v1/nothing")
    assert (response.status_code, response.json()["error_code"]) == (404, "NOT_FOUND")


@each(
    ("path", "allowed"),
    [
        ("/api/v1/sessions", "GET, HEAD, POST"),
        (PATH, "DELETE, GET, HEAD, PATCH"),
        (f"{PATH}/workspace/a/b", "DELETE, GET, HEAD, PUT"),
        (f"{PATH}/query", "POST"),
        ("/health", "GET, HEAD"),
        ("/docs", "GET, HEAD"),
    ],
)
async def test_an_unsupported_method_is_405_and_lists_the_allowed_ones(
    client: httpx.AsyncClient, path: str, allowed: str
):
    response = await client.request("TRACE", path)
    assert (response.status_code, response.json()["error_code"]) == (405, "METHOD_NOT_ALLOWED")
    assert ", ".join(sorted(response.headers["allow"].split(", "))) == allowed
    assert response.json()["detail"] == f"This path does not support TRACE; allowed: {allowed}."
