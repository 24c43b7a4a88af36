"""Fixtures: the service's handlers and queries on a database of their own."""

from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio
from eventing.database import Database
from eventing.testing.harness import migrated, owned
from mcp_registry.app import service
from onebox.testing.databases import Databases

from .desk import Desk
from .oauth_desk import OAuthDesk


@pytest_asyncio.fixture
async def database_url(databases: Databases) -> AsyncGenerator[str]:
    """Yield the URL of a migrated database for the role that owns the tables."""
    async with migrated(databases, service.name, service.migrations, as_owner=True) as database:
        yield database.url


@pytest_asyncio.fixture
async def desk(databases: Databases, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Desk]:
    async with migrated(databases, service.name, service.migrations) as database:
        yield Desk(database, monkeypatch)


@pytest_asyncio.fixture
async def oauth(databases: Databases, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[OAuthDesk]:
    async with migrated(databases, service.name, service.migrations) as database:
        yield OAuthDesk(database, monkeypatch)


@pytest_asyncio.fixture
async def owner(desk: Desk, databases: Databases) -> AsyncGenerator[Database]:
    """The database of the desk, for the role that owns the tables."""
    async with owned(databases, desk.database) as database:
        yield database
