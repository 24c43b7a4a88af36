from collections.abc import AsyncGenerator

import pytest_asyncio
from onebox.testing.system import System

from tests.e2e.console.mcp.lab import Lab
from tests.e2e.console.tab import Console
from tests.e2e.user import User


@pytest_asyncio.fixture(loop_scope="session")
async def admin_console(door: Console, mcp_admin: User) -> Console:
    """The page, with the administrator logged in."""
    await door.log_in(System.admin_email, System.admin_password)
    return door


@pytest_asyncio.fixture(loop_scope="session")
async def lab() -> AsyncGenerator[Lab]:
    """A server in this process. Requests that block this process while they wait for it never end."""
    async with Lab().running() as lab:
        yield lab
