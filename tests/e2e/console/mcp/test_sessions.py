"""Sessions use MCP servers, which ask the user."""

import re

import pytest
from playwright.async_api import expect
from simulator.testing import DONE, calling, scripted

from tests.e2e.console.mcp.lab import Lab, register
from tests.e2e.console.tab import Console
from tests.e2e.user import User

pytestmark = pytest.mark.asyncio(loop_scope="session")

ORDER = scripted(calling(("mcp__lab__order", {})), DONE)


async def ask_order(console: Console, user: User, lab: Lab) -> None:
    """Open a session, and have its agent call the tool that asks the user."""
    register(user, lab.url)
    await console.open(user.create("mcp__lab", mcp_servers=["lab"]))
    await console.ask(ORDER)
    await expect(console.elicitation).to_be_visible()


@pytest.mark.long
async def test_a_session_is_started_with_chosen_servers(console: Console, user: User, lab: Lab) -> None:
    server_id, disabled = register(user, lab.url), register(user, lab.url, name="off", is_enabled=False)
    await console.page.get_by_text("New session").click()
    await console.page.get_by_label("lab").check()
    await expect(console.page.locator("#start [name=mcp_servers]")).to_have_count(1)
    await console.page.get_by_label("Name").fill("With a server")
    await console.press("Start")
    await expect(console.connection).to_have_text("live")
    [session] = user.items("/sessions")
    assert user.http.get(f"/sessions/{session['id']}").json()["sdk_options"]["mcp_servers"] == [server_id] != [disabled]


@pytest.mark.long
async def test_the_servers_of_runs_are_shown_as_they_are_connected(console: Console, user: User, lab: Lab) -> None:
    server_id = register(user, lab.url)
    await console.open(user.create("mcp__lab", mcp_servers=["lab"]))
    await console.page.locator("#run-servers summary").click()
    await expect(console.page.get_by_text("used no MCP servers")).to_be_visible()
    await console.ask(scripted({"text": "One."}))
    await expect(console.run_servers.locator(".chip")).to_have_text(["connected"])
    await expect(console.run_servers.locator(".tools")).to_have_text(["2"])
    await expect(console.entries.last).to_contain_text("One.")
    user.http.post(f"/mcp-servers/{server_id}/disable").raise_for_status()
    await console.ask(scripted({"text": "Two."}))
    await expect(console.run_servers.locator(".chip")).to_have_text(["disabled", "connected"])
    await console.page.reload()
    await console.page.locator("#run-servers summary").click()
    await expect(console.run_servers.locator(".chip")).to_have_text(["disabled", "connected"])


async def test_input_for_a_server_is_sent_once_valid_or_declined(console: Console, user: User, lab: Lab) -> None:
    await ask_order(console, user, lab)
    await expect(console.elicitation).to_contain_text("Your <i>order</i>, please.")
    await console.elicitation.get_by_label("<b>Dish</b>").fill("Soup")
    await console.elicitation.get_by_label("Guests").fill("9")
    await console.press("Send answer")
    await expect(console.elicitation.locator(":invalid")).to_have_count(1)
    assert [approval["status"] for approval in user.items("/approvals")] == ["pending"]
    await console.elicitation.get_by_label("Guests").fill("2")
    await console.elicitation.get_by_label("Tip").fill("1.5")
    await console.elicitation.get_by_label("Size").select_option("large")
    await console.elicitation.get_by_label("Takeaway").check()
    await console.press("Send answer")
    answer = '{"dish":"Soup","guests":2,"tip":1.5,"size":"large","takeaway":true}'
    await expect(console.tools.filter(has_text="mcp__lab__order").locator(".output")).to_contain_text(answer)
    question = console.tools.filter(has=console.page.locator(".decision"))
    await expect(console.chip(question)).to_have_text("approved")
    await expect(console.entries.last).to_contain_text("Done.")
    await console.ask(ORDER)
    await console.elicitation.get_by_label("<b>Dish</b>").fill("Soup")
    await console.elicitation.get_by_label("Guests").fill("2")
    async with console.page.expect_request(re.compile("/approve$")) as sending:
        await console.elicitation.get_by_label("Guests").press("Enter")
    content = {"dish": "Soup", "guests": 2, "size": "small", "takeaway": False}  # an empty field is left out
    assert (await sending.value).post_data_json == {"content": content}
    await expect(console.entries.last).to_contain_text("Done.")
    await console.ask(ORDER)
    await console.press("Decline")
    await expect(console.entries.last).to_contain_text("Done.")
    await console.page.reload()
    question = console.tools.filter(has_text="Your <i>order</i>").last
    await expect(question.locator(".decision")).to_have_text("Denied")
    await expect(console.chip(question)).to_have_text("denied")
    await expect(console.elicitation).to_have_count(0)
