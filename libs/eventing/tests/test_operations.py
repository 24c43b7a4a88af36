"""What every service answers on the bus besides its own messages."""

from contracts.messages import ping_query
from eventing.database import Database
from eventing.handling import Handlers, subscribers
from eventing.handling.dispatch import Dispatcher
from eventing.handling.operations import operations
from eventing.store.postgres import PostgresStore
from runtime.bus import Bus, Client
from runtime.bus.envelope import Envelope
from runtime.http.health import Health


async def test_a_ping_returns_the_state_of_the_dependencies(
    postgres_store: PostgresStore, database: Database, nats_url: str, client: Client
) -> None:
    queries = operations("jar", postgres_store, Health({"database": database.check}))
    dispatcher = Dispatcher(postgres_store, database, None, Handlers(), Handlers())
    async with subscribers.serving(nats_url, "jar", dispatcher, queries):
        assert await Bus(client).ask(ping_query("jar")(), Envelope.begin()) == {"database": "ok"}
