"""Sessions are listed, started and opened."""

import re
from typing import Any

import pytest
from playwright.async_api import expect
from runtime.testing import eventually
from simulator.testing import bash, scripted

from tests.e2e.console.tab import Console, all_of
from tests.e2e.tasks import UserTask
from tests.e2e.user import User

pytestmark = pytest.mark.asyncio(loop_scope="session")

CODE = {"text": "**Bold**\n\n```python\ndef double(x):\n    return 2 * x  # <b>\n```\n"}
LONG: dict[str, Any] = {"text": f"{'word ' * 4000} the end."}
BELOW = "scroller => scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight"
IS_UNCROPPED = "document.documentElement.scrollWidth <= innerWidth"
NOWHERE = "0197a1f0-0000-7000-8000-000000000000"


def named(user: User, *names: str) -> list[str]:
    """Create sessions, and return their paths."""
    answers = [user.http.post("/sessions", json={"name": name}).raise_for_status() for name in names]
    return [f"/sessions/{answer.json()['id']}" for answer in answers]


async def test_sessions_are_listed_searched_and_followed(console: Console, user: User) -> None:
    named(user, *(f"number {number}" for number in range(24)), "Fix the import", "Write notes", "Fix 100% of it")
    await console.page.reload()
    await expect(console.sessions).to_have_count(25)
    await expect(console.sessions.first).to_contain_text("Fix 100% of it")
    await expect(console.sessions.first.locator(".owner")).to_be_hidden()
    await console.press("Load more")
    await expect(console.sessions).to_have_count(27)
    await expect(console.page.get_by_role("button", name="Load more")).to_be_hidden()
    search = console.page.get_by_role("searchbox", name="Search sessions")
    await search.fill("fix")
    await expect(console.sessions.locator(".name")).to_have_text(["Fix 100% of it", "Fix the import"])
    _, kept, deleted = named(user, "Another", "Prefix", "Suffix")
    await expect(console.sessions.locator(".name").first).to_have_text("Suffix")
    user.http.patch(kept, json={"name": "Fixed"}).raise_for_status()
    user.http.post(f"{kept}/pause").raise_for_status()
    await expect(console.sessions.nth(1).locator(".name")).to_have_text("Fixed")
    await expect(console.chip(console.sessions.nth(1))).to_have_text("paused")
    await expect(console.sessions.nth(1).locator("time")).to_have_text("now")
    user.http.delete(deleted).raise_for_status()
    await expect(console.sessions.locator(".name")).to_have_text(["Fixed", "Fix 100% of it", "Fix the import"])
    await search.fill("")
    await expect(console.sessions).to_have_count(25)


async def test_a_session_is_started_renamed_and_deleted(console: Console, user: User) -> None:
    await console.start("A small one", mode="non_interactive", permissions="plan")
    await expect(console.sessions).to_have_text(re.compile("A small one"))
    [listed] = user.items("/sessions")
    path = f"/sessions/{listed['id']}"
    session = user.http.get(path).json()
    assert (session["name"], session["mode"]) == ("A small one", "non_interactive")
    assert session["sdk_options"]["permission_mode"] == "plan"
    user.http.patch(path, json={"name": "Renamed"}).raise_for_status()
    await expect(console.page.get_by_role("heading", level=2)).to_have_text("Renamed")
    await expect(console.sessions.locator(".name")).to_have_text("Renamed")
    user.http.delete(path).raise_for_status()
    await expect(console.page.get_by_role("alert").filter(visible=True)).to_contain_text("was deleted")
    await expect(console.message).to_be_hidden()
    await console.open(user.create())
    await expect(console.message).to_be_visible()
    await console.page.goto(f"{console.base_url}/console/#{NOWHERE}")
    await expect(console.page.get_by_role("heading", name="Session not found")).to_be_visible()
    await expect(console.page.get_by_role("alert").filter(visible=True)).to_contain_text("does not exist")
    await expect(console.page.get_by_role("button", name="Send")).to_be_hidden()


async def test_a_conversation_is_shown_in_order_and_whole(console: Console, user: User) -> None:
    session_id, other = user.create(), user.create()
    message = scripted({"text": "First.", **bash("seq 5000")}, CODE)
    user.ask(session_id, f"**Not bold** {message}").raise_for_status()
    await console.page.reload()
    await console.open(session_id)
    await console.ask(scripted(LONG))
    shown = all_of(r"\*\*Not bold", "First.", "seq 5000", "Bold", "Go on", "word")
    for _ in ("live", "reloaded"):
        await expect(console.entries).to_have_text(shown)
        await expect(console.entries.nth(3).locator("strong")).to_have_text("Bold")
        await expect(console.entries.nth(3).locator("pre .hljs-keyword")).to_have_text(["def", "return"])
        await expect(console.entries.last).to_be_in_viewport()
        await eventually(lambda: at_end(console))  # the page scrolls after it has changed
        await console.entries.last.get_by_role("button", name="Show all").click()
        await expect(console.entries.last).to_contain_text("the end.")
        await console.page.reload()
    await console.tools.locator("summary").click()
    await expect(console.tools.locator(".output")).to_contain_text("4999\n5000")
    await console.sessions.first.click()
    await expect(console.page).to_have_url(re.compile(other))
    await expect(console.entries).to_have_count(0)
    await console.page.go_back()
    await expect(console.entries).to_have_text(shown)


async def at_end(console: Console) -> bool:
    return await console.page.locator("#scroller").evaluate(BELOW) < 1


async def test_an_administrator_sees_the_owners_and_their_tasks(admin_console: Console, user: User) -> None:
    task = UserTask.create(user)
    user.create()
    await admin_console.page.reload()
    owned = admin_console.sessions.filter(has_text=user.name)
    await expect(owned.locator(".name")).to_have_text("one")
    await expect(owned.locator(".owner")).to_have_text(user.name)
    await admin_console.start("An administrator's own")
    await expect(admin_console.sessions.filter(has_text="An administrator's own")).to_contain_text("you")
    await admin_console.open_tasks()
    await expect(admin_console.tasks.locator(".owner")).to_have_text(user.name)
    await admin_console.page.goto(f"{admin_console.base_url}/console/#tasks/{task.id}")
    await expect(admin_console.page.get_by_text("not updated live. Reload to see changes.")).to_be_visible()
    await admin_console.press("Pause")
    await expect(admin_console.state).to_have_text("paused")


async def test_a_small_screen_shows_one_part_at_a_time_uncropped(console: Console, user: User) -> None:
    session_id, wide = user.create(), "word" * 40
    UserTask.create(user, wide * 5, name=wide, schedule_cron="0 0 1 1 *")
    user.http.post(f"/sessions/{session_id}/pause").raise_for_status()
    await console.page.set_viewport_size({"width": 360, "height": 640})
    await console.open(session_id)
    await console.ask(wide * 5)
    await expect(console.entries).to_have_text(re.compile(wide))
    await expect(console.sessions).not_to_be_visible()
    assert await console.page.evaluate(IS_UNCROPPED)
    await console.page.get_by_role("link", name="Sessions").click()
    await expect(console.sessions).to_be_visible()
    await expect(console.message).not_to_be_visible()
    await expect(console.page.get_by_role("main")).to_have_count(1)
    tasks = console.page.get_by_role("link", name="Tasks")
    await expect(tasks).to_be_hidden()
    await console.press("Menu")
    await tasks.click()
    await expect(console.view.get_by_role("heading", level=2)).to_have_text("Tasks")
    await expect(tasks).to_be_hidden()
    await console.page.get_by_role("link", name=wide).click()
    await expect(console.next_runs).to_have_count(5)
    assert await console.page.evaluate(IS_UNCROPPED)
    assert await console.view.evaluate("view => view.scrollWidth <= view.clientWidth")
    await console.press("Menu")
    await console.page.get_by_role("link", name="Sessions").click()
    await expect(console.view).to_be_hidden()


@pytest.mark.long
async def test_an_open_panel_covers_the_conversation_but_not_the_message(console: Console, user: User) -> None:
    await console.page.set_viewport_size({"width": 390, "height": 844})
    await console.open(user.create())
    for panel in ("Report", "MCP servers"):
        await console.page.locator("#session summary", has_text=panel).click()
    await expect(console.reports_panel.get_by_role("button", name="Create report")).to_be_hidden()
    await expect(console.page.get_by_text("used no MCP servers")).to_be_in_viewport(ratio=1)
    await expect(console.message).to_be_in_viewport(ratio=1)
    await expect(console.page.get_by_role("button", name="Send")).to_be_in_viewport(ratio=1)
    height = await console.page.get_by_role("log").evaluate("log => log.clientHeight")
    assert height > 400
