"""The routes of triggers, and the requests of other systems to their URLs."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from contracts.messages import Faulted, Page, Refused
from contracts.refusals import Code
from contracts.samples import EXECUTION, TASK, TRIGGER
from contracts.task_scheduler.trigger import (
    CreateTrigger,
    FiredTrigger,
    FireTrigger,
    GetTrigger,
    ListTriggers,
    RevokeTrigger,
    RotateTrigger,
)

from services.gateway.tests import samples
from services.gateway.tests.cases import each
from services.gateway.tests.fake_services import FakeServices

TRIGGERS = f"/api/v1/tasks/{TASK}/triggers"
ONE = f"{TRIGGERS}/{TRIGGER}"
FIRE = f"{ONE}/fire"
URL = f"http://localhost{FIRE}"
SIGNED = {"webhook-id": "msg_1", "webhook-timestamp": "1764147600", "webhook-signature": "v1,c2lnbmF0dXJl"}
LIMIT = 64 * 1024


@each(("body", "name"), [(None, ""), ({}, ""), ({"name": " CI "}, "CI")])
async def test_a_created_trigger_is_returned_with_its_secret(
    client: httpx.AsyncClient, services: FakeServices, body: Any, name: str
):
    await services.answer(CreateTrigger, samples.new_trigger())
    response = await client.post(TRIGGERS, json=body)
    assert (response.status_code, response.headers["location"]) == (201, ONE)
    assert (response.json()["url"], response.json()["secret"]) == (URL, samples.new_trigger().secret)
    assert services.received[-1][0].name == name


@each("wrong", [{"name": "x" * 201}, {"name": None}, {"secret": "mine"}])
async def test_an_invalid_trigger_is_422(client: httpx.AsyncClient, wrong: dict[str, Any]):
    assert (await client.post(TRIGGERS, json=wrong)).status_code == 422


async def test_triggers_are_listed_without_their_secrets(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(ListTriggers, Page(items=[samples.trigger()], total=2))
    page = (await client.get(TRIGGERS, params={"limit": 1})).json()
    [trigger] = page["items"]
    assert (trigger["id"], trigger["url"], "secret" in trigger) == (TRIGGER, URL, False)
    assert page["links"]["next"] == f"{TRIGGERS}?skip=1&limit=1"


async def test_a_trigger_is_returned_without_its_secret(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(GetTrigger, samples.trigger())
    body = (await client.get(ONE)).json()
    assert (body["name"], "secret" in body) == ("Deployments", False)


async def test_a_rotated_trigger_is_returned_with_its_new_secret(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(RotateTrigger, samples.new_trigger())
    response = await client.post(f"{ONE}/rotate")
    assert (response.status_code, response.json()["secret"]) == (200, samples.new_trigger().secret)
    assert response.headers["cache-control"] == "no-store"


async def test_a_trigger_is_revoked(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(RevokeTrigger, None)
    assert (await client.delete(ONE)).status_code == 204


@each(
    ("method", "path", "kind", "code", "status"),
    [
        ("POST", TRIGGERS, CreateTrigger, Code.TASK_NOT_FOUND, 404),
        ("POST", TRIGGERS, CreateTrigger, Code.TOO_MANY_TRIGGERS, 409),
        ("GET", TRIGGERS, ListTriggers, Code.TASK_NOT_FOUND, 404),
        ("GET", ONE, GetTrigger, Code.TRIGGER_NOT_FOUND, 404),
        ("POST", f"{ONE}/rotate", RotateTrigger, Code.TRIGGER_NOT_FOUND, 404),
        ("DELETE", ONE, RevokeTrigger, Code.TRIGGER_NOT_FOUND, 404),
    ],
)
async def test_a_refusal_about_a_trigger_is_a_problem(
    client: httpx.AsyncClient, services: FakeServices, method: str, path: str, kind: Any, code: Code, status: int
):
    await services.answer(kind, Refused(code=code, detail="No."))
    response = await client.request(method, path)
    assert (response.status_code, response.json()["error_code"]) == (status, code)


async def fire(client: httpx.AsyncClient, body: Any = b"{}", **changed: str) -> httpx.Response:
    return await client.post(FIRE, content=body, headers=SIGNED | changed)


@pytest.fixture
async def fired(services: FakeServices) -> FakeServices:
    await services.answer(FireTrigger, FiredTrigger(execution=samples.execution(status="running"), repeated=False))
    return services


async def test_a_signed_request_starts_an_execution_without_a_token(anonymous: httpx.AsyncClient, fired: FakeServices):
    response = await fire(anonymous, b'{ "version": "1.4.2" }')
    command, envelope = fired.received[-1]
    assert (response.status_code, response.json()) == (202, {"execution_id": EXECUTION, "status": "running"})
    assert (command.body, envelope.actor) == (b'{ "version": "1.4.2" }', None)
    assert (command.webhook_id, command.webhook_timestamp) == ("msg_1", "1764147600")
    assert command.webhook_signature == "v1,c2lnbmF0dXJl"


@pytest.mark.usefixtures("fired")
async def test_a_token_beside_the_signature_is_ignored(anonymous: httpx.AsyncClient):
    assert (await fire(anonymous, authorization="Bearer x")).status_code == 202


async def test_a_body_that_is_not_text_reaches_the_service_unchanged(anonymous: httpx.AsyncClient, fired: FakeServices):
    await fire(anonymous, b"\xff\x00 ")
    assert fired.received[-1][0].body == b"\xff\x00 "


async def test_a_repeated_webhook_id_is_200_and_marked_as_replayed(
    anonymous: httpx.AsyncClient, services: FakeServices
):
    await services.answer(FireTrigger, FiredTrigger(execution=samples.execution(), repeated=True))
    response = await fire(anonymous)
    assert (response.status_code, response.headers["idempotent-replayed"]) == (200, "true")
    assert response.json() == {"execution_id": EXECUTION, "status": "completed"}


def comparable(response: httpx.Response) -> tuple[int, dict[str, Any], set[str]]:
    body = {name: value for name, value in response.json().items() if name not in ("timestamp", "request_id")}
    return response.status_code, body, {*response.headers} - {"retry-after"}


@each("code", [Code.INVALID_SIGNATURE, Code.TASK_NOT_FOUND, Code.TRIGGER_NOT_FOUND])
@each("changed", [*({name: ""} for name in SIGNED), {"webhook-id": "x" * 1001}])
async def test_all_requests_that_cannot_be_verified_get_the_same_401(
    anonymous: httpx.AsyncClient, services: FakeServices, code: Code, changed: dict[str, str]
):
    await services.answer(FireTrigger, Refused(code=code, detail="A detail that reveals something."))
    refused, incomplete = await fire(anonymous), await fire(anonymous, **changed)
    assert (refused.status_code, refused.json()["error_code"]) == (401, "INVALID_SIGNATURE")
    assert "reveals" not in refused.text
    assert comparable(refused) == comparable(incomplete)


@each("missing", list(SIGNED))
async def test_a_missing_header_is_401(anonymous: httpx.AsyncClient, fired: FakeServices, missing: str):
    headers = {name: value for name, value in SIGNED.items() if name != missing}
    assert (await anonymous.post(FIRE, content=b"{}", headers=headers)).status_code == 401
    assert fired.of(FireTrigger) == []


@each(
    ("code", "status"),
    [(Code.TASK_PAUSED, 409), (Code.WEBHOOK_BODY_INVALID, 422), (Code.VARIABLES_MISSING, 422)],
)
async def test_a_verified_request_that_is_refused_is_a_problem(
    anonymous: httpx.AsyncClient, services: FakeServices, code: Code, status: int
):
    await services.answer(FireTrigger, Refused(code=code, detail="No."))
    response = await fire(anonymous)
    assert (response.status_code, response.json()["error_code"]) == (status, code)


async def test_too_many_requests_are_429_with_retry_after(anonymous: httpx.AsyncClient, services: FakeServices):
    await services.answer(FireTrigger, Refused(code=Code.TRIGGER_RATE_LIMITED, detail="Too many."))
    response = await fire(anonymous)
    assert (response.status_code, response.headers["retry-after"]) == (429, "1")
    assert response.json()["retry_after"] == 1


async def test_the_largest_webhook_body_is_accepted(anonymous: httpx.AsyncClient, fired: FakeServices):
    assert (await fire(anonymous, b"x" * LIMIT)).status_code == 202
    assert len(fired.received[-1][0].body) == LIMIT


async def test_a_too_large_webhook_body_is_413(anonymous: httpx.AsyncClient, fired: FakeServices):
    response = await fire(anonymous, b"x" * (LIMIT + 1))
    assert (response.status_code, response.json()["error_code"]) == (413, "PAYLOAD_TOO_LARGE")
    assert fired.of(FireTrigger) == []


async def test_a_too_large_webhook_body_that_is_not_signed_is_401(anonymous: httpx.AsyncClient):
    assert (await anonymous.post(FIRE, content=b"x" * (LIMIT + 1))).status_code == 401


async def test_a_body_of_unknown_length_is_refused_while_it_is_read(anonymous: httpx.AsyncClient):
    sent = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(100):
            sent += 1
            yield b"x" * 8192

    assert (await fire(anonymous, chunks())).status_code == 413
    assert sent < 20


async def test_a_failed_request_may_be_sent_again(anonymous: httpx.AsyncClient, services: FakeServices):
    await services.answer(FireTrigger, Faulted(detail="slow"))
    response = await fire(anonymous)
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")


@each("path", [FIRE.replace(TRIGGER, "x"), FIRE.replace(TASK, "x"), f"{FIRE}?token=x"])
async def test_a_malformed_url_is_422(anonymous: httpx.AsyncClient, path: str):
    assert (await anonymous.post(path, content=b"{}", headers=SIGNED)).status_code == 422
