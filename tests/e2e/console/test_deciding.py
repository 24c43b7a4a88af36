"""A person decides what an agent may do."""

import re

import pytest
from playwright.async_api import expect
from simulator.testing import DONE, bash, calling, scripted

from tests.e2e.console.tab import Console
from tests.e2e.user import User

EDIT = {"file_path": "/workspace/a.py", "old_string": "one\ntwo\nthree\n", "new_string": "one\n<b>2</b>\u202e\nthree\n"}
NEW = {"file_path": "/workspace/b.txt", "content": "line\n" * 4000 + "the end\n"}
REASON = "Not on a Friday."

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_calls_are_approved_denied_and_remembered(console: Console, user: User) -> None:
    await console.open(user.create("Read"))
    calls = [bash(f"touch {name}") for name in ("one", "two", "three", "four", "five")]
    await console.ask(scripted(*calls, {"text": "Done."}))
    await expect(console.status).to_have_text("waiting")
    await expect(console.chip(console.tools)).to_have_text("waiting for approval")
    [approval] = user.items("/approvals")
    await expect(console.approvals.locator(".remaining")).to_have_text(re.compile(r"^in \d+ (minutes|hours|days)$"))
    await expect(console.approvals.locator(".remaining")).to_have_attribute("datetime", approval["expires_at"])
    await console.press("Approve")
    await expect(console.chip(console.tools.first)).to_have_text("success")
    await console.approvals.get_by_role("textbox").fill(REASON)
    await console.press("Deny")
    await expect(console.tools.nth(1)).to_contain_text(f"Denied: {REASON}")
    await console.approvals.get_by_role("textbox").press("Enter")  # never approves
    await expect(console.tools.nth(2)).to_contain_text("Denied")
    await console.approvals.get_by_label("Apply to this tool").check()
    await console.press("Approve")
    await expect(console.entries.last).to_contain_text("Done.")
    for _ in ("live", "reloaded"):
        await expect(console.tools.locator(".chip")).to_have_text(["success", "denied", "denied", "success", "success"])
        await expect(console.tools.locator(".decision:visible").nth(1)).to_have_text(f"Denied: {REASON}")
        await console.page.reload()


@pytest.mark.long
async def test_a_call_denied_without_an_approval_is_shown_as_denied(console: Console) -> None:
    await console.start("Alone", mode="non_interactive")
    await console.ask(scripted(bash("touch one"), {"text": "Done."}))
    await expect(console.entries.last).to_contain_text("Done.")
    await expect(console.chip(console.tools)).to_have_text("denied")
    await console.page.reload()
    await expect(console.chip(console.tools)).to_have_text("denied")


async def test_edits_and_new_files_are_shown_as_lines_before_approval(console: Console, user: User) -> None:
    session_id = user.create("Bash", "Read")
    user.bash(session_id, r"printf 'one\ntwo\nthree\n' > a.py")
    await console.open(session_id)
    tools = (("Read", {"file_path": "/workspace/a.py"}), ("Edit", EDIT), ("Write", NEW))
    await console.ask(scripted(*map(calling, tools), DONE))
    await expect(console.approvals).to_be_visible()
    await expect(console.tools.last.locator(".file")).to_have_text("/workspace/a.py +1 \N{MINUS SIGN}1")
    await expect(console.tools.last.locator("del")).to_have_text("- two")
    await expect(console.tools.last.locator("ins")).to_have_text(r"+ <b>2</b>\u202e")
    await console.press("Approve")
    await expect(console.tools.last.locator(".file")).to_have_text("/workspace/b.txt +4001 \N{MINUS SIGN}0")
    await expect(console.tools.last.locator("ins")).to_contain_text("+ the end")
    await expect(console.chip(console.tools.nth(-2))).to_have_text("success")
    await console.page.reload()
    edited = console.tools.nth(-2)
    await edited.locator("summary").click()
    await expect(edited.locator(".diff")).to_have_text(re.compile("one.*- two.*2</b>.*three", re.DOTALL))


async def test_pending_approvals_of_all_sessions_are_counted_and_listed(console: Console, user: User) -> None:
    sessions = [user.create("Read") for _ in range(2)]
    await console.open_tasks()
    await expect(console.pending).to_have_accessible_name("Approvals")
    for session_id in sessions:
        user.submit(session_id, scripted(bash("touch one"), bash("touch two"), DONE)).raise_for_status()
    await expect(console.pending).to_have_accessible_name("Approvals 2 pending")
    await console.page.reload()
    await expect(console.pending).to_have_accessible_name("Approvals 2 pending")
    await console.open_approvals()
    await expect(console.waiting.get_by_role("cell").first).to_have_text("Bash touch one")
    user.http.delete(f"/sessions/{sessions[0]}").raise_for_status()
    await expect(console.waiting).to_have_count(1)
    await console.waiting.get_by_role("link", name="one").click()
    await expect(console.approvals).to_be_visible()
    [approval] = user.items("/approvals", status="pending", session_id=sessions[1])
    user.http.post(f"/approvals/{approval['id']}/approve").raise_for_status()
    await expect(console.tools.first).to_contain_text("Approved")
    await expect(console.tools).to_have_count(2)
    await console.press("Deny")
    await expect(console.pending).to_have_accessible_name("Approvals")
    await console.open_approvals()
    await expect(console.page.get_by_text("No agent waits for an approval.")).to_be_visible()
