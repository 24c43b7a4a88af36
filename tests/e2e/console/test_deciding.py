"""A person decides what an agent may do."""

import pytest
from playwright.async_api import expect
from simulator.testing import bash, scripted

from tests.e2e.console.tab import Console
from tests.e2e.user import User

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_person_approves_one_tool_call_and_denies_another(console: Console) -> None:
    await console.start("Careful")
    await console.ask(scripted(bash("touch one"), bash("touch two"), {"text": "Done."}))
    await expect(console.status).to_have_text("waiting")
    await expect(console.chip(console.tools.first)).to_have_text("waiting approval")
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
