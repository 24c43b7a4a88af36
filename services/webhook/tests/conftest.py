"""Fixtures: the service's handlers, queries and queue on a database of their own."""

from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio
from eventing.database import Database
from eventing.testing.harness import migrated, owned
from onebox.testing.databases import Databases
from webhook.app import service

from .desk import Desk
from .receiver import Receiver, receiving


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
async def owner(desk: Desk, databases: Databases) -> AsyncGenerator[Database]:
    """The database of the desk, for the role that owns the tables."""
    async with owned(databases, desk.database) as database:
        yield database


@pytest_asyncio.fixture
async def receiver(servers: None) -> AsyncGenerator[Receiver]:
    async with receiving() as receiver:
        yield receiver
