"""Requesting reports: the response waits until the report is created."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from contracts.messages import Event, Faulted, Refused
from contracts.refusals import Code
from contracts.report.report import (
    GetReport,
    ReportCompleted,
    ReportDeleted,
    ReportFailed,
    RequestReport,
)
from contracts.report.values import ReportRequest
from contracts.samples import EXECUTION, REPORT, SESSION, TASK, TIME
from contracts.session.session import GetSession
from contracts.task_scheduler.execution import GetExecution
from contracts.task_scheduler.task import GetTask
from gateway import waiting

from services.gateway.tests import samples
from services.gateway.tests.cases import each
from services.gateway.tests.fake_services import OTHER, FakeServices
from services.gateway.tests.harness import Harness

REPORTS = "/api/v1/reports"
BODY = {"session_id": SESSION, "format": "pdf"}
FAILURE = {"status": "failed", "error_code": "REPORT_FAILED", "error_detail": "Rendering took too long."}
LATER = {"prefer": "respond-async"}
PENDING: dict[str, Any] = {
    "status": "pending",
    "progress_percent": 0,
    "progress_step": "queued",
    "file_path": None,
    "file_size_bytes": None,
    "generated_at": None,
}


class Work:
    """A fake of the report service with one report, which the test ends."""

    def __init__(self, services: FakeServices) -> None:
        self.services, self.requested = services, asyncio.Event()
        self.report: Any = samples.report(**PENDING)

    async def open(self) -> None:
        await self.services.answer(GetSession, samples.session())
        await self.services.answer_with(RequestReport, self._request)
        await self.services.answer_with(GetReport, lambda _: self.report)

    async def end(self, event: type[Event], **changed: Any) -> None:
        report_id = self.report.id
        self.report = samples.report(id=report_id, **changed)
        await self.services.client.publish(
            f"{event.subject}.{OTHER}.{report_id}", event.example().model_dump_json().encode()
        )

    def _request(self, command: RequestReport) -> object:
        self.report = self.report.model_copy(update={"id": command.report_id})
        self.requested.set()
        return self.report


@pytest.fixture
async def work(services: FakeServices) -> Work:
    work = Work(services)
    await work.open()
    return work


@pytest.fixture
def slow_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "POLL_SECONDS", 60)


@asynccontextmanager
async def pending_request(client: httpx.AsyncClient, work: Work) -> AsyncGenerator[asyncio.Task[httpx.Response]]:
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        pending = tasks.create_task(client.post(REPORTS, json=BODY))
        await work.requested.wait()
        yield pending


@pytest.mark.usefixtures("slow_poll")
async def test_a_report_is_returned_when_it_is_completed(client: httpx.AsyncClient, work: Work):
    async with pending_request(client, work) as pending:
        await work.end(ReportCompleted)
    response, body = pending.result(), pending.result().json()
    assert (response.status_code, response.headers["location"]) == (201, f"{REPORTS}/{work.report.id}")
    assert (body["session_id"], body["format"], body["file_size_bytes"]) == (SESSION, "pdf", 245760)
    assert (body["file_path"], body["generated_at"]) == (f"/reports/{REPORT}.pdf", TIME)


async def test_a_report_is_returned_even_if_the_event_is_lost(
    client: httpx.AsyncClient, work: Work, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(waiting, "POLL_SECONDS", 0.05)
    async with pending_request(client, work) as pending:
        work.report = samples.report()
    assert pending.result().status_code == 201


async def test_the_wait_survives_an_outage_of_the_report_service(
    client: httpx.AsyncClient, work: Work, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(waiting, "POLL_SECONDS", 0.05)
    replies: list[Any] = [samples.report(), Faulted(detail="Restarting.")]
    await work.services.answer_with(GetReport, lambda _: replies.pop() if len(replies) > 1 else replies[0])
    async with pending_request(client, work) as pending:
        pass
    assert pending.result().status_code == 201


@pytest.mark.usefixtures("slow_poll")
@each(("code", "status"), [("REPORT_FAILED", 500), ("REPORT_TOO_LARGE", 422), ("STORAGE_FAILED", 507)])
async def test_a_failed_report_is_a_problem_with_the_reason(
    client: httpx.AsyncClient, work: Work, code: str, status: int
):
    async with pending_request(client, work) as pending:
        await work.end(ReportFailed, **FAILURE | {"error_code": code})
    response, body = pending.result(), pending.result().json()
    assert (response.status_code, body["error_code"], body["detail"]) == (status, code, FAILURE["error_detail"])
    assert (body["report_id"], response.headers["location"]) == (str(work.report.id), f"{REPORTS}/{work.report.id}")


@pytest.mark.usefixtures("slow_poll")
async def test_a_report_deleted_during_the_wait_is_404(client: httpx.AsyncClient, work: Work):
    async with pending_request(client, work) as pending:
        await work.services.answer(GetReport, Refused(code=Code.REPORT_NOT_FOUND, detail="Gone."))
        await work.end(ReportDeleted)
    assert pending.result().status_code == 404


async def test_a_timed_out_wait_is_504_with_the_path_of_the_report(
    client: httpx.AsyncClient, work: Work, harness: Harness
):
    harness.gateway.waits.timeout = 0.05
    response = await client.post(REPORTS, json=BODY)
    assert (response.status_code, response.json()["error_code"]) == (504, "ANSWER_NOT_READY")
    assert response.headers["location"] == f"{REPORTS}/{response.json()['report_id']}"


async def test_a_wait_at_shutdown_is_503_without_an_invitation_to_repeat(
    client: httpx.AsyncClient, work: Work, harness: Harness
):
    async with pending_request(client, work) as pending:
        harness.gateway.waits.shut_down(0)
    response = pending.result()
    assert (response.status_code, "retry-after" in response.headers) == (503, False)
    assert response.headers["location"] in response.json()["detail"]


async def test_a_report_is_requested_without_waiting(client: httpx.AsyncClient, work: Work):
    response = await client.post(REPORTS, json=BODY, headers=LATER)
    assert (response.status_code, response.headers["preference-applied"]) == (202, "respond-async")
    assert response.headers["location"] == f"{REPORTS}/{work.report.id}"
    assert (response.json()["status"], response.json()["file_path"]) == ("pending", None)


PERIOD = {"from": "2026-11-01T00:00:00+01:00", "to": "2026-11-08T00:00:00Z"}
STORED_PERIOD = {"from_at": "2026-10-31T23:00:00Z", "to_at": "2026-11-08T00:00:00Z"}
TASKS = {"report_type": "task", "task_id": TASK}


@each(
    ("body", "subject", "request_"),
    [
        ({"session_id": SESSION}, GetSession, {"session_id": SESSION}),
        (
            {"session_id": SESSION, "include_metrics": False},
            GetSession,
            {"session_id": SESSION, "include_metrics": False},
        ),
        ({"session_id": SESSION, "title": " A b "}, GetSession, {"session_id": SESSION, "title": "A b"}),
        (TASKS, GetTask, TASKS),
        (TASKS | PERIOD, GetTask, TASKS | STORED_PERIOD),
        (TASKS | {"execution_id": EXECUTION}, GetExecution, TASKS | {"execution_id": EXECUTION}),
    ],
)
async def test_a_report_is_requested_after_its_subject_was_read(
    client: httpx.AsyncClient, work: Work, body: dict[str, Any], subject: Any, request_: dict[str, Any]
):
    await work.services.answer(GetTask, samples.task())
    await work.services.answer(GetExecution, samples.execution())
    assert (await client.post(REPORTS, json=body | {"format": "html"}, headers=LATER)).status_code == 202
    kinds = [message.__class__ for message, _ in work.services.received[-2:]]
    assert kinds == [subject, RequestReport]
    [command] = work.services.of(RequestReport)
    assert command.request == ReportRequest.model_validate(request_ | {"format": "html"})


@each(
    ("body", "kind", "code"),
    [
        ({"session_id": SESSION}, GetSession, Code.SESSION_NOT_FOUND),
        (TASKS, GetTask, Code.TASK_NOT_FOUND),
        (TASKS | {"execution_id": EXECUTION}, GetExecution, Code.EXECUTION_NOT_FOUND),
    ],
)
async def test_another_users_subject_is_404_and_nothing_is_requested(
    client: httpx.AsyncClient, work: Work, body: dict[str, Any], kind: Any, code: Code
):
    await work.services.answer(kind, Refused(code=code, detail="No."))
    response = await client.post(REPORTS, json=body | {"format": "json"})
    assert (response.status_code, response.json()["error_code"]) == (404, code)
    assert work.services.of(RequestReport) == []


async def test_a_pdf_that_is_not_available_is_422(client: httpx.AsyncClient, work: Work):
    await work.services.answer(RequestReport, Refused(code=Code.PDF_NOT_AVAILABLE, detail="Choose html."))
    response = await client.post(REPORTS, json=BODY)
    assert (response.status_code, response.json()["error_code"]) == (422, "PDF_NOT_AVAILABLE")


@each(
    ("wrong", "reason"),
    [
        ({}, "needs `session_id`"),
        ({"session_id": SESSION, "task_id": TASK}, "has no `task_id`"),
        ({"session_id": SESSION, "from": TIME}, "has no `from`"),
        ({"report_type": "task", "session_id": SESSION}, "needs `task_id`"),
        (TASKS | {"session_id": SESSION}, "has no `session_id`"),
        (TASKS | {"execution_id": EXECUTION} | PERIOD, "either `execution_id`, or `from` and `to`"),
        (TASKS | {"from": PERIOD["to"], "to": PERIOD["from"]}, "`from` must be before `to`"),
        (TASKS | {"from": "yesterday"}, "UTC offset"),
        ({"session_id": SESSION, "title": " "}, "Must not be empty"),
        ({"session_id": SESSION, "title": "x" * 201}, "at most 200"),
        ({"session_id": SESSION, "format": "docx"}, "pdf, html, markdown, json"),
        ({"session_id": SESSION, "include_messages": "yes"}, "true or false"),
        ({"session_id": SESSION, "report_type": "user"}, "session, task"),
        ({"session_id": SESSION, "titel": "x"}, "did you mean `title`"),
    ],
)
async def test_an_invalid_request_for_a_report_is_422(client: httpx.AsyncClient, wrong: dict[str, Any], reason: str):
    response = await client.post(REPORTS, json={"format": "pdf"} | wrong)
    assert (response.status_code, reason in response.json()["errors"][0]["msg"]) == (422, True), response.text
