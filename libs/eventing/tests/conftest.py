"""A migrated database, a connection to the bus, and the stores, memory and PostgreSQL alike."""

from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from pathlib import Path

import pytest
import pytest_asyncio
import structlog
from eventing.database import Database
from eventing.memory import MemoryStore
from eventing.migrating import migrate
from eventing.postgres import PostgresStore
from eventing.store import EventStore
from eventing.streams import provision
from eventing.testing import eventually
from eventing.testing.closing import Closing, StoppedClock
from eventing.testing.harness import migrated
from eventing.testing.jars import MIGRATIONS, Jar, project
from onebox.nats import EmbeddedNats
from onebox.postgres import EmbeddedPostgres
from onebox.testing import SERVER
from onebox.testing.databases import Databases
from onebox.testing.unrooted import postgres_in
from runtime import bus, clock
from runtime.bus import Client
from runtime.jetstream import JetStream, jetstream


@pytest.fixture(scope="session", autouse=True)
def plain_logs() -> None:
    """Log failures in few words: a traceback in colour, with all its variables, takes a tenth of a second."""
    structlog.configure(processors=[structlog.processors.format_exc_info, structlog.processors.KeyValueRenderer()])


@pytest_asyncio.fixture
async def database(databases: Databases) -> AsyncGenerator[Database]:
    """Give an open, migrated database of the test's own."""
    async with migrated(databases, "jar", MIGRATIONS) as database:
        yield database


@pytest.fixture
def own_server(open_folder: Path, servers: None) -> Generator[EmbeddedPostgres]:
    """Give a PostgreSQL server of the test's own, to stop and to start."""
    with postgres_in(open_folder / "postgres") as server:
        yield server


@pytest_asyncio.fixture
async def store_apart(own_server: EmbeddedPostgres) -> AsyncGenerator[PostgresStore]:
    """Give the real store, on a server of the test's own."""
    async with Database.open(own_server.url, "jar") as database:
        await migrate(database, MIGRATIONS)
        yield PostgresStore(database, Jar.events, project)


@pytest.fixture
def postgres_store(database: Database) -> PostgresStore:
    """Give the real store."""
    return PostgresStore(database, Jar.events, project)


@pytest.fixture(params=["memory", pytest.param("postgres", marks=getattr(pytest.mark, SERVER))])
def store(request: pytest.FixtureRequest) -> EventStore:
    """Give each of the stores in turn."""
    return MemoryStore(Jar.events) if request.param == "memory" else request.getfixturevalue("postgres_store")


@pytest_asyncio.fixture
async def client(nats_url: str) -> AsyncGenerator[Client]:
    """Give a connection to the test's own NATS server."""
    async with bus.connected(nats_url, "test") as connected:
        yield connected


@pytest_asyncio.fixture
async def other_client(nats_url: str) -> AsyncGenerator[Client]:
    """Give the connection of another replica."""
    async with bus.connected(nats_url, "other") as connected:
        yield connected


@pytest.fixture
def cut_off(nats_server: EmbeddedNats, client: Client) -> Callable[[], Coroutine[None, None, None]]:
    """Give what restarts the bus, and returns when `client` is connected again."""

    async def cut_off() -> None:
        nats_server.child.ask_to_stop()
        nats_server.child.finish()
        await eventually(lambda: not client.is_connected)
        nats_server.start()
        await eventually(lambda: client.is_connected)

    return cut_off


@pytest_asyncio.fixture
async def js(client: Client) -> JetStream:
    """Give JetStream, with the stream of the jars and that of the dead letters."""
    context = jetstream(client)
    await provision(context, "EVT_JAR", ["evt.jar.>"])
    await provision(context, "DEAD_LETTERS", ["dead.>"])
    return context


@pytest.fixture
def stopped_clock(monkeypatch: pytest.MonkeyPatch) -> StoppedClock:
    """Give the clock that the test sets."""
    stopped = StoppedClock()
    monkeypatch.setattr(clock, "now", stopped.now)
    return stopped


@pytest.fixture
def closing(database: Database) -> Closing:
    """Give a replica that closes jars when they are due."""
    return Closing(database)
