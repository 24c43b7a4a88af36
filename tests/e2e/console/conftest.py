from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import pytest
import pytest_asyncio
from gateway.routes.console import FILES
from onebox.testing.system import System
from playwright.async_api import Browser, BrowserContext, Route

from tests.e2e.console.tab import Console, chromium, opened
from tests.e2e.console.wire import Wire
from tests.e2e.user import User, admin_of, newcomer

RESOURCES = ("tasks", "sessions", "reports", "mcp-servers", "webhooks")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--console-picture", metavar="FILE", help="write the picture of the README to this file")


@pytest.fixture(scope="session")
def console_system(agent_program: Path | None) -> Generator[System]:
    """The system of all tests of the console, whose users may register MCP servers on this machine."""
    with System({"MCP_ALLOWED_ADDRESSES": "127.0.0.0/8"}) as running:
        running.start()
        yield running


@pytest.fixture(scope="session")
def account(console_system: System) -> Generator[User]:
    """Someone who is registered and logged in once."""
    yield from newcomer(console_system)


@pytest.fixture(scope="session")
def admin_account(console_system: System) -> Generator[User]:
    """The administrator, logged in once."""
    yield from admin_of(console_system)


@pytest.fixture
def user(account: User) -> Generator[User]:
    """Someone who has nothing yet; what the test leaves is deleted, after its page is closed."""
    yield account
    delete_all(account)


@pytest.fixture
def admin(admin_account: User) -> Generator[User]:
    """The administrator; the resources of all users that the test leaves are deleted."""
    yield admin_account
    delete_all(admin_account)


def delete_all(user: User) -> None:
    """Delete all resources that someone sees."""
    for kind in RESOURCES:
        for item in user.items(f"/{kind}", limit=100):
            user.http.delete(f"/{kind}/{item['id']}").raise_for_status()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncGenerator[Browser]:
    async with chromium() as browser:
        yield browser


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def context(browser: Browser) -> AsyncGenerator[BrowserContext]:
    """A profile of the browser for many tests, with what it has cached, and a window in which they open their tabs."""
    async with await browser.new_context() as context:
        await context.new_page()
        yield context


@pytest_asyncio.fixture(loop_scope="session")
async def door(browser: Browser, console_system: System) -> AsyncGenerator[Console]:
    """The page in a profile of its own, with nobody logged in."""
    async with await browser.new_context() as context, opened(context, console_system.base_url) as console:
        yield console


@pytest_asyncio.fixture(loop_scope="session")
async def console(user: User, context: BrowserContext, console_system: System) -> AsyncGenerator[Console]:
    """The page, with the user logged in."""
    async with opened(context, console_system.base_url) as console:
        await console.enter_as(user)
        yield console


@pytest_asyncio.fixture(loop_scope="session")
async def admin_console(admin: User, door: Console) -> Console:
    """The page, with the administrator logged in."""
    await door.enter_as(admin)
    return door


@pytest_asyncio.fixture(loop_scope="session")
async def wire(console_system: System) -> AsyncGenerator[Wire]:
    async with Wire.to(console_system.base_url) as wire:
        yield wire


@pytest_asyncio.fixture(loop_scope="session")
async def remote(user: User, wire: Wire, door: Console) -> Console:
    """As `console`, over a wire, and with a clock to turn."""
    await door.page.clock.install()
    door.base_url = wire.base_url
    await door.enter_as(user)
    return door


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def modules(browser: Browser) -> AsyncGenerator[Console]:
    """The page with its headers, but without any system, for tests of its modules."""
    async with await browser.new_context() as context, opened(context, "http://localhost") as console:
        await console.page.route("**/*", serve)
        await console.page.goto(f"{console.base_url}/console/")
        yield console


async def serve(route: Route) -> None:
    """Answer with a file of the page."""
    name = route.request.url.partition("/console/")[2] or "index.html"
    file = FILES[name]
    await route.fulfill(status=200, headers=dict(file.headers), body=bytes(file.body))
