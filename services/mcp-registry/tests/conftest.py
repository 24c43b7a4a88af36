"""Fixtures: the service's handlers and queries on a database of their own."""

from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio
from eventing.testing.harness import migrated
from mcp_registry.app import service
from onebox.testing.databases import Databases

from .desk import Desk


@pytest_asyncio.fixture
async def desk(databases: Databases, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Desk]:
    async with migrated(databases, service.name, service.migrations) as database:
        yield Desk(database, monkeypatch)
