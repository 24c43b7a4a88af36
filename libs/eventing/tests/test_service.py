"""A whole service: from command to reaction, its start and its shutdown."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx
import pytest
from eventing import service
from eventing.database import Connection, Database
from eventing.handling.dispatch import Dispatcher
from eventing.migrating import migrate_as_owner
from eventing.reactions import Reaction, Reactions, UnfinishedWork
from eventing.recording import Recorded
from eventing.service import Service, ServiceSettings
from eventing.testing import background, eventually
from eventing.testing.closing import CLOSING, LONG_AGO
from eventing.testing.jars import UNIQUE_VIOLATIONS, Jar, answers, handles, project
from eventing.testing.messages import AddMarble, GetJar, JarOpened, MarbleAdded, OpenJar
from nats.aio.client import Client as NatsClient
from onebox.ports import ReservedPort
from onebox.testing.databases import Databases
from runtime.bus import Bus, Client, Unavailable
from runtime.bus.envelope import Envelope
from runtime.bus.jetstream import jetstream

pytestmark = pytest.mark.usefixtures("fast_reactions", "fast_ordered_reads")

EMPTY = UnfinishedWork("SELECT id AS aggregate, id AS work FROM jars WHERE marbles = 0", lambda recorded: recorded.id)


class Jars:
    """The service of jars, with a shared reaction that adds a marble to each new jar, a broadcast and a local one."""

    def __init__(self) -> None:
        self.received: list[Recorded[JarOpened]] = []
        self.stored: list[Recorded[JarOpened]] = []
        self.clients: list[Client] = []
        self.databases: list[Database] = []
        self.started, self.go = asyncio.Event(), asyncio.Event()
        self.last_seconds = list[float]()
        self.go.set()
        reactions = Reactions()

        @reactions.shared("add_first_marble", unfinished=EMPTY)
        async def add_first_marble(recorded: Recorded[JarOpened], reaction: Reaction[None]) -> None:  # pyright: ignore[reportUnusedFunction]
            self.started.set()
            await self.go.wait()
            await reaction.send(AddMarble(jar_id=recorded.id, colour="red"))

        @reactions.broadcast("receive")
        async def receive(recorded: Recorded[JarOpened], _: Reaction[None]) -> None:  # pyright: ignore[reportUnusedFunction]
            self.received.append(recorded)

        @reactions.local("note", when=always)
        async def note(recorded: Recorded[JarOpened], _: Reaction[None]) -> None:  # pyright: ignore[reportUnusedFunction]
            self.stored.append(recorded)

        self.service: Service[ServiceSettings, None] = Service(
            name="jar",
            aggregates=[Jar],
            commands=handles,
            queries=answers,
            project=project,
            package="eventing.testing",
            dependencies=self.dependencies,
            reactions=reactions,
            unique_violations=UNIQUE_VIOLATIONS,
            started=self.check_dispatcher,
            stopping=lambda _, seconds: self.last_seconds.append(seconds),
        )

    @asynccontextmanager
    async def dependencies(self, _: ServiceSettings, database: Database, client: Client) -> AsyncGenerator[None]:
        self.clients.append(client)
        self.databases.append(database)
        yield

    async def check_dispatcher(self, _: ServiceSettings, dispatcher: Dispatcher[None]) -> None:
        assert dispatcher.unique_violations == UNIQUE_VIOLATIONS


@pytest.fixture
def settings(database_url: str, nats_url: str) -> ServiceSettings:
    return ServiceSettings(database_url=database_url, nats_url=nats_url)


@pytest.fixture
def bus(client: Client) -> Bus:
    return Bus(client, timeout=60)


def running(
    jars: Jars, settings: ServiceSettings, stop: asyncio.Event
) -> AbstractAsyncContextManager[list[asyncio.Task[object]]]:
    return background(jars.service.run(settings, stop))


def always(recorded: Recorded[JarOpened], dependencies: None) -> bool:
    return True


async def marbles(bus: Bus) -> int | None:
    try:
        return (await bus.ask(GetJar.example(), Envelope.begin())).marbles
    except Exception:  # noqa: BLE001  the service is starting
        return None


async def close_after_first_marble(recorded: Recorded[Any], db: Connection) -> None:
    await project(recorded, db)
    if isinstance(recorded.event, MarbleAdded) and recorded.event.colour == "red":
        await CLOSING.set(recorded, recorded.id, LONG_AGO, db)


async def opened(bus: Bus) -> Any:
    try:
        return await bus.ask(OpenJar.example(), Envelope.begin())
    except Unavailable:
        return None


async def test_a_service_reacts_to_the_event_of_a_command(settings: ServiceSettings, bus: Bus) -> None:
    jars, stop = Jars(), asyncio.Event()
    async with running(jars, settings, stop) as [run]:
        await eventually(lambda: opened(bus))
        await eventually(lambda: _has_marbles(bus, 1))
        stop.set()
        await eventually(run.done)


async def test_a_service_runs_with_a_role_that_does_not_own_its_tables(
    settings: ServiceSettings, databases: Databases, bus: Bus
) -> None:
    jars, stop, url = Jars(), asyncio.Event(), settings.database_url
    roles = {"database_url": databases.as_service(url), "migration_database_url": url}
    async with running(jars, settings.model_copy(update=roles), stop) as [run]:
        await eventually(lambda: opened(bus))
        await eventually(lambda: _has_marbles(bus, 1))
        stop.set()
        await eventually(run.done)


async def test_a_service_starts_although_a_connection_takes_too_long(
    settings: ServiceSettings, bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    jars, stop, failures = Jars(), asyncio.Event(), [TimeoutError()]

    async def migrate_later(*given: Any) -> list[str]:
        if failures:
            raise failures.pop()
        return await migrate_as_owner(*given)

    monkeypatch.setattr(service, "migrate_as_owner", migrate_later)
    async with running(jars, settings, stop):
        await eventually(lambda: opened(bus))
        stop.set()
    assert failures == []


async def test_a_service_sends_the_commands_of_due_times(settings: ServiceSettings, bus: Bus) -> None:
    jars, stop = Jars(), asyncio.Event()
    jars.service = replace(jars.service, project=close_after_first_marble, due=[CLOSING])
    async with running(jars, settings, stop):
        await eventually(lambda: opened(bus))
        assert await eventually(lambda: _has_marbles(bus, 2))  # that of the reaction, and the one that is due
        stop.set()


async def test_the_stream_of_a_service_has_the_configured_size(settings: ServiceSettings, bus: Bus) -> None:
    jars, stop = Jars(), asyncio.Event()
    async with running(jars, settings.model_copy(update={"stream_max_bytes": 2**25}), stop):
        await eventually(lambda: opened(bus))
        await eventually(lambda: _has_marbles(bus, 1))  # by now its relay has configured the stream
        assert (await jetstream(bus.client).stream_info("EVT_JAR")).config.max_bytes == 2**25
        stop.set()


async def _has_marbles(bus: Bus, number: int) -> bool:
    return await marbles(bus) == number


async def test_all_replicas_react_to_broadcast_events_and_one_locally(settings: ServiceSettings, bus: Bus) -> None:
    one, two, stop = Jars(), Jars(), asyncio.Event()
    async with running(one, settings, stop), running(two, settings, stop):
        await eventually(lambda: _both_listen(bus))
        await opened(bus)
        await eventually(lambda: one.received and two.received and one.stored + two.stored)
        stop.set()
    assert len(one.received) == len(two.received) == 1
    assert one.stored + two.stored == one.received


async def _both_listen(bus: Bus) -> bool:
    try:
        state = (await jetstream(bus.client).stream_info("EVT_JAR")).state
    except Exception:  # noqa: BLE001  the service is starting
        return False
    return state.consumer_count == 2


async def test_workers_renew_leases_while_no_connection_of_the_pool_is_free(
    settings: ServiceSettings, bus: Bus, database_url: str
) -> None:
    jars, stop = Jars(), asyncio.Event()
    jars.go.clear()
    async with running(jars, settings, stop), Database.open(database_url, "jar") as observer, AsyncExitStack() as used:
        await eventually(lambda: opened(bus))
        await jars.started.wait()
        for _ in range(jars.databases[0].pool.get_max_size()):
            await eventually(lambda: _take_connection(jars.databases[0], used))
        since = await observer.fetchval("SELECT until FROM leases")
        await eventually(lambda: observer.fetchval("SELECT until > $1 FROM leases", since))
        await used.aclose()
        jars.go.set()
        stop.set()


async def _take_connection(database: Database, used: AsyncExitStack) -> bool:
    await used.enter_async_context(database.connection())
    return True


async def test_stopping_finishes_a_reaction_in_progress(settings: ServiceSettings, bus: Bus) -> None:
    jars, stop = Jars(), asyncio.Event()
    jars.go.clear()
    async with running(jars, settings, stop) as [run]:
        await eventually(lambda: opened(bus))
        await jars.started.wait()
        stop.set()
        await eventually(lambda: jars.last_seconds)
        await asyncio.sleep(0.05)
        assert (run.done(), jars.last_seconds) == (False, [settings.drain_seconds])
        jars.go.set()
        await eventually(run.done)
    stop.clear()
    async with running(Jars(), settings, stop):
        assert await eventually(lambda: marbles(bus)) == 1
        stop.set()


async def test_stopping_cancels_work_that_outlasts_the_drain(settings: ServiceSettings, bus: Bus) -> None:
    jars, stop = Jars(), asyncio.Event()
    jars.go.clear()
    async with running(jars, settings.model_copy(update={"drain_seconds": 0}), stop) as [run]:
        await eventually(lambda: opened(bus))
        await jars.started.wait()
        stop.set()
        await eventually(run.done)
    assert not jars.go.is_set()


async def test_readiness_is_reported_over_http(settings: ServiceSettings) -> None:
    stop = asyncio.Event()
    with ReservedPort() as port:
        with_port = settings.model_copy(update={"ops_port": port.number})
        async with httpx.AsyncClient(timeout=60) as http, running(Jars(), with_port, stop):
            answer = await eventually(lambda: _ready(http, port.number))
            stop.set()
    assert answer.json() == {
        "status": "ready",
        "checks": dict.fromkeys(("database", "bus", "clock", "relay", "reactions", "due_times", "projectors"), "ok"),
    }


async def _ready(http: httpx.AsyncClient, port: int) -> httpx.Response | None:
    try:
        response = await http.get(f"http://127.0.0.1:{port}/health/ready")
    except httpx.TransportError:
        return None
    return response if response.is_success else None


async def test_a_service_ends_when_the_bus_closes_its_connection(settings: ServiceSettings, bus: Bus) -> None:
    jars = Jars()
    with pytest.raises(ExceptionGroup) as ended:
        await _exceed_the_payload_limit(jars, settings, bus)
    assert ended.group_contains(Unavailable, match="the bus closed the connection")


async def _exceed_the_payload_limit(jars: Jars, settings: ServiceSettings, bus: Bus) -> None:
    async with asyncio.timeout(60), running(jars, settings, asyncio.Event()) as [run]:
        await eventually(lambda: opened(bus))
        [client] = jars.clients
        # nats-py's own method: the one of `runtime` refuses what is too large.
        await NatsClient.publish(client, "large", b"x" * client.max_payload, headers={"one": "too many"})
        await asyncio.wait([run])
