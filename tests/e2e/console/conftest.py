from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio
from onebox.testing.system import System
from playwright.async_api import Browser

from tests.e2e.console.tab import PATIENCE, Console, chromium
from tests.e2e.console.wire import Wire
from tests.e2e.user import User


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--console-picture", metavar="FILE", help="write the picture of the README to this file")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncGenerator[Browser]:
    async with chromium() as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="session")
async def door(browser: Browser, system: System) -> AsyncGenerator[Console]:
    """The page, with nobody logged in; it never breaks its own rules."""
    async with await browser.new_context() as context:
        context.set_default_timeout(PATIENCE)
        console = Console(await context.new_page(), system.base_url)
        yield console
        assert console.complaints == []


@pytest_asyncio.fixture(loop_scope="session")
async def console(door: Console, user: User) -> Console:
    """The page, with the user logged in."""
    await door.enter(user)
    return door


@pytest_asyncio.fixture(loop_scope="session")
async def wire(system: System) -> AsyncGenerator[Wire]:
    async with Wire.to(system.base_url) as wire:
        yield wire


@pytest_asyncio.fixture(loop_scope="session")
async def far(door: Console, wire: Wire, user: User) -> Console:
    """As `console`, over a wire, and with a clock to turn."""
    await door.page.clock.install()
    door.base_url = wire.base_url
    await door.enter(user)
    return door
