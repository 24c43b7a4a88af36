"""Every failure is a problem (RFC 9457) with the right status."""

import time
from datetime import datetime
from typing import Any

import httpx
import pytest
from contracts.identity.commands import LogOut
from contracts.messages import Command, Faulted, Refused
from contracts.refusals import Code
from contracts.samples import SESSION
from contracts.session.session import CreateSession, DeleteSession, GetSession, PauseSession
from gateway import translation
from gateway.problems import TABLE, EdgeCode
from structlog.testing import capture_logs

from services.gateway.tests.door import Door
from services.gateway.tests.stand_ins import Services

PATH = f"/api/v1/sessions/{SESSION}"


@pytest.mark.parametrize("code", [*Code, *EdgeCode])
def test_every_code_has_a_status_and_a_title(code: Code | EdgeCode):
    status, title = TABLE[code]
    assert 400 <= status <= 599
    assert title


async def test_a_refusal_is_a_problem_with_its_code(client: httpx.AsyncClient, services: Services):
    await services.answer(GetSession, Refused(code=Code.SESSION_NOT_FOUND, detail="There is none."))
    answer = await client.get(PATH)
    body = answer.json()
    assert answer.status_code == body["status"] == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert (body["error_code"], body["detail"], body["instance"]) == ("SESSION_NOT_FOUND", "There is none.", PATH)
    assert body["type"] == "urn:agentapi:problem:SESSION_NOT_FOUND"
    assert datetime.fromisoformat(body["timestamp"]).tzinfo


async def test_a_service_that_is_away_is_503_at_once(client: httpx.AsyncClient):
    answer = await client.get(PATH)
    assert (answer.status_code, answer.json()["error_code"]) == (503, "UNAVAILABLE")
    assert answer.headers["retry-after"] == "1"
    assert answer.json()["retry_after"] == 1


async def test_a_service_that_is_silent_is_503_within_the_bound(client: httpx.AsyncClient, door: Door):
    await door.services.hear(GetSession)
    started = time.monotonic()
    assert (await client.get(PATH)).status_code == 503
    assert time.monotonic() - started < 2 * door.gateway.settings.ask_timeout_seconds


@pytest.mark.parametrize("silent", [True, False])
async def test_nobody_is_invited_to_make_something_twice(client: httpx.AsyncClient, services: Services, silent: bool):
    await (services.hear(CreateSession) if silent else services.answer(CreateSession, Faulted(detail="slow")))
    answer = await client.post("/api/v1/sessions", json={"mode": "interactive"})
    assert (answer.status_code, answer.json()["error_code"]) == (503, "UNAVAILABLE")
    assert "retry-after" not in answer.headers
    assert "retry_after" not in answer.json()
    assert answer.json()["detail"].endswith("check GET /api/v1/sessions.")


async def test_what_certainly_was_not_made_may_be_tried_again(client: httpx.AsyncClient):
    answer = await client.post("/api/v1/sessions", json={"mode": "interactive"})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


@pytest.mark.parametrize(
    ("method", "path", "command"),
    [
        ("DELETE", PATH, DeleteSession),
        ("POST", f"{PATH}/pause", PauseSession),
        ("POST", "/api/v1/auth/logout", LogOut),
    ],
)
async def test_what_does_nothing_more_the_second_time_may_be_tried_again(
    client: httpx.AsyncClient, services: Services, method: str, path: str, command: type[Command[Any]]
):
    await services.answer(command, Faulted(detail="slow"))
    answer = await client.request(method, path)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


def test_what_may_be_tried_again_are_operations(door: Door):
    paths = door.app.openapi()["paths"].values()
    assert {path["post"]["operationId"] for path in paths if "post" in path} >= translation.REPEATABLE


async def test_a_fault_is_503_without_its_reason(client: httpx.AsyncClient, services: Services):
    await services.answer(GetSession, Faulted(detail="SELECT secret"))
    answer = await client.get(PATH)
    assert answer.status_code == 503
    assert "secret" not in answer.text


async def test_what_nobody_expected_is_500_without_a_trace(
    client: httpx.AsyncClient, door: Door, monkeypatch: pytest.MonkeyPatch
):
    async def broken(_: object) -> None:
        raise RuntimeError("secret reason")

    monkeypatch.setattr(door.gateway.tokens, "verify", broken)
    with capture_logs() as logged:
        answer = await client.get(PATH)
    assert (answer.status_code, answer.json()["error_code"]) == (500, "INTERNAL_ERROR")
    assert "secret" not in answer.text
    assert [line["event"] for line in logged] == ["request failed", "request"]


async def test_an_unknown_address_is_404(client: httpx.AsyncClient):
    answer = await client.get("/api/v1/nothing")
    assert (answer.status_code, answer.json()["error_code"]) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
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
async def test_another_method_is_405_and_told_which_are_allowed(client: httpx.AsyncClient, path: str, allowed: str):
    answer = await client.request("TRACE", path)
    assert (answer.status_code, answer.json()["error_code"]) == (405, "METHOD_NOT_ALLOWED")
    assert ", ".join(sorted(answer.headers["allow"].split(", "))) == allowed
    assert answer.json()["detail"] == f"This path does not support TRACE; allowed: {allowed}."
