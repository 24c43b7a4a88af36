from collections.abc import AsyncGenerator

import pytest_asyncio

from tests.e2e.console.mcp.lab import Lab


@pytest_asyncio.fixture(loop_scope="session")
async def lab() -> AsyncGenerator[Lab]:
    """A server in this process. Requests that block this process while they wait for it never end."""
    async with Lab().running() as lab:
        yield lab
