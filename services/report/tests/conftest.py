"""Fixtures: the service's handlers and queries on a database of their own."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import pytest_asyncio
from eventing.database import Database
from eventing.testing.harness import migrated, owned
from onebox.testing.databases import Databases
from report.app import service
from report.storage.local import LocalStorage
from runtime.blocking import BlockingPool

from .desk import Dependencies, Desk
from .goldens import pdf_of


@pytest_asyncio.fixture
async def database_url(databases: Databases) -> AsyncGenerator[str]:
    """Yield the URL of a migrated database for the role that owns the tables."""
    async with migrated(databases, service.name, service.migrations, as_owner=True) as database:
        yield database.url


@pytest_asyncio.fixture
async def desk(databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Desk]:
    storage = LocalStorage(tmp_path / "reports")
    await storage.check()
    async with migrated(databases, service.name, service.migrations) as database, BlockingPool.open() as blocking:
        yield Desk(database, Dependencies(storage, blocking), tmp_path, monkeypatch)


@pytest_asyncio.fixture
async def owner(desk: Desk, databases: Databases) -> AsyncGenerator[Database]:
    """The database of the desk, for the role that owns the tables."""
    async with owned(databases, desk.database) as database:
        yield database


@pytest.fixture(scope="session")
def pdf_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where `goldens.pdf_of` keeps its files, which take seconds to create."""
    return tmp_path_factory.mktemp("pdf")


@pytest.fixture(scope="session")
def pdf_file(pdf_folder: Path) -> Path:
    """The report on the default content of a session."""
    return pdf_of("cover", pdf_folder)
