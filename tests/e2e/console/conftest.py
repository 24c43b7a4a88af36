from collections.abc import AsyncGenerator

import pytest_asyncio
from onebox.testing.system import System
from playwright.async_api import Browser

from tests.e2e.console.tab import Console, chromium
from tests.e2e.user import User


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncGenerator[Browser]:
    async with chromium() as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="session")
async def door(browser: Browser, system: System) -> AsyncGenerator[Console]:
    """The page, with nobody logged in; it never breaks its own rules."""
    async with await browser.new_context() as context:
        console = Console(await context.new_page(), system.base_url)
        yield console
        assert console.complaints == []


@pytest_asyncio.fixture(loop_scope="session")
async def console(door: Console, user: User) -> Console:
    """The page, with the user logged in."""
    await door.enter(user)
    return door
