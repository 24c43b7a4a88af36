"""Someone logs in, stays logged in, and logs out."""

import pytest
from playwright.async_api import expect

from tests.e2e.console.tab import Console
from tests.e2e.user import PASSWORD, User

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_wrong_password_is_said(door: Console, user: User) -> None:
    await door.log_in(user.email, "not the password")
    await expect(door.page.get_by_role("alert")).to_contain_text("password")
    await expect(door.page.get_by_role("button", name="Log in")).to_be_visible()


async def test_the_keyboard_is_enough(door: Console, user: User) -> None:
    await door.page.goto(door.base_url)
    keyboard = door.page.keyboard
    await keyboard.type(user.email)
    await keyboard.press("Tab")
    await keyboard.type(f"{PASSWORD}\n")
    await expect(door.page.get_by_text(user.name)).to_be_visible()


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
