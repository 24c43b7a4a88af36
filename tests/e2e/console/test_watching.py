"""An agent is watched at work, and stopped."""

import asyncio
import re

import pytest
from onebox.testing.system import System
from playwright.async_api import Route, expect
from simulator.testing import bash, scripted

from tests.e2e.console.tab import Console
from tests.e2e.user import User

pytestmark = pytest.mark.asyncio(loop_scope="session")

HOSTILE = "<img src=x onerror=\"document.title='broken'\"><script>document.title='broken'</script>"


async def test_a_query_and_its_tool_call_are_shown_as_they_happen(console: Console, user: User, system: System) -> None:
    session_id = user.create()
    await console.open(session_id)
    await console.ask(scripted(bash("until [ -e go ]; do sleep 0.1; done; echo went"), {"text": "All is well."}))
    await expect(console.chip(console.tools)).to_have_text("running")
    await expect(console.status).to_have_text("processing")
    (system.data_dir / "workspaces" / session_id / "go").touch()
    await expect(console.chip(console.tools)).to_have_text("success")
    await expect(console.entries.last).to_contain_text("All is well.")
    await expect(console.status).to_have_text("active")
    await console.tools.locator("summary").click()
    await expect(console.tools.locator(".output")).to_have_text("went")
    await console.page.keyboard.press("Tab")
    await console.page.keyboard.press("Tab")
    await expect(console.tools.locator(".output")).to_be_focused()  # can be scrolled with the keyboard


async def test_text_is_shown_as_it_streams_and_a_run_can_be_cancelled(console: Console) -> None:
    await console.start("To be cancelled")
    await console.ask(scripted({"text": "first half second half", "stall": 300}))
    await expect(console.entries.last.locator(".text")).to_have_text("first half")
    await console.press("Cancel run")
    await expect(console.entries.last).to_have_text("The run was cancelled.")
    await expect(console.entries.nth(-2).locator(".text")).to_have_text("first half")
    await expect(console.entries.nth(-2).locator(".chip")).to_have_text("cancelled")
    await expect(console.status).to_have_text("active")
    await expect(console.page.get_by_role("button", name="Cancel run")).to_be_hidden()


async def test_a_tool_call_of_a_cancelled_run_is_shown_as_interrupted(console: Console, user: User) -> None:
    await console.open(user.create())
    await console.ask(scripted(bash("sleep 300"), {"text": "never"}))
    await expect(console.chip(console.tools)).to_have_text("running")
    await console.press("Cancel run")
    await expect(console.chip(console.tools)).to_have_text("interrupted")


async def test_the_reason_of_a_failed_run_is_shown_also_after_a_reload(console: Console) -> None:
    await console.start("Unlucky")
    await console.ask(scripted({"status": 400}))
    await expect(console.entries.last).to_contain_text("400")
    await console.page.reload()
    await expect(console.entries.last).to_contain_text("400")


async def test_runs_without_an_answer_are_marked_after_a_reload(console: Console, user: User) -> None:
    session_id = user.create()
    await console.open(session_id)
    await console.ask(scripted({"status": 400}))
    await expect(console.entries.last).to_contain_text("400")
    await expect(console.status).to_have_text("active")
    await console.ask(scripted({"text": "never said", "stall": 300}))
    await console.press("Cancel run")
    await expect(console.entries.last).to_have_text("The run was cancelled.")
    user.ask(session_id, scripted({"text": "Well."})).raise_for_status()
    await expect(console.entries.last).to_contain_text("Well.")
    await console.page.reload()
    shown = ("Go on", "400", "Go on", "^The run was cancelled.$", "Go on", "Well.")
    await expect(console.entries).to_have_text([re.compile(part) for part in shown])


async def test_a_message_to_a_busy_session_is_shown_as_queued(console: Console, user: User, system: System) -> None:
    session_id = user.create()
    await console.open(session_id)
    await console.ask(scripted(bash("until [ -e go ]; do sleep 0.1; done"), {"text": "First."}))
    await expect(console.chip(console.tools)).to_have_text("running")
    await console.ask(scripted({"text": "Second."}))
    await expect(console.entries.last.locator(".chip")).to_have_text("queued")
    await expect(console.message).to_have_value("")
    await console.page.reload()
    await expect(console.entries.last.locator(".chip")).to_have_text("queued")
    (system.data_dir / "workspaces" / session_id / "go").touch()
    shown = [re.compile(part) for part in ("Go on", "Bash", "First.", "Go on", "Second.")]
    await expect(console.entries).to_have_text(shown)
    await expect(console.entries.locator(".chip", has_text="queued")).to_have_count(0)


async def test_a_queued_message_follows_the_cancelled_run_also_after_a_reload(console: Console, user: User) -> None:
    await console.open(user.create())
    await console.ask(scripted(bash("sleep 300"), {"text": "never"}))
    await expect(console.chip(console.tools)).to_have_text("running")
    await console.ask(scripted({"text": "Second."}))
    await console.press("Cancel run")
    shown = [re.compile(part) for part in ("Go on", "Bash", "^The run was cancelled.$", "Go on", "Second.")]
    await expect(console.entries).to_have_text(shown)
    await console.page.reload()
    await expect(console.entries).to_have_text(shown)


async def test_a_cancelled_queued_message_stays_visible(console: Console, user: User) -> None:
    session_id = user.create()
    user.http.post(f"/sessions/{session_id}/pause").raise_for_status()
    await console.open(session_id)
    await console.ask("Hello")
    await expect(console.entries.locator(".chip")).to_have_text("queued")
    [run] = user.items(f"/sessions/{session_id}/runs")
    user.http.post(f"/sessions/{session_id}/runs/{run['id']}/cancel").raise_for_status()
    for _ in ("then", "later"):
        await expect(console.entries).to_have_text([re.compile("Hello"), "The run was cancelled."])
        await expect(console.entries.first.locator(".chip")).to_have_text("cancelled")
        await console.page.reload()


async def test_the_detail_of_a_problem_is_shown(console: Console, user: User) -> None:
    session_id = user.create()
    user.http.post(f"/sessions/{session_id}/archive", json={}).raise_for_status()
    await console.open(session_id)
    await console.ask("Hello")
    await expect(console.page.get_by_role("alert").filter(visible=True)).to_contain_text("archive")
    await expect(console.message).to_have_value("Hello")


@pytest.mark.parametrize(("status", "left"), [(200, "Next"), (503, "Hello\nNext")])
async def test_what_is_typed_while_a_message_is_sent_is_kept(
    console: Console, user: User, status: int, left: str
) -> None:
    session_id = user.create()
    user.http.post(f"/sessions/{session_id}/pause").raise_for_status()
    await console.open(session_id)
    sent, typed = asyncio.Event(), asyncio.Event()

    async def hold(route: Route) -> None:
        sent.set()
        await typed.wait()
        await route.fulfill(status=status, json={})

    await console.page.route(re.compile("/query$"), hold)
    await console.ask("Hello")
    await sent.wait()
    await console.message.press_sequentially("Next")
    typed.set()
    await expect(console.page.locator("#ask")).to_have_attribute("aria-busy", "false")
    await expect(console.message).to_have_value(left)


async def test_markup_in_any_text_is_shown_as_text(console: Console) -> None:
    await console.start(HOSTILE)
    await console.ask(scripted({"text": HOSTILE, **bash(f"touch {HOSTILE!r}")}, {"text": HOSTILE}) + HOSTILE)
    await console.press("Approve")
    await expect(console.entries.last).to_contain_text(HOSTILE)
    await expect(console.status).to_have_text("active")
    await expect(console.tools.locator(".input")).to_contain_text("<img src=x")
    await expect(console.page.get_by_role("heading", level=2)).to_have_text(HOSTILE)
    await expect(console.sessions).to_contain_text(HOSTILE)
    assert await console.page.locator("img, body script").count() == 0
    assert await console.page.title() == "AI-Agent-API"
