"""Sessions are listed, started and opened."""

import re

import pytest
from onebox.testing.system import System
from playwright.async_api import expect
from runtime.testing import eventually
from simulator.testing import bash, scripted

from tests.e2e.console.tab import Console
from tests.e2e.user import User

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_the_list_shows_the_sessions_a_page_at_a_time(console: Console, user: User) -> None:
    for number in range(27):
        user.http.post("/sessions", json={"name": f"number {number}"}).raise_for_status()
    await console.page.reload()
    await expect(console.sessions).to_have_count(25)
    await expect(console.sessions.first).to_contain_text("number 26")
    await console.press("Load more")
    await expect(console.sessions).to_have_count(27)
    await expect(console.page.get_by_role("button", name="Load more")).to_be_hidden()


async def test_a_session_is_started_with_the_values_of_the_form(console: Console, user: User) -> None:
    await console.start("A small one", mode="non_interactive", permissions="plan")
    await expect(console.sessions).to_have_text(re.compile("A small one"))
    [listed] = user.items("/sessions")
    session = user.http.get(f"/sessions/{listed['id']}").json()
    assert (session["name"], session["mode"]) == ("A small one", "non_interactive")
    assert session["sdk_options"]["permission_mode"] == "plan"


async def test_a_reopened_conversation_is_shown_in_order(console: Console, user: User) -> None:
    session_id = user.create()
    user.ask(session_id, scripted({"text": "First.", **bash("echo one")}, {"text": "Second."})).raise_for_status()
    user.ask(session_id, scripted(bash("echo two"), {"text": "Third."})).raise_for_status()
    await console.open(session_id)
    shown = [re.compile(part) for part in ("Go on", "First.", "echo one", "Second.", "Go on", "echo two", "Third.")]
    await expect(console.entries).to_have_text(shown)


async def test_opening_another_session_replaces_the_first(console: Console, user: User) -> None:
    first, second = user.create(), user.create()
    for session_id, words in ((first, "Of the first."), (second, "Of the second.")):
        user.ask(session_id, scripted({"text": words})).raise_for_status()
    await expect(console.sessions).to_have_count(2)
    await console.open(first)
    await expect(console.entries.last).to_contain_text("Of the first.")
    await console.sessions.first.click()
    await expect(console.entries).to_have_text([re.compile("Go on"), re.compile("Of the second.")])
    await console.page.go_back()
    await expect(console.entries).to_have_text([re.compile("Go on"), re.compile("Of the first.")])


async def test_a_large_output_is_fetched_when_expanded(console: Console, user: User) -> None:
    session_id = user.create()
    user.ask(session_id, scripted(bash("seq 5000"), {"text": "Done."})).raise_for_status()
    await console.open(session_id)
    await console.tools.locator("summary").click()
    await expect(console.tools.locator(".output")).to_contain_text("4999\n5000")


async def test_a_large_message_is_fetched_on_demand(console: Console, user: User) -> None:
    session_id = user.create()
    await console.open(session_id)
    await console.ask(scripted({"text": f"{'word ' * 4000} the end."}))
    for _ in ("live", "reloaded"):
        await console.entries.last.get_by_role("button", name="Show all").click()
        await expect(console.entries.last).to_contain_text("the end.")
        await console.page.reload()


async def test_a_missing_session_is_reported_and_accepts_no_message(console: Console) -> None:
    await console.page.goto(f"{console.base_url}/console/#0197a1f0-0000-7000-8000-000000000000")
    await expect(console.page.get_by_role("heading", name="Session not found")).to_be_visible()
    await expect(console.page.get_by_role("alert").filter(visible=True)).to_contain_text("does not exist")
    await expect(console.page.get_by_role("button", name="Send")).to_be_hidden()


async def test_a_deleted_session_accepts_no_message(console: Console, user: User) -> None:
    deleted, kept = user.create(), user.create()
    await console.open(deleted)
    user.http.delete(f"/sessions/{deleted}").raise_for_status()
    await expect(console.page.get_by_role("alert").filter(visible=True)).to_contain_text("was deleted")
    await expect(console.message).to_be_hidden()
    await console.open(kept)
    await expect(console.message).to_be_visible()


async def test_the_last_line_is_visible_when_a_session_is_opened(console: Console, user: User) -> None:
    session_id = user.create()
    user.ask(session_id, scripted({"text": "line\n" * 100 + "the end"})).raise_for_status()
    await console.page.reload()
    await console.open(session_id)
    await expect(console.status).to_have_text("active")
    below = "scroller => scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight"
    await expect(console.entries.last.get_by_text("the end")).to_be_visible()
    log = console.page.get_by_role("log")

    async def is_at_end() -> bool:
        return await log.evaluate(below) < 1

    await eventually(is_at_end)  # the page scrolls after it has changed


@pytest.mark.parametrize(
    ("tool", "given", "title"),
    [
        ("Write", {"file_path": "/workspace/1.txt", "content": "a"}, "/workspace/1.txt"),
        ("Bash", {"description": "A test", "command": "echo one"}, "echo one"),
    ],
)
async def test_the_title_of_a_tool_call_is_the_same_after_a_reload(
    console: Console, user: User, tool: str, given: dict[str, str], title: str
) -> None:
    await console.open(user.create())
    await console.ask(scripted({"tools": [{"name": tool, "input": given}]}, {"text": "Done."}))
    await expect(console.chip(console.tools)).to_have_text("success")
    await expect(console.tools.locator(".gist")).to_have_text(title)
    await console.page.reload()
    await expect(console.tools.locator(".gist")).to_have_text(title)


async def test_an_administrator_sees_the_owners_of_sessions(door: Console, user: User) -> None:
    user.create()
    await door.log_in(System.admin_email, System.admin_password)
    owned = door.sessions.filter(has_text=user.name)  # other users may create sessions meanwhile
    await expect(owned.locator(".name")).to_have_text("one")
    await expect(owned.locator(".owner")).to_have_text(user.name)
    await door.start("An administrator's own")
    await expect(door.sessions.filter(has_text="An administrator's own")).to_contain_text("you")


async def test_a_user_sees_no_owners(console: Console, user: User) -> None:
    user.create()
    await console.page.reload()
    await expect(console.sessions).to_have_text(re.compile("one"))
    await expect(console.sessions.locator(".owner")).to_be_hidden()


async def test_a_small_screen_shows_the_list_or_a_session_uncropped(console: Console, user: User) -> None:
    session_id = user.create()
    await console.page.set_viewport_size({"width": 360, "height": 640})
    await console.open(session_id)
    await console.ask("word" * 200)
    await expect(console.status).to_have_text("active")
    await expect(console.sessions).not_to_be_visible()
    assert await console.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await console.page.get_by_role("link", name="Sessions").click()
    await expect(console.sessions).to_be_visible()
    await expect(console.message).not_to_be_visible()
    await expect(console.page.get_by_role("main")).to_have_count(1)


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


async def test_the_menu_of_a_small_screen_leads_to_the_pages(console: Console) -> None:
    await console.page.set_viewport_size({"width": 390, "height": 844})
    tasks = console.page.get_by_role("link", name="Tasks")
    await expect(tasks).to_be_hidden()
    await console.press("Menu")
    await tasks.click()
    await expect(console.view.get_by_role("heading", level=2)).to_have_text("Tasks")
    await expect(tasks).to_be_hidden()


async def test_the_list_follows_changes_of_sessions(console: Console, user: User) -> None:
    kept, deleted = user.create(), user.create()
    await expect(console.sessions).to_have_count(2)
    user.http.patch(f"/sessions/{kept}", json={"name": "Renamed"}).raise_for_status()
    user.http.post(f"/sessions/{kept}/pause").raise_for_status()
    await expect(console.sessions.last.locator(".name")).to_have_text("Renamed")
    await expect(console.chip(console.sessions.last)).to_have_text("paused")
    await expect(console.sessions.last.locator("time")).to_have_text("now")
    user.http.delete(f"/sessions/{deleted}").raise_for_status()
    await expect(console.sessions).to_have_text([re.compile("Renamed")])


async def test_an_open_session_that_is_renamed_elsewhere_shows_its_name(console: Console, user: User) -> None:
    session_id = user.create()
    await console.open(session_id)
    user.http.patch(f"/sessions/{session_id}", json={"name": "Renamed"}).raise_for_status()
    await expect(console.page.get_by_role("heading", level=2)).to_have_text("Renamed")
    await expect(console.sessions.locator(".name")).to_have_text("Renamed")


async def test_sessions_are_searched_by_name(console: Console, user: User) -> None:
    for name in ("Fix the import", "Write notes", "Fix 100% of it"):
        user.http.post("/sessions", json={"name": name}).raise_for_status()
    search = console.page.get_by_role("searchbox", name="Search sessions")
    await search.fill("fix")
    await expect(console.sessions.locator(".name")).to_have_text(["Fix 100% of it", "Fix the import"])
    user.http.post("/sessions", json={"name": "Another"}).raise_for_status()
    user.http.post("/sessions", json={"name": "Prefix"}).raise_for_status()
    await expect(console.sessions.locator(".name")).to_have_text(["Prefix", "Fix 100% of it", "Fix the import"])
    await search.fill("")
    await expect(console.sessions).to_have_count(5)
