"""Someone logs in, stays logged in, and logs out."""

import asyncio

import pytest
from onebox.testing.system import System
from playwright.async_api import Page, expect

from tests.e2e.console.tab import Console
from tests.e2e.user import PASSWORD, User

pytestmark = pytest.mark.asyncio(loop_scope="session")

NEW_PASSWORD = "plantedsecret-difference engine"
STORE = "localStorage.tokens = JSON.stringify({{...JSON.parse(localStorage.tokens), {}: 'old'}})"


async def another(console: Console) -> Page:
    """Open the page in a second tab of the same browser."""
    tab = await console.page.context.new_page()
    await tab.goto(console.base_url)
    return tab


def reset_link(system: System, admin: User) -> tuple[User, str]:
    """Return someone new, and the link that an administrator gets for them."""
    user = User(system.base_url)
    with user.http:
        user.register()
    [found] = admin.items("/admin/users", q=user.name)
    return user, admin.http.post(f"/admin/users/{found['id']}/password-reset").raise_for_status().json()["link"]


async def test_the_new_password_of_a_link_logs_in_with_the_keyboard_only(
    door: Console, admin_account: User, console_system: System
) -> None:
    user, link = await asyncio.to_thread(reset_link, console_system, admin_account)
    await door.page.goto(link)
    new_password = door.page.get_by_role("textbox", name="New password")
    await new_password.fill(NEW_PASSWORD)
    await door.press("Set password")
    await expect(new_password).not_to_be_visible()
    await door.log_in(user.email, PASSWORD)
    await expect(door.page.get_by_role("alert")).to_contain_text("password")
    await expect(door.page.get_by_role("button", name="Log in")).to_be_visible()
    await door.page.reload()
    keyboard = door.page.keyboard
    await keyboard.type(user.email)
    await keyboard.press("Tab")
    await keyboard.type(f"{NEW_PASSWORD}\n")
    await expect(door.page.get_by_text(user.name)).to_be_visible()


async def test_tabs_share_a_login_and_its_refresh_until_logout(door: Console, account: User) -> None:
    await door.enter(account)
    tab = await another(door)
    await expect(tab.get_by_text(account.name)).to_be_visible()
    refreshes: list[str] = []
    door.page.context.on("request", lambda sent: refreshes.append(sent.url) if "refresh" in sent.url else None)
    for page in (door.page, tab):  # no request of theirs may meet the old token before both ask
        await page.goto(f"{door.base_url}/console/icon.svg")
    await door.page.evaluate(STORE.format("access_token"))
    await tab.wait_for_function("JSON.parse(localStorage.tokens).access_token === 'old'")
    await asyncio.gather(*(page.goto(door.base_url) for page in (door.page, tab)))
    for page in (door.page, tab):
        await expect(page.get_by_text(account.name)).to_be_visible()
    assert len(refreshes) == 1
    await door.press("Log out")
    for page in (door.page, tab):
        await expect(page.get_by_label("Password")).to_be_visible()
    await door.page.reload()
    await expect(door.page.get_by_label("Password")).to_be_visible()
    assert await door.page.evaluate("localStorage.length + sessionStorage.length") == 0


@pytest.mark.long
async def test_tokens_revoked_elsewhere_lead_to_the_login_form(console: Console) -> None:
    await console.page.evaluate("localStorage.tokens = JSON.stringify({access_token: 'old', refresh_token: 'old'})")
    await console.page.reload()
    await expect(console.page.get_by_label("Password")).to_be_visible()
