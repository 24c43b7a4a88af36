"""Reports about a session are requested, followed, downloaded and deleted."""

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Route, expect
from simulator.testing import scripted

from tests.e2e.console.tab import Console
from tests.e2e.streams import following
from tests.e2e.user import User

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.fixture
def session_id(user: User) -> str:
    session_id = user.create()
    user.ask(session_id, scripted({"text": "All is well."})).raise_for_status()
    return session_id


async def create(console: Console, kind: str, title: str = "") -> None:
    await console.reports_panel.get_by_label("Format").select_option(kind)
    await console.reports_panel.get_by_label("Title").fill(title)
    await console.press("Create report")


@pytest.mark.parametrize(("kind", "suffix", "start"), [("PDF", "pdf", b"%PDF-"), ("Markdown", "md", b"# ")])
async def test_a_report_is_created_and_saved_under_its_title(
    console: Console, session_id: str, kind: str, suffix: str, start: bytes
) -> None:
    await console.open(session_id)
    await console.open_reports()
    await create(console, kind, "Über alles")
    await expect(console.chip(console.reports)).to_have_text("completed")
    async with console.page.expect_download() as downloading:
        await console.press("Download")
    download = await downloading.value
    assert download.suggested_filename == f"Über alles.{suffix}"
    content = await asyncio.to_thread(Path(await download.path()).read_bytes)
    assert content.startswith(start)


@asynccontextmanager
async def shown_as(console: Console, **changed: Any) -> AsyncGenerator[None]:
    """Let the page read reports with these changes."""

    async def change(route: Route) -> None:
        answer = await route.fetch()
        await route.fulfill(response=answer, json=await answer.json() | changed)

    await console.page.route(re.compile("/api/v1/reports/[^/]+$"), change)
    yield
    await console.page.unroute_all(behavior="ignoreErrors")  # the page may be reading the report again


async def test_the_progress_of_a_report_is_shown(console: Console, session_id: str) -> None:
    await console.open(session_id)
    await console.open_reports()
    async with shown_as(console, status="rendering", progress_percent=40, progress_step="rendering"):
        await create(console, "JSON")
        await expect(console.reports.locator(".step")).to_have_text("40 %, rendering")
        await expect(console.reports.get_by_role("progressbar")).to_have_attribute("value", "40")
        await expect(console.reports.get_by_role("button", name="Download")).to_be_hidden()


async def test_a_failed_report_shows_the_reason(console: Console, session_id: str) -> None:
    await console.open(session_id)
    await console.open_reports()
    failure = {"status": "failed", "error_code": "REPORT_FAILED", "error_detail": "Rendering took too long."}
    async with shown_as(console, **failure):
        await create(console, "JSON")
        await expect(console.reports.locator(".detail")).to_have_text("REPORT_FAILED: Rendering took too long.")


async def test_a_refused_report_shows_the_reason(console: Console, session_id: str, user: User) -> None:
    await console.open(session_id)
    await console.open_reports()
    problem = {"detail": "Choose html.", "status": 422}
    await console.page.route(re.compile("/api/v1/reports$"), lambda route: route.fulfill(status=422, json=problem))
    await create(console, "PDF")
    await expect(console.reports_panel.locator("form [role=alert]")).to_have_text("Choose html.")


async def test_only_the_reports_of_the_open_session_are_listed(console: Console, session_id: str, user: User) -> None:
    for each, title in ((session_id, "Of this"), (user.create(), "Of another")):
        body = {"session_id": each, "format": "json", "title": title}
        user.http.post("/reports", json=body).raise_for_status()
    await console.open(session_id)
    await console.open_reports()
    await expect(console.reports.get_by_role("rowheader")).to_have_text(["Of this"])


async def test_a_report_created_and_deleted_elsewhere_is_followed(
    console: Console, session_id: str, user: User
) -> None:
    await console.open(session_id)
    await console.open_reports()
    await expect(console.reports_panel.get_by_text("There are no reports")).to_be_visible()
    body = {"session_id": session_id, "format": "json", "title": "<b>bold</b>"}
    report = user.http.post("/reports", json=body).raise_for_status().json()
    await expect(console.reports.get_by_role("rowheader")).to_have_text("<b>bold</b>")
    user.http.delete(f"/reports/{report['id']}").raise_for_status()
    await expect(console.reports).to_have_count(0)


async def test_a_response_from_before_a_deletion_does_not_show_the_report_again(
    console: Console, session_id: str, user: User
) -> None:
    await console.open(session_id)
    await console.open_reports()
    await expect(console.reports_panel.get_by_text("There are no reports")).to_be_visible()
    held, deleted = asyncio.Event(), asyncio.Event()

    async def hold(route: Route) -> None:
        answer = await route.fetch()
        held.set()
        await deleted.wait()
        await route.fulfill(response=answer)

    await console.page.route(re.compile("/api/v1/reports/[^/]+$"), hold)
    with following(user, "/events", types="report.deleted") as events:
        report = user.http.post("/reports", json={"session_id": session_id, "format": "json"}).raise_for_status().json()
        await held.wait()
        user.http.delete(f"/reports/{report['id']}").raise_for_status()
        await asyncio.to_thread(next, (event for event in events if event.event == "report.deleted"))
    deleted.set()
    body = {"session_id": session_id, "format": "json", "title": "Another"}
    user.http.post("/reports", json=body).raise_for_status()  # once it is shown, the late response was handled
    await expect(console.reports.get_by_role("rowheader")).to_have_text(["Another"])


async def test_a_report_is_deleted_after_a_confirmation(console: Console, session_id: str, user: User) -> None:
    user.http.post("/reports", json={"session_id": session_id, "format": "json"}).raise_for_status()
    await console.open(session_id)
    await console.open_reports()
    console.page.once("dialog", lambda dialog: dialog.accept())
    await console.press("Delete")
    await expect(console.reports).to_have_count(0)
    assert user.items("/reports") == []


async def test_another_session_has_its_own_panel(console: Console, session_id: str, user: User) -> None:
    user.http.post("/reports", json={"session_id": session_id, "format": "json"}).raise_for_status()
    await console.open(session_id)
    await console.open_reports()
    await expect(console.reports).to_have_count(1)
    await console.open(user.create())
    await expect(console.reports).not_to_be_visible()
    await console.open_reports()
    await expect(console.reports).to_have_count(0)
