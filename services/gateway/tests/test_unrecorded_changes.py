"""Changes that no event records have an entry in the audit log all the same, without their content."""

import asyncio
from uuid import UUID

import httpx
import pytest
from contracts.identity.audit import MAX_DETAIL_LENGTH, AuditEntry, RecordEntries
from contracts.mcp_registry.check import CheckServer
from contracts.mcp_registry.server import GetServer
from contracts.messages import Faulted, Refused
from contracts.refusals import Code
from contracts.report.report import CreateLink
from contracts.samples import FAMILY, MCP_SERVER, REPORT, SESSION, TIME, USER
from contracts.session.workspace import DeleteFile, FileView, FileWritten, UploadPart, WriteFile
from gateway import waiting
from gateway.entry import audit_reports
from gateway.entry.audit_reports import AuditReports
from gateway.routing.changes import Change
from runtime.testing import eventually
from starlette.types import Scope

from services.gateway.tests import samples
from services.gateway.tests.cases import each
from services.gateway.tests.fake_services import OTHER, FakeServices
from services.gateway.tests.harness import Harness
from services.gateway.tests.server_samples import mcp_server

FILES = f"/api/v1/sessions/{SESSION}/workspace"
FILE = FileView.model_validate({"path": "a/notes.txt", "type": "file", "size_bytes": 5, "modified_at": TIME})
CONTENT = b"A file with a secret in it."


@pytest.fixture(autouse=True)
async def workspace(services: FakeServices) -> None:
    await services.answer(UploadPart, None)
    await services.answer(WriteFile, FileWritten(file=FILE, created=True))
    await services.answer(DeleteFile, None)
    await services.answer(RecordEntries, None)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a response wait for its entry, however busy the machine is."""
    monkeypatch.setattr(audit_reports, "CHANGE_SECONDS", 60.0)


def entries(services: FakeServices) -> list[AuditEntry]:
    return [entry for command in services.of(RecordEntries) for entry in command.entries]


async def test_a_written_file_has_an_entry_when_the_response_arrives(client: httpx.AsyncClient, services: FakeServices):
    response = await client.put(f"{FILES}/a/notes.txt", content=CONTENT)
    [entry] = entries(services)
    assert (entry.outcome, entry.action, entry.detail) == ("succeeded", "writeFile", "a/notes.txt")
    assert (entry.size_bytes, entry.resource_type, entry.resource_id) == (len(CONTENT), "session", UUID(SESSION))
    assert (entry.user_id, entry.role, entry.client_address) == (UUID(USER), "user", "127.0.0.1")
    assert entry.credential
    assert entry.credential.id == UUID(FAMILY)
    assert entry.correlation_id == response.headers["x-request-id"]


async def test_an_entry_has_no_content(client: httpx.AsyncClient, services: FakeServices):
    await client.put(f"{FILES}/a/notes.txt", content=CONTENT * 190_000)
    [entry] = entries(services)
    assert entry.size_bytes == len(CONTENT) * 190_000
    assert "secret" not in entry.model_dump_json()


async def test_an_empty_file_has_the_size_zero(client: httpx.AsyncClient, services: FakeServices):
    await client.put(f"{FILES}/empty", content=b"")
    assert [entry.size_bytes for entry in entries(services)] == [0]


async def test_a_deleted_file_has_an_entry(client: httpx.AsyncClient, services: FakeServices):
    await client.delete(f"{FILES}/a")
    [entry] = entries(services)
    assert (entry.action, entry.detail, entry.size_bytes) == ("deleteFile", "a", None)


async def test_a_link_to_a_report_has_an_entry_without_its_token(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(CreateLink, samples.report_link())
    response = await client.post(f"/api/v1/reports/{REPORT}/links")
    [entry] = entries(services)
    assert (response.status_code, entry.action, entry.resource_type) == (201, "createReportLink", "report")
    assert (entry.resource_id, entry.detail, entry.size_bytes) == (UUID(REPORT), None, None)
    assert samples.report_link().token not in entry.model_dump_json()


async def test_an_entry_names_the_owner_of_the_resource(harness: Harness, services: FakeServices):
    services.owner = OTHER
    await services.answer(CreateLink, samples.report_link())
    async with harness.client("admin") as admin:
        await admin.put(f"{FILES}/a", content=b"x")
        await admin.delete(f"{FILES}/a")
        await admin.post(f"/api/v1/reports/{REPORT}/links")
    named = [(entry.user_id, entry.owner_id) for entry in entries(services)]
    assert named == [(UUID(USER), OTHER)] * 3


async def test_an_entry_names_no_owner_of_an_earlier_request(client: httpx.AsyncClient, services: FakeServices):
    services.owner = OTHER
    await client.delete(f"{FILES}/a")
    services.owner = None
    await client.delete(f"{FILES}/a")
    assert [entry.owner_id for entry in entries(services)] == [OTHER, None]


async def test_a_change_that_failed_has_no_entry(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(DeleteFile, Refused(code=Code.FILE_NOT_FOUND, detail="There is none."))
    assert (await client.delete(f"{FILES}/a")).status_code == 404
    assert not entries(services)


async def test_a_change_that_was_perhaps_made_has_an_entry(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(WriteFile, Faulted(detail="Restarting."))
    assert (await client.put(f"{FILES}/a", content=b"x")).status_code == 503
    assert [(entry.outcome, entry.detail) for entry in entries(services)] == [("unknown", "a")]


async def test_a_request_that_reached_no_service_has_no_entry(client: httpx.AsyncClient, services: FakeServices):
    assert (await client.post(f"/api/v1/reports/{REPORT}/links")).status_code == 503
    assert not entries(services)


async def test_a_change_whose_result_is_not_ready_has_an_entry(harness: Harness, services: FakeServices):
    await services.answer(CheckServer, UUID(MCP_SERVER))
    await services.answer(GetServer, mcp_server())
    harness.gateway.waits.timeout, services.owner = 0.05, OTHER
    async with harness.client() as client:
        assert (await client.post(f"/api/v1/mcp-servers/{MCP_SERVER}/check")).status_code == 504
    [entry] = entries(services)
    assert (entry.outcome, entry.action, entry.owner_id) == ("succeeded", "checkMcpServer", OTHER)


async def test_a_change_whose_client_hangs_up_has_an_entry(
    services: FakeServices, harness: Harness, base_url: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(waiting, "CHECK_SECONDS", 0.01)
    await services.answer(CheckServer, UUID(MCP_SERVER))
    await services.answer(GetServer, mcp_server())
    token = {"authorization": f"Bearer {services.token()}"}
    async with httpx.AsyncClient(base_url=base_url, headers=token, timeout=60) as client, asyncio.TaskGroup() as tasks:
        checking = tasks.create_task(client.post(f"/api/v1/mcp-servers/{MCP_SERVER}/check"))
        await eventually(lambda: services.of(CheckServer))
        checking.cancel()
    await eventually(lambda: entries(services))
    assert [(entry.outcome, entry.action) for entry in entries(services)] == [("succeeded", "checkMcpServer")]


async def test_a_change_whose_client_is_logged_out_has_an_entry(
    client: httpx.AsyncClient, harness: Harness, services: FakeServices, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(waiting, "CHECK_SECONDS", 0.01)
    harness.gateway.waits.timeout = 60
    await services.answer(CheckServer, UUID(MCP_SERVER))
    await services.answer(GetServer, mcp_server())
    async with asyncio.TaskGroup() as tasks:
        checking = tasks.create_task(client.post(f"/api/v1/mcp-servers/{MCP_SERVER}/check"))
        await eventually(lambda: services.of(CheckServer))
        await services.publish_revocations(FAMILY)
    assert checking.result().status_code == 401
    assert [(entry.outcome, entry.action) for entry in entries(services)] == [("succeeded", "checkMcpServer")]


async def test_a_replayed_response_adds_no_entry(client: httpx.AsyncClient, services: FakeServices):
    for _ in range(2):
        await client.put(f"{FILES}/a", content=b"x", headers={"idempotency-key": "one"})
    assert len(entries(services)) == 1


async def test_an_entry_waits_while_the_identity_service_is_unavailable(harness: Harness, services: FakeServices):
    await services.answer(RecordEntries, Faulted(detail="later"))
    async with harness.client() as client:
        assert (await client.delete(f"{FILES}/a")).status_code == 204
    assert [entry.action for entry in harness.gateway.audit_reports.waiting] == ["deleteFile"]
    await services.answer(RecordEntries, None)
    await eventually(lambda: not harness.gateway.audit_reports.waiting)


async def test_a_response_does_not_wait_long_for_its_entry(
    harness: Harness, services: FakeServices, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(audit_reports, "CHANGE_SECONDS", 0.01)
    await services.ignore(RecordEntries)
    async with harness.client() as client:
        assert (await client.delete(f"{FILES}/a")).status_code == 204
    assert harness.gateway.audit_reports.waiting


@each(
    ("path", "detail"),
    [
        ("x" * 600, "x" * (MAX_DETAIL_LENGTH - 1) + "…"),
        ("a\0b", "a\ufffdb"),
        ("a\udcffb", "a?b"),
        ("a\r\nb", "a\r\nb"),
    ],
)
async def test_a_detail_can_be_stored(harness: Harness, services: FakeServices, path: str, detail: str):
    scope: Scope = {"type": "http", "request_id": "one", "client": ("192.0.2.1", 5), "path_params": {"path": path}}
    await AuditReports(harness.gateway.bus).add_change(scope, Change("succeeded", detail=path))
    assert [entry.detail for entry in entries(services)] == [detail]
