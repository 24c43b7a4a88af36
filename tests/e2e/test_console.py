"""People watch and steer their agents in a browser."""

import re
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import pytest_asyncio
from onebox.testing.system import System
from playwright.async_api import Browser, expect

from tests.e2e.console import Console, chromium
from tests.e2e.user import PASSWORD, User, bash, scripted
from tests.e2e.wire import Wire

pytestmark = pytest.mark.asyncio(loop_scope="module")

HOSTILE = "<img src=x onerror=\"document.title='broken'\"><script>document.title='broken'</script>"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncGenerator[Browser]:
    async with chromium() as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="module")
async def door(browser: Browser, system: System) -> AsyncGenerator[Console]:
    """The page, with nobody logged in; it never breaks its own rules."""
    async with await browser.new_context() as context:
        console = Console(await context.new_page(), system.base_url)
        yield console
        assert console.complaints == []


@pytest_asyncio.fixture(loop_scope="module")
async def console(door: Console, user: User) -> Console:
    """The page, with the user logged in."""
    await door.enter(user)
    return door


@pytest_asyncio.fixture(loop_scope="module")
async def wire(system: System) -> AsyncGenerator[Wire]:
    async with Wire.to(system.base_url) as wire:
        yield wire


@pytest_asyncio.fixture(loop_scope="module")
async def far(door: Console, wire: Wire, user: User) -> Console:
    """As `console`, over a wire, and with a clock to turn."""
    await door.page.clock.install()
    door.base_url = wire.base_url
    await door.enter(user)
    return door


@pytest.fixture
def workspaces(system: System) -> Path:
    return system.data_dir / "workspaces"


async def test_a_wrong_password_is_said(door: Console, user: User) -> None:
    await door.log_in(user.email, "not the password")
    await expect(door.page.get_by_role("alert")).to_contain_text("password")
    await expect(door.page.get_by_role("button", name="Log in")).to_be_visible()


async def test_a_login_outlives_a_reload_and_ends_when_logged_out(console: Console, user: User) -> None:
    await console.page.reload()
    await expect(console.page.get_by_text(user.name)).to_be_visible()
    await console.press("Log out")
    await console.page.reload()
    await expect(console.page.get_by_label("Password")).to_be_visible()
    assert await console.page.evaluate("sessionStorage.length") == 0


async def test_a_token_that_is_no_longer_good_is_traded_for_a_new_one(console: Console, user: User) -> None:
    await console.page.evaluate(
        "sessionStorage.tokens = JSON.stringify({...JSON.parse(sessionStorage.tokens), access_token: 'old'})"
    )
    await console.page.reload()
    await expect(console.page.get_by_text(user.name)).to_be_visible()


async def test_tokens_that_were_ended_elsewhere_lead_back_to_the_door(console: Console, user: User) -> None:
    await console.page.evaluate("sessionStorage.tokens = JSON.stringify({access_token: 'old', refresh_token: 'old'})")
    await console.page.reload()
    await expect(console.page.get_by_label("Password")).to_be_visible()


async def test_the_list_shows_the_sessions_a_page_at_a_time(console: Console, user: User) -> None:
    for number in range(27):
        user.http.post("/sessions", json={"name": f"number {number}"}).raise_for_status()
    await console.page.reload()
    await expect(console.sessions).to_have_count(25)
    await expect(console.sessions.first).to_contain_text("number 26")
    await console.press("More")
    await expect(console.sessions).to_have_count(27)
    await expect(console.page.get_by_role("button", name="More")).to_be_hidden()


async def test_a_session_is_started_as_the_form_says(console: Console, user: User) -> None:
    await console.start("A small one", mode="non_interactive", permissions="plan")
    await expect(console.sessions).to_have_text(re.compile("A small one"))
    [session] = user.items("/sessions")
    assert (session["name"], session["mode"]) == ("A small one", "non_interactive")
    assert session["sdk_options"]["permission_mode"] == "plan"


async def test_a_query_is_answered_and_its_tool_call_is_watched(console: Console, user: User, workspaces: Path) -> None:
    session_id = user.create()
    await console.open(session_id)
    await console.ask(scripted(bash("until [ -e go ]; do sleep 0.1; done; echo went"), {"text": "All is well."}))
    await expect(console.chip(console.tools)).to_have_text("running")
    await expect(console.status).to_have_text("processing")
    (workspaces / session_id / "go").touch()
    await expect(console.chip(console.tools)).to_have_text("success")
    await expect(console.entries.last).to_contain_text("All is well.")
    await expect(console.status).to_have_text("active")
    await console.tools.locator("summary").click()
    await expect(console.tools.locator(".output")).to_have_text("went")


async def test_words_are_shown_while_they_are_said_and_a_run_can_be_cancelled(console: Console) -> None:
    await console.start("To be cancelled")
    await console.ask(scripted({"text": "first half second half", "stall": 300}))
    await expect(console.entries.last.locator(".text")).to_have_text("first half")
    await console.press("Cancel run")
    await expect(console.entries.last).to_have_text("The run was cancelled.")
    await expect(console.status).to_have_text("active")
    await expect(console.page.get_by_role("button", name="Cancel run")).to_be_hidden()


async def test_a_tool_call_of_a_cancelled_run_is_shown_as_interrupted(console: Console, user: User) -> None:
    await console.open(user.create())
    await console.ask(scripted(bash("sleep 300"), {"text": "never"}))
    await expect(console.chip(console.tools)).to_have_text("running")
    await console.press("Cancel run")
    await expect(console.chip(console.tools)).to_have_text("interrupted")


async def test_a_person_approves_one_tool_call_and_denies_another(console: Console) -> None:
    await console.start("Careful")
    await console.ask(scripted(bash("touch one"), bash("touch two"), {"text": "Done."}))
    await expect(console.status).to_have_text("waiting")
    await console.press("Approve")
    await expect(console.chip(console.tools.first)).to_have_text("success")
    await console.approvals.get_by_role("textbox").fill("Not on a Friday.")
    await console.press("Deny")
    await expect(console.tools.last).to_contain_text("Denied: Not on a Friday.")
    await expect(console.chip(console.tools.last)).to_have_text("error")
    await expect(console.entries.last).to_contain_text("Done.")


async def test_enter_in_the_message_of_an_approval_never_approves(console: Console) -> None:
    await console.start("Careful")
    await console.ask(scripted(bash("touch one"), {"text": "Done."}))
    await console.approvals.get_by_role("textbox").press("Enter")
    await expect(console.tools).to_contain_text("Denied")


async def test_a_tool_that_is_remembered_is_asked_about_once(console: Console) -> None:
    await console.start("Trusting")
    await console.ask(scripted(bash("touch one"), bash("touch two"), {"text": "Done."}))
    await console.approvals.get_by_label("Remember for this session").check()
    await console.press("Approve")
    await expect(console.entries.last).to_contain_text("Done.")
    await expect(console.tools.locator(".chip", has_text="success")).to_have_count(2)


async def test_what_was_decided_elsewhere_is_no_longer_asked(console: Console, user: User) -> None:
    await console.start("Careful")
    await console.ask(scripted(bash("touch one"), {"text": "Done."}))
    await expect(console.approvals).to_be_visible()
    await console.page.reload()  # what waits is found again
    await expect(console.approvals).to_be_visible()
    [approval] = user.items("/approvals")
    user.http.post(f"/approvals/{approval['id']}/approve").raise_for_status()
    await expect(console.tools).to_contain_text("Approved")
    await expect(console.approvals).to_have_count(0)


async def test_a_run_that_failed_says_why_then_and_later(console: Console) -> None:
    await console.start("Unlucky")
    await console.ask(scripted({"status": 400}))
    await expect(console.entries.last).to_contain_text("400")
    await console.page.reload()
    await expect(console.entries.last).to_contain_text("400")


async def test_a_refusal_is_shown_as_the_problem_says(console: Console, user: User) -> None:
    session_id = user.create()
    user.http.post(f"/sessions/{session_id}/pause").raise_for_status()
    await console.open(session_id)
    await console.ask("Hello")
    await expect(console.page.get_by_role("alert").filter(visible=True)).to_contain_text("paused")
    await expect(console.message).to_have_value("Hello")


async def test_text_stays_text_whoever_wrote_it(console: Console) -> None:
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


async def test_a_conversation_that_is_opened_later_is_shown_in_its_order(console: Console, user: User) -> None:
    session_id = user.create()
    user.ask(session_id, scripted({"text": "First.", **bash("echo one")}, {"text": "Second."})).raise_for_status()
    user.ask(session_id, scripted(bash("echo two"), {"text": "Third."})).raise_for_status()
    await console.open(session_id)
    shown = [re.compile(part) for part in ("Go on", "First.", "echo one", "Second.", "Go on", "echo two", "Third.")]
    await expect(console.entries).to_have_text(shown)


async def test_a_stream_that_breaks_is_resumed_without_loss_or_repeat(far: Console, wire: Wire, user: User) -> None:
    session_id = user.create()
    await far.open(session_id)
    await far.ask(scripted({"text": "Said before."}))
    await expect(far.status).to_have_text("active")
    wire.cut()
    await expect(far.connection).to_have_text("connecting again …")
    user.ask(session_id, scripted(bash("echo one"), {"text": "Said meanwhile."})).raise_for_status()
    wire.mend()
    await expect(far.connection).to_have_text("live")
    shown = [re.compile(part) for part in ("Go on", "Said before.", "Go on", "echo one", "Said meanwhile.")]
    await expect(far.entries).to_have_text(shown)
    await expect(far.chip(far.tools)).to_have_text("success")


async def test_a_connection_that_fell_silent_is_made_anew(far: Console, wire: Wire, user: User) -> None:
    session_id = user.create()
    await far.open(session_id)
    wire.silence()
    user.ask(session_id, scripted({"text": "Said into silence."})).raise_for_status()
    await far.page.clock.fast_forward("01:00")  # silence is noticed
    await expect(far.connection).to_have_text("connecting again …")
    await far.page.clock.fast_forward("01:00")
    await expect(far.entries.last).to_contain_text("Said into silence.")


async def test_a_session_that_is_not_there_is_said(console: Console) -> None:
    await console.page.goto(f"{console.base_url}/console/#0197a1f0-0000-7000-8000-000000000000")
    await expect(console.page.get_by_role("alert").filter(visible=True)).to_contain_text("no session")


async def test_the_keyboard_is_enough(door: Console, user: User) -> None:
    await door.page.goto(door.base_url)
    keyboard = door.page.keyboard
    await keyboard.type(user.email)
    await keyboard.press("Tab")
    await keyboard.type(f"{PASSWORD}\n")
    await expect(door.page.get_by_text(user.name)).to_be_visible()


async def test_a_phone_shows_the_list_or_a_session_and_nothing_is_cut_off(console: Console, user: User) -> None:
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
