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
from onebox.testing.unrooted import copy_cluster, postgres_in

SERVER, _SERVERS = "server", "servers"


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker of tests that need a server known."""
    config.addinivalue_line("markers", f"{SERVER}: needs a server, a browser or an agent; derived from its fixtures")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test that uses the fixture `servers`, itself or through others."""
    for item in items:
        if isinstance(item, pytest.Function) and _SERVERS in item.fixturenames:
            item.add_marker(SERVER)


@pytest.fixture(scope="session")
def servers(pytestconfig: pytest.Config) -> None:
    """Mark a test as one that needs a server, a browser or an agent; whatever starts one uses this."""
    if pytestconfig.option.markexpr == f"not {SERVER}":
        pytest.fail(f"This test needs a server and is not marked: it asks for one while it runs. Mark it `{SERVER}`.")


@pytest.fixture
def open_folder() -> Generator[Path]:
    """Give an empty folder that every account can enter (PostgreSQL's, when the tests run as root)."""
    with temporary_folder() as path:
        yield path


@pytest.fixture(scope="session")
def postgres(servers: None) -> Generator[EmbeddedPostgres]:
    """Give the one server of this test process; it forgets everything in a power cut."""
    with temporary_folder() as path:
        copy_cluster(path / "postgres")
        with postgres_in(path) as server:
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
def nats_server(open_folder: Path, servers: None) -> Generator[EmbeddedNats]:
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
def buses(servers: None) -> Generator[Buses]:
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
def system(servers: None) -> Generator[System]:
    """Give the whole system, started once in this test process; leave it running and sane."""
    with System() as running:
        running.start()
        yield running


@pytest.fixture(scope="module")
def _spare(servers: None) -> Generator[System]:
    with System() as system:
        yield system


@pytest.fixture
def spare_system(_spare: System) -> System:
    """Give a whole system to kill and to restart, however it is left: only the tests of one module share it."""
    if not _spare.running():
        _spare.start()
    until(_spare.ready, 60)
    return _spare
