"""Messages that every service answers on the bus besides its own."""

from contracts.messages import ping_query
from eventing.handling import Handlers, subscribers
from eventing.handling.dispatch import Dispatcher
from eventing.handling.operations import SEE_SERVICE, operations
from eventing.store.postgres import PostgresStore
from runtime.bus import Bus, Client
from runtime.bus.envelope import Envelope
from runtime.http.health import Degraded, Health, NotReady


async def test_a_ping_returns_the_readiness_without_private_reasons(
    postgres_store: PostgresStore, nats_url: str, client: Client
) -> None:
    async def stopped() -> None:
        raise NotReady("pid 7 (reports, database customers) has a transaction open")

    async def open_walls() -> None:
        raise Degraded("without walls")

    database = postgres_store.database
    checks = Health({"database": database.check, "relay": stopped, "sandbox": open_walls})
    queries = operations("jar", postgres_store, checks)
    dispatcher = Dispatcher(postgres_store, database, None, Handlers(), Handlers())
    async with subscribers.serving(nats_url, "jar", dispatcher, queries):
        report = await Bus(client, timeout=60).ask(ping_query("jar")(), Envelope.begin())
    assert report == {"database": "ok", "relay": SEE_SERVICE, "sandbox": "ok, but without walls"}
