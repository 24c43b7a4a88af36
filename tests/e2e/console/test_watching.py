"""An agent is watched at work, and stopped."""

import asyncio
import os
import re
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest
from onebox.testing.system import System
from playwright.async_api import Route, expect
from simulator.testing import bash, scripted

from tests.e2e.console.tab import Console, all_of
from tests.e2e.processes import processes
from tests.e2e.user import HELD, User, let_go

pytestmark = pytest.mark.asyncio(loop_scope="session")

CANCELLED = "^The run was cancelled.$"
HOSTILE = "<img src=x onerror=\"document.title='broken'\"><script>document.title='broken'</script>"


async def test_a_query_and_a_queued_one_are_watched(console: Console, user: User, console_system: System) -> None:
    session_id = user.create()
    await console.open(session_id)
    await console.ask(HELD)
    await expect(console.chip(console.tools)).to_have_text("running")
    await expect(console.status).to_have_text("processing")
    await console.ask(scripted(bash("echo went"), {"text": "Second."}))
    await expect(console.entries.last.locator(".chip")).to_have_text("queued")
    await expect(console.message).to_have_value("")
    await console.page.reload()
    await expect(console.entries.last.locator(".chip")).to_have_text("queued")
    let_go(console_system, session_id)
    await expect(console.entries).to_have_text(all_of("Go on", "Bash", "at last", "Go on", "Bash", "Second."))
    await expect(console.tools.locator(".chip")).to_have_text(["success", "success"])
    await expect(console.entries.locator(".chip", has_text="queued")).to_have_count(0)
    await expect(console.status).to_have_text("active")
    await console.tools.last.locator("summary").click()
    await expect(console.tools.last.locator(".output")).to_have_text("went")
    await console.page.keyboard.press("Tab")
    await console.page.keyboard.press("Tab")
    await expect(console.tools.last.locator(".output")).to_be_focused()  # can be scrolled with the keyboard


async def test_streamed_text_is_shown_and_its_run_cancelled(console: Console, user: User) -> None:
    await console.open(user.create())
    await console.ask(scripted({"text": "**half** and then the other half", "stall": 300}))
    await expect(console.entries.last.locator("strong")).to_have_text("half")
    refusal = {"detail": "Try again.", "status": 503}
    await console.page.route(re.compile("/interrupt$"), lambda route: route.fulfill(status=503, json=refusal), times=1)
    await console.press("Cancel run")
    await expect(console.page.locator("#session-error")).to_have_text("Try again.")
    await console.press("Cancel run")
    for _ in ("live", "reloaded"):
        await expect(console.entries).to_have_count(3)
        await expect(console.entries.last).to_have_text(re.compile(CANCELLED))
        await expect(console.page.locator("#session-error")).to_be_empty()
        await expect(console.entries.nth(-2).locator("strong")).to_have_text("half")
        await expect(console.entries.nth(-2).locator(".chip")).to_have_text("incomplete")
        await expect(console.status).to_have_text("active")
        await expect(console.page.get_by_role("button", name="Cancel run")).to_be_hidden()
        await console.page.reload()


async def test_runs_without_an_answer_are_the_same_after_a_reload(console: Console, user: User) -> None:
    await console.open(user.create())
    await console.ask(scripted({"status": 400}))
    await expect(console.entries.last).to_contain_text("400")
    await expect(console.status).to_have_text("active")
    await console.ask(scripted(bash("sleep 300"), {"text": "never"}))
    await expect(console.chip(console.tools)).to_have_text("running")
    await console.ask(scripted({"text": "Well."}))
    await console.press("Cancel run")
    shown = all_of("Go on", "400", "Go on", "Bash", CANCELLED, "Go on", "Well.")
    for _ in ("live", "reloaded"):
        await expect(console.entries).to_have_text(shown)
        await expect(console.chip(console.tools)).to_have_text("interrupted")
        await console.page.reload()


@pytest.mark.long
async def test_messages_that_no_agent_answers_stay_visible(console: Console, user: User) -> None:
    session_id = user.create()
    user.http.post(f"/sessions/{session_id}/pause").raise_for_status()
    await console.open(session_id)
    await console.ask("Hello")
    await expect(console.entries.locator(".chip")).to_have_text("queued")
    [run] = user.items(f"/sessions/{session_id}/runs")
    user.http.post(f"/sessions/{session_id}/runs/{run['id']}/cancel").raise_for_status()
    for _ in ("live", "reloaded"):
        await expect(console.entries).to_have_text(all_of("Hello", CANCELLED))
        await expect(console.entries.first.locator(".chip")).to_have_text("cancelled")
        await console.page.reload()
    user.http.post(f"/sessions/{session_id}/archive", json={}).raise_for_status()
    await console.ask("Hello")
    await expect(console.page.get_by_role("alert").filter(visible=True)).to_contain_text("archive")
    await expect(console.message).to_have_value("Hello")


@pytest.mark.long
async def test_what_is_typed_while_a_message_is_sent_is_kept(console: Console, user: User) -> None:
    await console.open(user.create())
    for status, left in ((200, "Next"), (503, "Hello\nNext")):
        sent, typed = asyncio.Event(), asyncio.Event()
        await console.page.route(re.compile("/query$"), holding(sent, typed, status), times=1)
        await console.ask("Hello")
        await sent.wait()
        await console.message.press_sequentially("Next")
        typed.set()
        await expect(console.page.locator("#ask")).to_have_attribute("aria-busy", "false")
        await expect(console.message).to_have_value(left)


def holding(sent: asyncio.Event, typed: asyncio.Event, status: int) -> Callable[[Route], Awaitable[None]]:
    """Hold a request until more was typed, and answer it with a status."""

    async def hold(route: Route) -> None:
        sent.set()
        await typed.wait()
        await route.fulfill(status=status, json={})

    return hold


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


async def test_a_run_with_which_another_agent_goes_on_says_so(console: Console, user: User) -> None:
    session_id = user.create()
    await console.open(session_id)
    await console.ask(scripted({"text": "half and then the other half", "stall": 300, "times": 1}))
    await expect(console.entries).to_have_text(all_of("Go on", "half and then\\s*$"))
    for pid in processes(f"--session-id={session_id}\0"):
        with suppress(ProcessLookupError):  # it has ended with another one of them
            os.kill(pid, signal.SIGKILL)
    await expect(console.entries).to_have_text(all_of("Go on", "Another one goes on", "half and then the other half"))
