"""Fixtures on real servers: put `pytest_plugins = ["onebox.testing"]` into the root `conftest.py`."""

from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import pytest
import pytest_asyncio

from onebox.folder import DataFolder
from onebox.nats import EmbeddedNats
from onebox.postgres import EmbeddedPostgres
from onebox.testing.buses import Buses
from onebox.testing.databases import Databases
from onebox.testing.folders import temporary_folder
from onebox.testing.system import System, until
from onebox.testing.unrooted import postgres_in


@pytest.fixture
def open_folder() -> Generator[Path]:
    """Give an empty folder that every account can enter (PostgreSQL's, when the tests run as root)."""
    with temporary_folder() as path:
        yield path


@pytest.fixture(scope="session")
def postgres() -> Generator[EmbeddedPostgres]:
    """Give the one server of this test process; it forgets everything in a power cut."""
    with temporary_folder() as path, postgres_in(path) as server:
        yield server


@pytest.fixture(scope="session")
def databases(postgres: EmbeddedPostgres) -> Generator[Databases]:
    """Give the maker of databases: empty ones, or copies of a template that is filled once."""
    with Databases(postgres) as databases:
        yield databases


@pytest_asyncio.fixture
async def database_url(databases: Databases) -> AsyncGenerator[str]:
    """Give an empty database of the test's own."""
    async with databases.fresh() as url:
        yield url


@pytest.fixture
def nats_server(open_folder: Path) -> Generator[EmbeddedNats]:
    """Give a NATS server of the test's own, with an empty JetStream."""
    folder = DataFolder(open_folder / "nats")
    server = EmbeddedNats(folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        folder.close()


@pytest.fixture(scope="session")
def buses() -> Generator[Buses]:
    """Give the maker of buses."""
    with Buses() as buses:
        yield buses


@pytest.fixture
def nats_url(request: pytest.FixtureRequest, buses: Buses) -> str:
    """Give the address of an empty bus of the test's own, password included: of `nats_server`, if the test has it."""
    if "nats_server" in request.fixturenames:
        server: EmbeddedNats = request.getfixturevalue("nats_server")
        return server.url
    return buses.fresh()


@pytest.fixture(scope="session")
def system() -> Generator[System]:
    """Give the whole system, started once in this test process; leave it running and sane."""
    with System() as running:
        running.start()
        yield running


@pytest.fixture(scope="module")
def _spare() -> Generator[System]:
    with System() as system:
        yield system


@pytest.fixture
def spare_system(_spare: System) -> System:
    """Give a whole system to kill and to restart, however it is left: only the tests of one module share it."""
    if not _spare.running():
        _spare.start()
    until(_spare.ready, 60)
    return _spare
