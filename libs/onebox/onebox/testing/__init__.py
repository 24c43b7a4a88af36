"""Fixtures with real servers. Enable them with `pytest_plugins = ["onebox.testing"]` in the root `conftest.py`."""

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
from onebox.testing.running import running
from onebox.testing.stand_in import stand_in
from onebox.testing.system import System
from onebox.testing.unrooted import copied_postgres

SERVER, _SERVERS = "server", "servers"
AGENT, _AGENT_PROGRAM = "agent", "agent_program"
LONG, CLAUDE_CODE, LAYOUT = "long", "claude_code", "layout"
MAX_KILLS = 3
"""How often a test may kill the same process of the spare system."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that chooses the program of agents."""
    parser.addoption("--claude-code", action="store_true", help="run agents with Claude Code, not with its stand-in")


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers, and choose the program of agents."""
    System.claude_code = config.option.claude_code
    for name, meaning in (
        (SERVER, "needs a server, a browser, an agent or other processes (set from the fixtures of the test)"),
        (AGENT, "runs an agent (set from the fixtures of the test)"),
        (LONG, "a long form of what other tests prove: only `make test-all` runs it"),
        (CLAUDE_CODE, "always runs agents with Claude Code, not with its stand-in"),
        (LAYOUT, "lays out PDFs, which takes seconds of a processor: `make quick` leaves it out"),
    ):
        config.addinivalue_line("markers", f"{name}: {meaning}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test that uses the fixtures `servers` or `agent_program`, directly or indirectly."""
    for item in items:
        used = item.fixturenames if isinstance(item, pytest.Function) else ()
        if _SERVERS in used:
            item.add_marker(SERVER)
        if _AGENT_PROGRAM in used:
            item.add_marker(AGENT)


@pytest.fixture(scope="session")
def servers(pytestconfig: pytest.Config) -> None:
    """Mark a test as one that needs a server, a browser, an agent or other processes; what starts one uses this."""
    if pytestconfig.option.markexpr.startswith(f"not {SERVER}"):
        pytest.fail(
            f"This test needs a server but is not marked: it requests the fixture at run time. Mark it `{SERVER}`."
        )


@pytest.fixture(scope="session")
def agent_program(servers: None) -> Path | None:
    """Return the stand-in for Claude Code that agents run; None if they run Claude Code itself."""
    return None if System.claude_code else stand_in()


@pytest.fixture
def open_folder() -> Generator[Path]:
    """Yield an empty folder that every account can enter, such as that of PostgreSQL if the tests run as root."""
    with temporary_folder() as path:
        yield path


@pytest.fixture(scope="session")
def postgres(servers: None) -> Generator[EmbeddedPostgres]:
    """Yield the server of this test process; it is not durable."""
    with copied_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def databases(postgres: EmbeddedPostgres) -> Generator[Databases]:
    """Yield a factory of databases: empty ones, or copies of a template that is filled once."""
    with Databases(postgres) as databases:
        yield databases


@pytest_asyncio.fixture
async def database_url(databases: Databases) -> AsyncGenerator[str]:
    """Yield the URL of an empty database for one test."""
    async with databases.fresh() as url:
        yield url


@pytest.fixture
def nats_server(open_folder: Path, servers: None) -> Generator[EmbeddedNats]:
    """Yield a NATS server for one test, without streams."""
    folder = DataFolder(open_folder / "nats")
    with running(folder, EmbeddedNats(folder)) as server:
        yield server


class _Installed(EmbeddedNats):
    updates = False


@pytest.fixture(scope="session")
def installed_nats(servers: None) -> Generator[EmbeddedNats]:
    """Yield a NATS server with the users of an installation, where only the operator changes streams."""
    with temporary_folder() as path:
        folder = DataFolder(path / "nats")
        with running(folder, _Installed(folder)) as server:
            yield server


@pytest.fixture(scope="session")
def buses(servers: None) -> Generator[Buses]:
    """Yield a factory of buses."""
    with Buses() as buses:
        yield buses


@pytest.fixture
def nats_url(request: pytest.FixtureRequest, buses: Buses) -> str:
    """Return the URL of an empty bus for one test, with its password: that of `nats_server` if the test uses it."""
    if "nats_server" in request.fixturenames:
        server: EmbeddedNats = request.getfixturevalue("nats_server")
        return server.url
    return buses.fresh()


@pytest.fixture(scope="session")
def claude_code_system(servers: None) -> Generator[System]:
    """Yield a whole system whose agents run Claude Code; otherwise as `system`."""
    with System(claude_code=True) as running:
        running.start()
        yield running


@pytest.fixture(scope="session")
def system(agent_program: Path | None) -> Generator[System]:
    """Yield the whole system, started once per run of the tests. Tests must leave it running and usable."""
    with System() as running:
        running.start()
        yield running


@pytest.fixture(scope="session")
def restartable_system(agent_program: Path | None) -> Generator[System]:
    """Yield a whole system that is not started yet; tests use it as `spare_system`."""
    with System() as system:
        yield system


@pytest.fixture
def spare_system(restartable_system: System) -> System:
    """Return a whole system, started once per run of the tests, that a test may kill and restart."""
    restartable_system.prepare_for_kills(MAX_KILLS)
    return restartable_system
