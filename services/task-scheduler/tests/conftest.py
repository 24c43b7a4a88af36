"""Fixtures: the service's handlers and queries on a database of their own."""

from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio
from contracts.task_scheduler.trigger import NewTrigger
from eventing.database import Database
from eventing.testing.harness import migrated, owned
from onebox.testing.databases import Databases
from task_scheduler.app import service

from .desk import Desk
from .outside import Reacting
from .webhooks import create_trigger


@pytest_asyncio.fixture
async def database_url(databases: Databases) -> AsyncGenerator[str]:
    """Yield the URL of a migrated database for the role that owns the tables."""
    async with migrated(databases, service.name, service.migrations, as_owner=True) as database:
        yield database.url


@pytest_asyncio.fixture
async def owner(desk: Desk, databases: Databases) -> AsyncGenerator[Database]:
    """The database of the desk, for the role that owns the tables."""
    async with owned(databases, desk.database) as database:
        yield database


@pytest_asyncio.fixture
async def desk(databases: Databases, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Desk]:
    async with migrated(databases, service.name, service.migrations) as database:
        yield Desk(database, monkeypatch)


@pytest.fixture
def reacting(desk: Desk) -> Reacting:
    return Reacting(desk)


@pytest.fixture
async def trigger(desk: Desk) -> NewTrigger:
    """A trigger of a task that needs the variable `version`, and has a default for `place`."""
    task = await desk.create(
        prompt_template="Deploy {{version}} to {{place}}", variables={"place": "test"}, overlap_policy="allow"
    )
    return await create_trigger(desk, task.id)
