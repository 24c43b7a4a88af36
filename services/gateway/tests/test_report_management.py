"""Reports are listed, returned, deleted, and shared by links."""

from typing import Any
from uuid import UUID

import httpx
from contracts.messages import Page, Refused
from contracts.refusals import Code
from contracts.report.report import CreateLink, DeleteReport, GetReport, ListReports
from contracts.samples import EXECUTION, LINK, REPORT, SESSION, TASK, TIME

from services.gateway.tests import samples
from services.gateway.tests.cases import each
from services.gateway.tests.fake_services import OTHER, FakeServices

REPORTS = "/api/v1/reports"
ONE = f"{REPORTS}/{REPORT}"
FAILURE = {"status": "failed", "error_code": "REPORT_FAILED", "error_detail": "Rendering took too long."}


async def test_reports_are_listed_with_their_filters(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(ListReports, Page(items=[samples.report()], total=7, more=True))
    query = {"session_id": SESSION, "format": "pdf", "status": "completed", "limit": 1, "after": str(OTHER)}
    page = (await client.get(REPORTS, params=query)).json()
    assert services.received[-1][0] == ListReports.model_validate(query)
    assert (page["items"][0]["id"], page["items"][0]["file_path"]) == (REPORT, f"/reports/{REPORT}.pdf")
    assert page["links"]["next"] == f"{REPORTS}?limit=1&after={REPORT}&session_id={SESSION}&format=pdf&status=completed"


async def test_reports_about_a_task_are_listed(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(ListReports, Page(items=[samples.report()], total=1))
    assert (await client.get(f"{REPORTS}?task_id={TASK}&execution_id={EXECUTION}")).status_code == 200
    query = services.received[-1][0]
    assert (query.task_id, query.execution_id) == (UUID(TASK), UUID(EXECUTION))


@each("query", ["format=docx", "status=done", "session_id=x", "limit=101", "state=failed"])
async def test_invalid_parameters_of_a_list_of_reports_are_422(client: httpx.AsyncClient, query: str):
    assert (await client.get(f"{REPORTS}?{query}")).status_code == 422


async def test_a_report_is_returned_with_its_period_and_its_failure(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(GetReport, samples.report(from_at=TIME, to_at=TIME, **FAILURE))
    body = (await client.get(ONE)).json()
    assert (body["from"], body["to"], "from_at" in body) == (TIME, TIME, False)
    assert {name: body[name] for name in FAILURE} == FAILURE


async def test_a_report_is_deleted(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(DeleteReport, None)
    assert (await client.delete(ONE)).status_code == 204
    assert services.received[-1][0] == DeleteReport(report_id=UUID(REPORT))


@each(("body", "seconds"), [(None, 3600), ({"expires_in_seconds": 60}, 60)])
async def test_a_created_link_is_returned_with_its_url(
    client: httpx.AsyncClient, services: FakeServices, body: Any, seconds: int
):
    await services.answer(CreateLink, samples.report_link())
    response = await client.post(f"{ONE}/links", json=body)
    url = f"http://localhost{ONE}/download?link=bGluaw"
    assert (response.status_code, response.json()) == (201, {"id": LINK, "url": url, "expires_at": TIME})
    assert services.received[-1][0].seconds == seconds
    assert response.headers["cache-control"] == "no-store"


@each("seconds", [59, 604_801, "60", None, 60.5])
async def test_an_invalid_lifetime_of_a_link_is_422(client: httpx.AsyncClient, seconds: Any):
    assert (await client.post(f"{ONE}/links", json={"expires_in_seconds": seconds})).status_code == 422


@each(
    ("method", "path", "kind", "code", "status"),
    [
        ("GET", ONE, GetReport, Code.REPORT_NOT_FOUND, 404),
        ("DELETE", ONE, DeleteReport, Code.REPORT_NOT_FOUND, 404),
        ("POST", f"{ONE}/links", CreateLink, Code.REPORT_NOT_FOUND, 404),
        ("POST", f"{ONE}/links", CreateLink, Code.REPORT_NOT_READY, 409),
    ],
)
async def test_a_refusal_about_a_report_is_a_problem(
    client: httpx.AsyncClient, services: FakeServices, method: str, path: str, kind: Any, code: Code, status: int
):
    await services.answer(kind, Refused(code=code, detail="No."))
    response = await client.request(method, path)
    assert (response.status_code, response.json()["error_code"]) == (status, code)
