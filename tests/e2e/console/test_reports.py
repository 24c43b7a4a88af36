"""Reports about a session are requested, followed, downloaded and deleted."""

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Route, expect

from tests.e2e.console.late import LateResponse
from tests.e2e.console.tab import Console
from tests.e2e.streams import following
from tests.e2e.user import User

pytestmark = pytest.mark.asyncio(loop_scope="session")


def report_on(user: User, session_id: str, title: str) -> str:
    """Request a report elsewhere, and return its path."""
    body = {"session_id": session_id, "format": "json", "title": title}
    return f"/reports/{user.http.post('/reports', json=body).raise_for_status().json()['id']}"


async def create(console: Console, kind: str, title: str = "") -> None:
    await console.reports_panel.get_by_label("Format").select_option(kind)
    await console.reports_panel.get_by_label("Title").fill(title)
    await console.press("Create report")


async def test_a_report_is_created_saved_under_its_title_and_deleted(console: Console, user: User) -> None:
    await console.open(user.create())
    await console.open_reports()
    await create(console, "Markdown", "Über alles")
    await expect(console.chip(console.reports)).to_have_text("completed")
    async with console.page.expect_download() as downloading:
        await console.press("Download")
    download = await downloading.value
    assert download.suggested_filename == "Über alles.md"
    content = await asyncio.to_thread(Path(await download.path()).read_bytes)
    assert content.startswith(b"# ")
    console.page.once("dialog", lambda dialog: dialog.accept())
    await console.press("Delete")
    await expect(console.reports).to_have_count(0)
    assert user.items("/reports") == []


@asynccontextmanager
async def shown_as(console: Console, **changed: Any) -> AsyncGenerator[None]:
    """Let the page read reports with these changes."""

    async def change(route: Route) -> None:
        answer = await route.fetch()
        await route.fulfill(response=answer, json=await answer.json() | changed)

    await console.page.route(re.compile("/api/v1/reports/[^/]+$"), change)
    yield
    await console.page.unroute_all(behavior="ignoreErrors")  # the page may be reading the report again


@pytest.mark.long
async def test_the_progress_and_the_failure_of_a_report_are_shown(console: Console, user: User) -> None:
    await console.open(user.create())
    await console.open_reports()
    problem = {"detail": "Choose html.", "status": 422}
    await console.page.route(re.compile("/reports$"), lambda route: route.fulfill(status=422, json=problem), times=1)
    await create(console, "PDF")
    await expect(console.reports_panel.locator("form [role=alert]")).to_have_text("Choose html.")
    async with shown_as(console, status="rendering", progress_percent=40, progress_step="rendering"):
        await create(console, "JSON")
        await expect(console.reports.locator(".step")).to_have_text("40 %, rendering")
        await expect(console.reports.get_by_role("progressbar")).to_have_attribute("value", "40")
        await expect(console.reports.get_by_role("button", name="Download")).to_be_hidden()
    failure = {"status": "failed", "error_code": "REPORT_FAILED", "error_detail": "Rendering took too long."}
    async with shown_as(console, **failure):
        await create(console, "JSON")
        await expect(console.reports.first.locator(".detail")).to_have_text("REPORT_FAILED: Rendering took too long.")


@pytest.mark.long
async def test_reports_on_the_open_session_are_followed(console: Console, user: User) -> None:
    session_id, other = user.create(), user.create()
    await console.open(session_id)
    await console.open_reports()
    await expect(console.reports_panel.get_by_text("There are no reports")).to_be_visible()
    report_on(user, other, "Of another")
    report = report_on(user, session_id, "<b>bold</b>")
    await expect(console.reports.get_by_role("rowheader")).to_have_text(["<b>bold</b>"])
    await console.open(other)
    await expect(console.reports).not_to_be_visible()
    await console.open_reports()
    await expect(console.reports.get_by_role("rowheader")).to_have_text(["Of another"])
    await console.page.go_back()
    await console.open_reports()
    await expect(console.reports).to_have_count(1)
    user.http.delete(report).raise_for_status()
    await expect(console.reports).to_have_count(0)


@pytest.mark.long
async def test_a_response_from_before_a_deletion_does_not_show_the_report_again(console: Console, user: User) -> None:
    session_id = user.create()
    await console.open(session_id)
    await console.open_reports()
    await expect(console.reports_panel.get_by_text("There are no reports")).to_be_visible()
    read = await LateResponse.of(console.page, "/api/v1/reports/[^/]+$")
    with following(user, "/events", types="report.deleted") as events:
        report = user.http.post("/reports", json={"session_id": session_id, "format": "json"}).raise_for_status().json()
        await read.sent()
        user.http.delete(f"/reports/{report['id']}").raise_for_status()
        await asyncio.to_thread(next, (event for event in events if event.event == "report.deleted"))
    await read.arrive()
    body = {"session_id": session_id, "format": "json", "title": "Another"}
    user.http.post("/reports", json=body).raise_for_status()  # once it is shown, the late response was handled
    await expect(console.reports.get_by_role("rowheader")).to_have_text(["Another"])
