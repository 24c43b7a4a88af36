"""The audit log over HTTP: pages, filters, links and the export."""

import json
from collections.abc import AsyncGenerator
from typing import Any
from uuid import UUID

import httpx
import pytest
from contracts.identity.audit import MAX_EXPORTED, AuditEntry, AuditFilter, ExportAuditEntries, ListAuditEntries
from contracts.messages import Faulted, Page, Refused
from contracts.refusals import Code
from contracts.samples import FAMILY, SESSION, TIME, USER
from runtime.clock import new_id

from services.gateway.tests.cases import each
from services.gateway.tests.fake_services import FakeServices
from services.gateway.tests.harness import Harness

AUDIT = "/api/v1/admin/audit"
JSON_LINES = "application/jsonl"
NONE = Page[AuditEntry](items=[], total=0)


def entry(**changed: Any) -> AuditEntry:
    fields = {"id": new_id(), "at": TIME, "outcome": "succeeded", "action": "session.created", "correlation_id": "one"}
    return AuditEntry.model_validate(fields | changed)


@pytest.fixture
async def admin(harness: Harness) -> AsyncGenerator[httpx.AsyncClient]:
    async with harness.client("admin") as admin:
        yield admin


async def test_entries_are_returned(admin: httpx.AsyncClient, services: FakeServices):
    one = entry(user_id=USER, role="user", credential={"kind": "login", "id": FAMILY}, client_address="192.0.2.1")
    await services.answer(ListAuditEntries, Page(items=[one], total=1))
    [item] = (await admin.get(AUDIT)).json()["items"]
    assert item == one.model_dump(mode="json") | {"actor": "user"}


@each(
    ("fields", "actor"),
    [
        ({"user_id": USER}, "user"),
        ({"user_id": str(UUID(int=0))}, "operator"),
        ({"client_address": "192.0.2.1"}, "anonymous"),
        ({}, "system"),
    ],
)
async def test_an_entry_says_who_did_it(
    admin: httpx.AsyncClient, services: FakeServices, fields: dict[str, Any], actor: str
):
    await services.answer(ListAuditEntries, Page(items=[entry(**fields)], total=1))
    assert (await admin.get(AUDIT)).json()["items"][0]["actor"] == actor


async def test_filters_are_passed_on(admin: httpx.AsyncClient, services: FakeServices):
    await services.answer(ListAuditEntries, NONE)
    conditions = {
        "action": "session.*,deleteSession",
        "user_id": USER,
        "resource_id": SESSION,
        "outcome": "denied",
        "client_address": "2001:DB8::0:1",
        "from": TIME,
        "to": "2026-11-26T00:00:00+01:00",
    }
    assert (await admin.get(AUDIT, params=conditions)).status_code == 200
    [query] = services.of(ListAuditEntries)
    assert query.filter == AuditFilter.model_validate(
        {
            "actions": ["session.*", "deleteSession"],
            "user_id": USER,
            "resource_id": SESSION,
            "outcome": "denied",
            "client_address": "2001:db8::1",
            "from_at": TIME,
            "to_at": "2026-11-25T23:00:00Z",
        }
    )


@each(
    "condition",
    [
        {"action": "session.created;"},
        {"action": ",".join(["a"] * 33)},
        {"action": ""},
        {"user_id": "ada"},
        {"outcome": "failed"},
        {"client_address": "somewhere"},
        {"from": "2026-11-25T09:00:00"},
        {"to": "9999-99-99"},
        {"format": "csv"},
        {"user": USER},
        {"from_at": TIME},
    ],
)
async def test_an_invalid_filter_is_422(admin: httpx.AsyncClient, condition: dict[str, str]):
    response = await admin.get(AUDIT, params=condition)
    assert (response.status_code, response.json()["error_code"]) == (422, "VALIDATION_ERROR")


async def test_links_lead_on_with_the_same_filters(admin: httpx.AsyncClient, services: FakeServices):
    last = entry()
    await services.answer(ListAuditEntries, Page(items=[last], total=10_000, more=True))
    links = (await admin.get(AUDIT, params={"limit": 1, "from": TIME, "outcome": "denied"})).json()["links"]
    assert links["prev"] is None
    await admin.get(links["next"])
    first, second = services.of(ListAuditEntries)
    assert second == first.model_copy(update={"after": last.id})


async def test_an_unknown_cursor_is_404(admin: httpx.AsyncClient, services: FakeServices):
    await services.answer(ListAuditEntries, Refused(code=Code.AUDIT_ENTRY_NOT_FOUND, detail="There is none."))
    response = await admin.get(AUDIT, params={"after": SESSION})
    assert (response.status_code, response.json()["error_code"]) == (404, "AUDIT_ENTRY_NOT_FOUND")


@each(
    ("parameters", "headers"),
    [({"format": "jsonl"}, {}), ({}, {"accept": JSON_LINES}), ({"format": "jsonl", "limit": "1"}, {})],
)
async def test_an_export_has_all_parts(
    admin: httpx.AsyncClient, services: FakeServices, parameters: dict[str, str], headers: dict[str, str]
):
    stored = [entry() for _ in range(MAX_EXPORTED + 3)]

    def part(query: ExportAuditEntries) -> list[AuditEntry]:
        ids = [each.id for each in stored]
        start = ids.index(query.after) + 1 if query.after else 0
        return stored[start : start + MAX_EXPORTED]

    await services.answer_with(ExportAuditEntries, part)
    response = await admin.get(AUDIT, params=parameters, headers=headers)
    assert response.headers["content-type"] == JSON_LINES
    assert response.headers["content-disposition"] == 'attachment; filename="audit.jsonl"'
    assert [json.loads(line)["id"] for line in response.text.splitlines()] == [str(each.id) for each in stored]


@each("position", [{"skip": 1}, {"after": SESSION}, {"before": SESSION}])
@each("headers", [{}, {"accept": JSON_LINES}])
async def test_an_export_from_a_position_is_422(
    admin: httpx.AsyncClient, services: FakeServices, position: dict[str, str | int], headers: dict[str, str]
):
    await services.answer(ExportAuditEntries, [])
    response = await admin.get(AUDIT, params=position if headers else position | {"format": "jsonl"}, headers=headers)
    assert (response.status_code, response.json()["errors"][0]["loc"]) == (422, ["query", *position])


async def test_an_empty_export_has_no_lines(admin: httpx.AsyncClient, services: FakeServices):
    await services.answer(ExportAuditEntries, [])
    response = await admin.get(AUDIT, params={"format": "jsonl"})
    assert (response.status_code, response.text) == (200, "")


async def test_an_export_that_cannot_begin_is_a_problem(admin: httpx.AsyncClient, services: FakeServices):
    await services.answer(ExportAuditEntries, Faulted(detail="later"))
    assert (await admin.get(AUDIT, params={"format": "jsonl"})).status_code == 503


async def test_json_is_the_default(admin: httpx.AsyncClient, services: FakeServices):
    await services.answer(ListAuditEntries, NONE)
    response = await admin.get(AUDIT, params={"format": "json"}, headers={"accept": JSON_LINES})
    assert response.headers["content-type"] == "application/json"


async def test_an_export_ends_when_its_token_is_revoked(base_url: str, services: FakeServices, harness: Harness):
    def part(_: ExportAuditEntries) -> list[AuditEntry]:
        harness.gateway.revocations.add(UUID(FAMILY))
        return [entry() for _ in range(MAX_EXPORTED)]

    await services.answer_with(ExportAuditEntries, part)
    token = {"authorization": f"Bearer {services.token(role='admin')}"}
    async with httpx.AsyncClient(base_url=base_url, headers=token, timeout=60) as client:
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get(AUDIT, params={"format": "jsonl"})
    assert len(services.of(ExportAuditEntries)) == 1


@each("role", ["user", "viewer"])
async def test_others_than_administrators_are_403(harness: Harness, role: str):
    async with harness.client(role) as client:
        assert (await client.get(AUDIT)).status_code == 403
