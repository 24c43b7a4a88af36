"""Refusals of permission are reported to the audit log, whatever way a request takes; other problems are not."""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID

import httpx
import pytest
from contracts.identity.audit import MAX_ENTRIES, AuditEntry, RecordEntries
from contracts.identity.login import LogIn
from contracts.messages import Credential, Faulted, Refused
from contracts.refusals import Code
from contracts.report.report import GetLinkedReport
from contracts.samples import FAMILY, REPORT, RUN, SESSION, TASK, TRIGGER, USER
from contracts.session.run import InterruptSession
from contracts.session.session import CreateSession, GetSession
from contracts.session.workspace import UploadPart
from gateway.entry import audit_reports
from gateway.entry.audit_reports import AuditReports, is_denial
from gateway.problems import EdgeCode, Problem
from onebox.testing.mcp import mcp_client
from runtime.bus import Unavailable
from runtime.metrics import metrics_of
from runtime.testing import eventually

from services.gateway.tests import samples
from services.gateway.tests.cases import each
from services.gateway.tests.fake_services import OTHER, FakeServices
from services.gateway.tests.harness import Harness
from services.gateway.tests.websocket_client import open_websocket

ONE = f"/api/v1/sessions/{SESSION}"

type Reported = Callable[[], Awaitable[AuditEntry]]


@pytest.fixture(autouse=True)
async def service(services: FakeServices) -> None:
    await services.answer(RecordEntries, None)


@pytest.fixture
def reported(services: FakeServices) -> Reported:
    """Wait until a refusal is reported, and return the only one."""

    async def reported() -> AuditEntry:
        await eventually(lambda: services.of(RecordEntries))
        [entry] = [entry for command in services.of(RecordEntries) for entry in command.entries]
        return entry

    return reported


def scope_of(request_id: str = "one") -> dict[str, object]:
    return {"type": "http", "request_id": request_id, "client": ("192.0.2.1", 5)}


async def test_a_role_that_does_not_suffice_is_reported(harness: Harness, reported: Reported):
    async with harness.client("viewer") as client:
        response = await client.delete(ONE)
    entry = await reported()
    assert (entry.outcome, entry.action, entry.error_code) == ("denied", "deleteSession", "FORBIDDEN")
    assert (entry.user_id, entry.role, entry.credential) == (
        UUID(USER),
        "viewer",
        Credential(kind="login", id=UUID(FAMILY)),
    )
    assert (entry.resource_type, entry.resource_id, entry.owner_id) == ("session", UUID(SESSION), None)
    assert (entry.client_address, entry.correlation_id) == ("127.0.0.1", response.headers["x-request-id"])


async def test_the_resource_of_another_user_is_reported_with_its_owner(
    client: httpx.AsyncClient, services: FakeServices, reported: Reported
):
    await services.deny(GetSession, Code.SESSION_NOT_FOUND, OTHER)
    response = await client.get(ONE)
    entry = await reported()
    assert (response.status_code, str(OTHER) in response.text, str(OTHER) in str(response.headers)) == (
        404,
        False,
        False,
    )
    assert (entry.action, entry.error_code, entry.owner_id) == ("getSession", "SESSION_NOT_FOUND", OTHER)


async def test_a_file_of_another_user_is_reported_in_spite_of_a_precondition(
    client: httpx.AsyncClient, services: FakeServices, reported: Reported
):
    await services.deny(UploadPart, Code.SESSION_NOT_FOUND, OTHER)
    response = await client.put(f"{ONE}/workspace/a", content=b"x", headers={"if-match": '"tag"'})
    entry = await reported()
    assert response.status_code == 404
    assert (entry.action, entry.resource_id, entry.owner_id) == ("writeFile", UUID(SESSION), OTHER)


async def test_a_resource_in_the_body_is_reported_by_its_type(
    client: httpx.AsyncClient, services: FakeServices, reported: Reported
):
    await services.deny(CreateSession, Code.TEMPLATE_NOT_FOUND, OTHER)
    await client.post("/api/v1/sessions", json={"template_id": SESSION})
    entry = await reported()
    assert (entry.resource_type, entry.resource_id, entry.owner_id) == ("template", None, OTHER)


async def test_a_failed_login_is_reported(anonymous: httpx.AsyncClient, services: FakeServices, reported: Reported):
    await services.deny(LogIn, Code.INVALID_CREDENTIALS, OTHER)
    body = {"email": "mira@example.com", "password": "plantedsecret-analytical engine"}  # no id can contain the name
    await anonymous.post("/api/v1/auth/login", json=body)
    entry = await reported()
    assert (entry.action, entry.error_code) == ("login", "INVALID_CREDENTIALS")
    assert (entry.user_id, entry.credential, entry.owner_id) == (None, None, OTHER)
    assert "mira" not in entry.model_dump_json()


async def test_a_forged_trigger_request_is_reported(anonymous: httpx.AsyncClient, reported: Reported):
    await anonymous.post(f"/api/v1/tasks/{TASK}/triggers/{TRIGGER}/fire")
    entry = await reported()
    assert (entry.action, entry.error_code) == ("fireTrigger", "INVALID_SIGNATURE")
    assert (entry.resource_type, entry.resource_id) == ("trigger", UUID(TRIGGER))


async def test_the_resource_of_a_refusal_is_the_one_that_events_are_about(harness: Harness, reported: Reported):
    async with harness.client("viewer") as client:
        await client.post(f"{ONE}/runs/{RUN}/cancel")
    entry = await reported()
    assert (entry.resource_type, entry.resource_id) == ("session", UUID(SESSION))


async def test_an_invalid_link_is_reported(anonymous: httpx.AsyncClient, services: FakeServices, reported: Reported):
    await services.answer(GetLinkedReport, Refused(code=Code.LINK_NOT_VALID, detail="No."))
    await anonymous.get(f"/api/v1/reports/{REPORT}/download?link=forged")
    entry = await reported()
    assert (entry.action, entry.error_code) == ("downloadReport", "LINK_NOT_VALID")
    assert (entry.resource_type, entry.resource_id) == ("report", UUID(REPORT))


async def test_a_denied_tool_call_is_reported(base_url: str, services: FakeServices, reported: Reported):
    await services.deny(GetSession, Code.SESSION_NOT_FOUND, OTHER)
    async with mcp_client(base_url, services.token()) as client:
        await client.call_tool("get_session", {"session_id": SESSION})
    entry = await reported()
    assert (entry.action, entry.resource_type, entry.resource_id) == ("mcp.get_session", "session", UUID(SESSION))


@each("name", ["x" * 101 + "_id", "a session that I own_id"])
async def test_only_arguments_of_a_tool_are_reported(
    base_url: str, services: FakeServices, reported: Reported, name: str
):
    async with mcp_client(base_url, services.token(role="viewer")) as client:
        result = await client.call_tool("query_session", {name: TASK, "session_id": SESSION})
    entry = await reported()
    assert result.is_error
    assert (entry.action, entry.resource_type, entry.resource_id) == ("mcp.query_session", "session", UUID(SESSION))


async def test_a_denied_websocket_is_reported(base_url: str, services: FakeServices, reported: Reported):
    await services.create_streams()
    await services.deny(GetSession, Code.SESSION_NOT_FOUND, OTHER)
    async with open_websocket(base_url, services.token()) as client:
        await client.wait_closed()
    entry = await reported()
    assert (entry.action, entry.resource_id, entry.owner_id) == ("streamSession", UUID(SESSION), OTHER)


async def test_a_denied_command_over_a_websocket_is_reported(base_url: str, services: FakeServices, reported: Reported):
    await services.create_streams()
    await services.answer(GetSession, samples.session())
    await services.deny(InterruptSession, Code.NOT_OWNER, OTHER)
    async with open_websocket(base_url, services.token()) as client:
        await client.next()
        await client.send("interrupt")
        entry = await reported()
    assert (entry.action, entry.error_code, entry.owner_id) == ("interruptSession", "NOT_OWNER", OTHER)


@each("path", [ONE, "/api/v1/nowhere", "/api/v1/sessions?limit=0"])
async def test_other_problems_are_not_reported(
    client: httpx.AsyncClient, services: FakeServices, harness: Harness, path: str
):
    await services.answer(GetSession, Refused(code=Code.SESSION_NOT_FOUND, detail="There is none."))
    assert (await client.get(path)).status_code >= 400
    assert not harness.gateway.audit_reports.waiting
    assert not services.of(RecordEntries)


async def test_a_request_without_valid_credentials_is_not_reported(harness: Harness):
    async with harness.client(None, authorization="Bearer forged") as client:
        assert (await client.get(ONE)).status_code == 401
    assert not harness.gateway.audit_reports.waiting


@each(
    ("problem", "denied"),
    [
        (Problem(EdgeCode.FORBIDDEN, ""), True),
        (Problem(Code.ADMINS_ONLY, ""), True),
        (Problem(EdgeCode.ORIGIN_NOT_ALLOWED, ""), False),
        (Problem(Code.ACCOUNT_LOCKED, "", owner=OTHER), True),
        (Problem(Code.TOO_MANY_LOGINS, "", owner=OTHER), False),
        (Problem(Code.SESSION_BUSY, "", owner=OTHER), False),
        (Problem(EdgeCode.UNAUTHENTICATED, ""), False),
        (Problem(EdgeCode.RATE_LIMIT_EXCEEDED, ""), False),
    ],
)
def test_only_refusals_of_permission_are_denials(problem: Problem, denied: bool):
    assert is_denial(problem) is denied


async def test_refusals_wait_while_the_identity_service_is_unavailable(harness: Harness, services: FakeServices):
    await services.answer(RecordEntries, Faulted(detail="later"))
    async with harness.client("viewer") as client:
        await client.delete(ONE)
    await eventually(lambda: services.of(RecordEntries))
    [first] = {entry.id for command in services.of(RecordEntries) for entry in command.entries}
    services.received.clear()
    await services.answer(RecordEntries, None)
    await eventually(lambda: not harness.gateway.audit_reports.waiting)
    assert {entry.id for command in services.of(RecordEntries) for entry in command.entries} == {first}


async def test_refusals_of_the_same_moment_are_one_message(harness: Harness, services: FakeServices):
    own = AuditReports(harness.gateway.bus)
    for _ in range(5):
        own.add(scope_of(), Problem(EdgeCode.FORBIDDEN, ""))
    await own.report()
    assert [len(command.entries) for command in services.of(RecordEntries)] == [5]


async def test_refusals_within_50_ms_are_one_message(harness: Harness, services: FakeServices):
    pauses = list[float]()

    async def add_another(seconds: float) -> None:
        pauses.append(seconds)
        own.add(scope_of(), Problem(EdgeCode.FORBIDDEN, ""))

    own = AuditReports(harness.gateway.bus, sleep=add_another)
    own.add(scope_of(), Problem(EdgeCode.FORBIDDEN, ""))
    await own.report()
    assert ([len(command.entries) for command in services.of(RecordEntries)], pauses) == ([2], [0.05])


async def test_without_entries_nothing_is_reported(harness: Harness, services: FakeServices):
    own = AuditReports(harness.gateway.bus)
    own.add(scope_of(), Problem(EdgeCode.FORBIDDEN, ""))
    await own.report()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(own.report(), 0.2)
    assert len(services.of(RecordEntries)) == 1


async def test_many_refusals_are_reported_in_batches(harness: Harness, services: FakeServices):
    own = AuditReports(harness.gateway.bus)
    for _ in range(MAX_ENTRIES + 1):
        own.add(scope_of(), Problem(EdgeCode.FORBIDDEN, ""))
    await own.flush()
    assert [len(command.entries) for command in services.of(RecordEntries)] == [MAX_ENTRIES, 1]
    assert not own.waiting


async def test_refusals_beyond_the_limit_are_counted(harness: Harness, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(audit_reports, "MAX_WAITING", 2)
    own, before = (
        AuditReports(harness.gateway.bus),
        metrics_of("gateway").get_sample_value("audit_entries_lost_total") or 0,
    )
    for _ in range(3):
        own.add(scope_of(), Problem(EdgeCode.FORBIDDEN, ""))
    assert (len(own.waiting), metrics_of("gateway").get_sample_value("audit_entries_lost_total")) == (2, before + 1)


async def test_a_failed_report_is_not_repeated_by_a_concurrent_one(harness: Harness, services: FakeServices):
    await services.answer(RecordEntries, Faulted(detail="later"))
    own = AuditReports(harness.gateway.bus)
    own.add(scope_of(), Problem(EdgeCode.FORBIDDEN, ""))
    with pytest.raises(Unavailable):
        await own.flush()
    assert len(own.waiting) == 1


async def test_messages_carry_address_and_credential(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(GetSession, samples.session())
    await client.get(ONE)
    [envelope] = [envelope for message, envelope in services.received if isinstance(message, GetSession)]
    assert envelope.client_address == "127.0.0.1"
    assert envelope.credential == Credential(kind="login", id=UUID(FAMILY))
