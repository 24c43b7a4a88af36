"""A person decides what an agent may do."""

import re
from typing import Any

import pytest
from playwright.async_api import expect
from simulator.testing import DONE, bash, calling, scripted

from tests.e2e.console.tab import Console
from tests.e2e.user import User

EDIT = {"file_path": "/workspace/a.py", "old_string": "one\ntwo\nthree\n", "new_string": "one\n<b>2</b>\u202e\nthree\n"}

pytestmark = pytest.mark.asyncio(loop_scope="session")


DIFFERENCES = """
async (pairs) => {
  const { difference } = await import("/console/diff.js");
  return pairs.map(([before, after]) => difference(before, after));
}
"""


def joined(hunks: list[dict[str, Any]], left_out: str) -> list[str]:
    """Return the lines of one of the texts."""
    return [line for hunk in hunks if hunk["kind"] != left_out for line in hunk["lines"]]


def lines(text: str) -> list[str]:
    return text.removesuffix("\n").split("\n") if text else []


async def test_a_person_approves_one_tool_call_and_denies_another(console: Console) -> None:
    await console.start("Careful")
    await console.ask(scripted(bash("touch one"), bash("touch two"), {"text": "Done."}))
    await expect(console.status).to_have_text("waiting")
    await expect(console.chip(console.tools.first)).to_have_text("waiting for approval")
    await console.press("Approve")
    await expect(console.chip(console.tools.first)).to_have_text("success")
    await console.approvals.get_by_role("textbox").fill("Not on a Friday.")
    await console.press("Deny")
    await expect(console.tools.last).to_contain_text("Denied: Not on a Friday.")
    await expect(console.chip(console.tools.last)).to_have_text("denied")
    await expect(console.entries.last).to_contain_text("Done.")


async def test_a_denied_call_is_shown_as_denied_after_a_reload(console: Console) -> None:
    await console.start("Careful")
    await console.ask(scripted(bash("touch one"), bash("touch two"), {"text": "Done."}))
    await console.press("Approve")
    await expect(console.chip(console.tools.first)).to_have_text("success")
    await console.approvals.get_by_role("textbox").fill("Not on a Friday.")
    await console.press("Deny")
    await expect(console.entries.last).to_contain_text("Done.")
    await console.page.reload()
    await expect(console.tools.locator(".chip")).to_have_text(["success", "denied"])
    await expect(console.tools.locator(".decision")).to_have_text(["Approved", "Denied: Not on a Friday."])


async def test_a_call_denied_without_an_approval_is_shown_as_denied(console: Console) -> None:
    await console.start("Alone", mode="non_interactive")
    await console.ask(scripted(bash("touch one"), {"text": "Done."}))
    await expect(console.entries.last).to_contain_text("Done.")
    await expect(console.chip(console.tools)).to_have_text("denied")
    await console.page.reload()
    await expect(console.chip(console.tools)).to_have_text("denied")


async def test_enter_in_the_message_of_an_approval_never_approves(console: Console) -> None:
    await console.start("Careful")
    await console.ask(scripted(bash("touch one"), {"text": "Done."}))
    await console.approvals.get_by_role("textbox").press("Enter")
    await expect(console.tools).to_contain_text("Denied")


async def test_an_edit_is_shown_as_the_lines_that_change(console: Console, user: User) -> None:
    session_id = user.create("Bash", "Read")
    user.bash(session_id, r"printf 'one\ntwo\nthree\n' > a.py")
    await console.open(session_id)
    await console.ask(scripted(calling(("Read", {"file_path": "/workspace/a.py"})), calling(("Edit", EDIT)), DONE))
    await expect(console.approvals).to_be_visible()
    await expect(console.tools.last.locator(".file")).to_have_text("/workspace/a.py +1 \N{MINUS SIGN}1")
    await expect(console.tools.last.locator("del")).to_have_text("- two")
    await expect(console.tools.last.locator("ins")).to_have_text(r"+ <b>2</b>\u202e")
    await console.press("Approve")
    await expect(console.chip(console.tools.last)).to_have_text("success")
    await console.page.reload()
    await console.tools.last.locator("summary").click()
    await expect(console.tools.last.locator(".diff")).to_have_text(re.compile("one.*- two.*2</b>.*three", re.DOTALL))


async def test_a_new_file_is_shown_whole_before_it_is_approved(console: Console, user: User) -> None:
    await console.open(user.create("Read"))
    content = "line\n" * 4000 + "the end\n"
    await console.ask(scripted(calling(("Write", {"file_path": "/workspace/b.txt", "content": content})), DONE))
    await expect(console.tools.locator(".file")).to_have_text("/workspace/b.txt +4001 \N{MINUS SIGN}0")
    await expect(console.tools.locator("ins")).to_contain_text("+ the end")


async def test_a_pending_approval_shows_until_when_it_can_be_decided(console: Console, user: User) -> None:
    await console.open(user.create("Read"))
    await console.ask(scripted(bash("touch one"), DONE))
    await expect(console.chip(console.tools)).to_have_text("waiting for approval")
    await expect(console.approvals.locator(".remaining")).to_have_text(re.compile(r"^in \d+ (minutes|hours|days)$"))
    [approval] = user.items("/approvals")
    await expect(console.approvals.locator(".remaining")).to_have_attribute("datetime", approval["expires_at"])
    await console.press("Approve")
    await expect(console.chip(console.tools)).to_have_text("success")


async def test_pending_approvals_of_all_sessions_are_counted_and_listed(console: Console, user: User) -> None:
    sessions = [user.create("Read") for _ in range(2)]
    await console.open_tasks()
    await expect(console.pending).to_have_accessible_name("Approvals")
    for session_id in sessions:
        user.submit(session_id, scripted(bash("touch one"), DONE)).raise_for_status()
    await expect(console.pending).to_have_accessible_name("Approvals 2 pending")
    await console.open_approvals()
    await expect(console.waiting.get_by_role("cell").first).to_have_text("Bash touch one")
    [approval] = user.items("/approvals", status="pending", session_id=sessions[0])
    user.http.post(f"/approvals/{approval['id']}/deny").raise_for_status()
    await expect(console.waiting).to_have_count(1)
    await console.waiting.get_by_role("link", name="one").click()
    await console.press("Deny")
    await expect(console.pending).to_have_accessible_name("Approvals")
    await console.open_approvals()
    await expect(console.page.get_by_text("No agent waits for an approval.")).to_be_visible()


async def test_approvals_that_wait_are_counted_after_a_reload(console: Console, user: User) -> None:
    session_id = user.create("Read")
    user.submit(session_id, scripted(bash("touch one"), DONE)).raise_for_status()
    await expect(console.pending).to_have_accessible_name("Approvals 1 pending")
    await console.page.reload()
    await expect(console.pending).to_have_accessible_name("Approvals 1 pending")
    user.http.delete(f"/sessions/{session_id}").raise_for_status()
    await expect(console.pending).to_have_accessible_name("Approvals")


async def test_a_difference_contains_both_texts(door: Console) -> None:
    await door.page.goto(door.base_url)
    texts = ["", "a\nb\nc\n", "a\nc\n", "c\nb\na\n", "x\n" * 9 + "a\n" + "x\n" * 9, "x\n" * 18, "a\r\nb"]
    pairs = [[before, after] for before in texts for after in texts]
    hunks: list[list[dict[str, Any]]] = await door.page.evaluate(DIFFERENCES, pairs)
    for (before, after), found in zip(pairs, hunks, strict=True):
        assert joined(found, "added") == lines(before)
        assert joined(found, "removed") == lines(after)


async def test_a_remembered_tool_needs_one_approval(console: Console) -> None:
    await console.start("Trusting")
    await console.ask(scripted(bash("touch one"), bash("touch two"), {"text": "Done."}))
    await console.approvals.get_by_label("Apply to this tool").check()
    await console.press("Approve")
    await expect(console.entries.last).to_contain_text("Done.")
    await expect(console.tools.locator(".chip", has_text="success")).to_have_count(2)


async def test_an_approval_decided_elsewhere_is_no_longer_shown(console: Console, user: User) -> None:
    await console.start("Careful")
    await console.ask(scripted(bash("touch one"), {"text": "Done."}))
    await expect(console.approvals).to_be_visible()
    await console.page.reload()  # what waits is found again
    await expect(console.approvals).to_be_visible()
    [approval] = user.items("/approvals")
    user.http.post(f"/approvals/{approval['id']}/approve").raise_for_status()
    await expect(console.tools).to_contain_text("Approved")
    await expect(console.approvals).to_have_count(0)
