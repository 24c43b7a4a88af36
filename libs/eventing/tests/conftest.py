"""Databases, connections to the bus, both stores, and short timings for the tests of background work."""

from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from pathlib import Path
from unittest.mock import Mock

import pytest
import pytest_asyncio
from eventing import leases, reactions, relay, retrying
from eventing.bus.streams import provision
from eventing.database import Database
from eventing.migrating import migrate
from eventing.reactions import deliveries, offers
from eventing.store import EventStore
from eventing.store.memory import MemoryStore
from eventing.store.postgres import PostgresStore
from eventing.testing import eventually
from eventing.testing.closing import Closing, StoppedClock
from eventing.testing.due import set_clocks
from eventing.testing.harness import migrated
from eventing.testing.jars import MIGRATIONS, Jar, project
from eventing.testing.key_rings import default_ring
from eventing.testing.label_model import LABELS, LabelModel
from eventing.testing.relayed_store import RelayedStore
from onebox.nats import EmbeddedNats
from onebox.postgres import EmbeddedPostgres
from onebox.testing import SERVER
from onebox.testing.databases import Databases
from onebox.testing.unrooted import copied_postgres
from runtime import bus
from runtime.bus import Client, ordered
from runtime.bus.jetstream import JetStream, jetstream

from libs.eventing.tests.servers import Standby, shut_down


@pytest.fixture(autouse=True)
def unchanged_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the logs of this process as they are when a test runs a command: others read what they contain."""
    monkeypatch.setattr("eventing.__main__.logging.set_up", Mock())


@pytest.fixture
def fast_relay(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make relays poll, and compare database and stream, many times a second."""
    monkeypatch.setattr(relay, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(relay, "CHECK_EVERY_POLLS", 3)
    monkeypatch.setattr(relay, "STOPPED_RETRY_SECONDS", 0.05)


@pytest.fixture
def fast_reactions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make reactions fetch often and retry without a delay."""
    monkeypatch.setattr(reactions, "MAX_DELAY", 0.01)
    monkeypatch.setattr(deliveries, "FETCH_TIMEOUT", 0.2)
    monkeypatch.setattr(retrying, "PAUSES", (0.0, 0.0, 0.0))


@pytest.fixture
def patient_offers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make replicas wait for the answer to an offer for as long as a busy machine may delay it."""
    monkeypatch.setattr(offers, "OFFER_SECONDS", 60)


@pytest.fixture
def fast_leases(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make replicas renew their leases, and search for abandoned work, many times a second."""
    monkeypatch.setattr(leases, "SWEEP_SECONDS", 0.05)
    monkeypatch.setattr(leases, "RENEWAL_SECONDS", 0.05)


@pytest.fixture
def fast_ordered_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make ordered readers of a stream notice a lost consumer within a fraction of a second."""
    monkeypatch.setattr(ordered, "FETCH_TIMEOUT", 0.2)


@pytest.fixture
def tables() -> str:
    """Return the statements that create the tables of a module beside those of the jars."""
    return LABELS


@pytest_asyncio.fixture
async def database(databases: Databases, tables: str) -> AsyncGenerator[Database]:
    """Provide an open, migrated database of the test's own, in which it may create tables."""
    async with migrated(databases, "jar", MIGRATIONS, tables, as_owner=True) as database:
        yield database


@pytest.fixture
def own_server(servers: None) -> Generator[EmbeddedPostgres]:
    """Provide a PostgreSQL server of the test's own, which it may stop and start."""
    with copied_postgres() as server:
        yield server


@pytest_asyncio.fixture
async def store_apart(own_server: EmbeddedPostgres) -> AsyncGenerator[PostgresStore]:
    """Provide a PostgreSQL store on the test's own server."""
    async with Database.open(own_server.url, "jar", ring=default_ring) as database:
        await migrate(database, MIGRATIONS)
        yield PostgresStore(database, Jar.events, project)


@pytest.fixture
def postgres_store(database: Database) -> PostgresStore:
    """Provide the PostgreSQL store."""
    return PostgresStore(database, Jar.events, project)


@pytest.fixture(params=["memory", pytest.param("postgres", marks=getattr(pytest.mark, SERVER))])
def store(request: pytest.FixtureRequest) -> EventStore:
    """Provide each of the two stores in turn."""
    return MemoryStore(Jar.events) if request.param == "memory" else request.getfixturevalue("postgres_store")


@pytest.fixture
def relayed_store(store_apart: PostgresStore, js: JetStream) -> RelayedStore:
    """Provide a store on the test's own server, whose events a relay publishes."""
    return RelayedStore(store_apart, js)


@pytest.fixture
def foreign_store(postgres_store: PostgresStore, js: JetStream) -> RelayedStore:
    """Provide a store in another cluster, whose events a relay publishes to the same stream."""
    return RelayedStore(postgres_store, js)


@pytest.fixture
def standby(own_server: EmbeddedPostgres, store_apart: PostgresStore, open_folder: Path) -> Standby:
    """Provide a standby of the test's own server."""
    return Standby(own_server, store_apart.database, open_folder / "standby")


@pytest.fixture
def label_model(database: Database, js: JetStream) -> LabelModel:
    """Provide an empty read model of the labels of jars."""
    return LabelModel(database, js)


@pytest_asyncio.fixture
async def client(nats_url: str) -> AsyncGenerator[Client]:
    """Provide a connection to the test's bus."""
    async with bus.connected(nats_url, "test") as connected:
        yield connected


@pytest_asyncio.fixture
async def other_client(nats_url: str) -> AsyncGenerator[Client]:
    """Provide the connection of another replica."""
    async with bus.connected(nats_url, "other") as connected:
        yield connected


@pytest.fixture
def restart_bus(nats_server: EmbeddedNats, client: Client) -> Callable[[], Coroutine[None, None, None]]:
    """Provide a function that restarts the bus and returns when `client` is connected again."""

    async def restart_bus() -> None:
        shut_down(nats_server)
        await eventually(lambda: not client.is_connected)
        nats_server.start()
        await eventually(lambda: client.is_connected)

    return restart_bus


@pytest_asyncio.fixture
async def js(client: Client) -> JetStream:
    """Provide JetStream, with the streams of the jars' events and of dead letters."""
    context = jetstream(client)
    await provision(context, "EVT_JAR", ["evt.jar.>"])
    await provision(context, "DEAD_LETTERS", ["dead.>"])
    return context


@pytest.fixture
def stopped_clock(monkeypatch: pytest.MonkeyPatch) -> StoppedClock:
    """Provide the clock of the process and of the database, which the test sets."""
    stopped = StoppedClock()
    set_clocks(monkeypatch.setattr, stopped.now)
    return stopped


@pytest.fixture
def closing(database: Database) -> Closing:
    """Provide a replica that closes jars at their due times."""
    return Closing(database)
