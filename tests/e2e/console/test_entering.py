"""Someone logs in, stays logged in, and logs out."""

import asyncio

import pytest
from onebox.testing.system import System
from playwright.async_api import Page, expect

from tests.e2e.console.tab import Console
from tests.e2e.user import PASSWORD, User

pytestmark = pytest.mark.asyncio(loop_scope="session")

EXPIRE = "localStorage.tokens = JSON.stringify({...JSON.parse(localStorage.tokens), access_token: 'old'})"


async def another(console: Console) -> Page:
    """Open the page in a second tab of the same browser."""
    tab = await console.page.context.new_page()
    await tab.goto(console.base_url)
    return tab


def reset_link(system: System, user: User) -> str:
    """Return the link that an administrator gets for the user."""
    user_id, admin = user.http.get("/auth/me").json()["id"], User(system.base_url)
    with admin.http:
        admin.log_in(system.admin_email, system.admin_password)
        return admin.http.post(f"/admin/users/{user_id}/password-reset").raise_for_status().json()["link"]


async def test_a_wrong_password_is_shown(door: Console, user: User) -> None:
    await door.log_in(user.email, "not the password")
    await expect(door.page.get_by_role("alert")).to_contain_text("password")
    await expect(door.page.get_by_role("button", name="Log in")).to_be_visible()


async def test_the_link_of_an_administrator_sets_a_new_password(door: Console, user: User, system: System) -> None:
    await door.page.goto(await asyncio.to_thread(reset_link, system, user))
    new_password = door.page.get_by_role("textbox", name="New password")
    await new_password.fill("plantedsecret-difference engine")
    await door.press("Set password")
    await expect(new_password).not_to_be_visible()
    await door.log_in(user.email, "plantedsecret-difference engine")
    await expect(door.page.get_by_text(user.name)).to_be_visible()


async def test_the_console_works_with_the_keyboard_only(door: Console, user: User) -> None:
    await door.page.goto(door.base_url)
    keyboard = door.page.keyboard
    await keyboard.type(user.email)
    await keyboard.press("Tab")
    await keyboard.type(f"{PASSWORD}\n")
    await expect(door.page.get_by_text(user.name)).to_be_visible()


async def test_a_login_survives_a_reload_until_logout(console: Console, user: User) -> None:
    await console.page.reload()
    await expect(console.page.get_by_text(user.name)).to_be_visible()
    await console.press("Log out")
    await expect(console.page.get_by_label("Password")).to_be_visible()
    await console.page.reload()
    await expect(console.page.get_by_label("Password")).to_be_visible()
    assert await console.page.evaluate("localStorage.length + sessionStorage.length") == 0


async def test_a_new_tab_needs_no_second_login(console: Console, user: User) -> None:
    tab = await another(console)
    await expect(tab.get_by_text(user.name)).to_be_visible()


async def test_logging_out_in_one_tab_logs_out_the_others(console: Console, user: User) -> None:
    tab = await another(console)
    await expect(tab.get_by_text(user.name)).to_be_visible()
    await console.press("Log out")
    await expect(tab.get_by_label("Password")).to_be_visible()


async def test_two_tabs_replace_an_expired_token_once(console: Console, user: User) -> None:
    tab = await another(console)
    await expect(tab.get_by_text(user.name)).to_be_visible()
    refreshes: list[str] = []
    console.page.context.on("request", lambda sent: refreshes.append(sent.url) if "refresh" in sent.url else None)
    await console.page.evaluate(EXPIRE)
    await asyncio.gather(console.page.reload(), tab.reload())
    for page in (console.page, tab):
        await expect(page.get_by_text(user.name)).to_be_visible()
    assert len(refreshes) == 1


async def test_an_expired_token_is_refreshed(console: Console, user: User) -> None:
    await console.page.evaluate(EXPIRE)
    await console.page.reload()
    await expect(console.page.get_by_text(user.name)).to_be_visible()


async def test_tokens_revoked_elsewhere_lead_to_the_login_form(console: Console, user: User) -> None:
    await console.page.evaluate("localStorage.tokens = JSON.stringify({access_token: 'old', refresh_token: 'old'})")
    await console.page.reload()
    await expect(console.page.get_by_label("Password")).to_be_visible()
