"""Answering commands and queries over the bus: replies, faults, draining, and outages."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
import pytest_asyncio
from contracts.messages import Command, Query
from contracts.refusals import Code, Refusal
from eventing.database import Database
from eventing.handling import Handlers, QueryContext, UnitOfWork, subscribers
from eventing.handling.dispatch import Dispatcher
from eventing.handling.subscribers import IN_FLIGHT
from eventing.store.postgres import PostgresStore
from eventing.testing import eventually, jars
from eventing.testing.jars import UNIQUE_VIOLATIONS
from eventing.testing.messages import AddMarble, GetJar, JarView, OpenJar
from onebox.nats import EmbeddedNats
from runtime.bus import Bus, Client, Unavailable
from runtime.bus.envelope import Envelope
from structlog.testing import capture_logs

from libs.eventing.tests.servers import restart, shut_down

ENVELOPE = Envelope.begin()


class Sleep(Command[str]):
    """A command whose handler waits until the test wakes it."""

    subject = "cmd.jar.sleep"
    sample = {}


class Spell(Query[str]):
    subject = "qry.jar.spell"
    sample = {"password": "secret"}
    password: str


class Bed:
    """The number of sleeping handlers, and the event that wakes them."""

    def __init__(self) -> None:
        self.asleep, self.wake = 0, asyncio.Event()

    async def sleep(self, command: Sleep, work: UnitOfWork[Any]) -> str:
        self.asleep += 1
        await self.wake.wait()
        return "well rested"


async def spell(query: Spell, context: QueryContext[Any]) -> str:
    if query.password == "broken":
        raise LookupError(f"no spell for {query.password}")
    return query.password * 1000


@pytest.fixture
def bed() -> Bed:
    return Bed()


@pytest.fixture
def dispatcher(postgres_store: PostgresStore, database: Database, bed: Bed) -> Dispatcher[None]:
    commands, queries = Handlers(), Handlers()
    commands.by_type |= jars.handles.by_type
    queries.by_type |= jars.answers.by_type
    commands(bed.sleep)
    queries(spell)
    return Dispatcher(postgres_store, database, None, commands, queries, UNIQUE_VIOLATIONS)


@pytest_asyncio.fixture
async def serving(nats_url: str, dispatcher: Dispatcher[None]) -> AsyncGenerator[None]:
    async with subscribers.serving(nats_url, "jar", dispatcher):
        yield


@pytest.fixture
def bus(client: Client) -> Bus:
    return Bus(client, timeout=60)


@pytest.mark.usefixtures("serving")
async def test_a_dispatcher_is_given_the_envelope_of_each_message(bus: Bus, dispatcher: Dispatcher[None]) -> None:
    dispatcher.received = (received := list[Envelope]()).append
    await bus.ask(OpenJar.example(), Envelope.begin(client_address="192.0.2.1"))
    assert [each.client_address for each in received] == ["192.0.2.1"]


@pytest.mark.usefixtures("serving")
async def test_commands_and_queries_are_answered(bus: Bus) -> None:
    opened: JarView = await bus.ask(OpenJar.example(), Envelope.begin())
    assert await bus.ask(AddMarble.example(), Envelope.begin()) == 1
    assert await bus.ask(GetJar.example(), ENVELOPE) == opened.model_copy(update={"marbles": 1})


@pytest.mark.usefixtures("serving")
async def test_a_refusal_is_returned_as_a_refusal(bus: Bus) -> None:
    with pytest.raises(Refusal) as refusal:
        await bus.ask(GetJar.example(), ENVELOPE)
    assert refusal.value.code == Code.SESSION_NOT_FOUND


@pytest.mark.usefixtures("serving")
async def test_an_error_is_logged_and_returned_without_its_reason(bus: Bus) -> None:
    with capture_logs() as logs, pytest.raises(Unavailable) as fault:
        await bus.ask(Spell(password="broken"), ENVELOPE)
    assert "could not handle the message" in str(fault.value)
    assert "no spell" not in str(fault.value)
    errors = [entry["subject"] for entry in logs if entry["log_level"] == "error"]
    assert errors == ["qry.jar.spell"] * 2  # a query is retried once


@pytest.mark.usefixtures("serving")
@pytest.mark.parametrize("body", [b"no json", b"{}", b'{"password": 7, "secret": "plantedsecret"}'])
async def test_an_invalid_message_is_a_fault_and_its_payload_is_not_logged(client: Client, body: bytes) -> None:
    headers: dict[str, Any] = ENVELOPE.headers()
    with capture_logs() as logs:
        answer = await client.request("qry.jar.spell", body, timeout=60, headers=headers)
    assert b"The message cannot be read" in answer.data
    assert "plantedsecret" not in str(logs)


@pytest.mark.usefixtures("serving")
@pytest.mark.parametrize("headers", [{}, {"ce-id": "7"}, ENVELOPE.headers() | {"deadline": "2026-11-25T09:00:00"}])
async def test_a_message_with_an_invalid_envelope_is_a_fault(client: Client, headers: Any) -> None:
    answer = await client.request("qry.jar.spell", b'{"password": "a"}', timeout=60, headers=headers)
    assert b"The message cannot be read" in answer.data


@pytest.mark.usefixtures("serving")
async def test_a_message_after_its_deadline_is_not_handled(client: Client, bed: Bed) -> None:
    headers: dict[str, Any] = ENVELOPE.within(-1).headers()
    answer = await client.request(Sleep.subject, b"{}", timeout=60, headers=headers)
    assert b"after its deadline" in answer.data
    assert bed.asleep == 0


@pytest.mark.usefixtures("serving")
async def test_a_reply_too_large_for_the_bus_is_a_fault(client: Client, bus: Bus) -> None:
    with pytest.raises(Unavailable, match="too large"):
        await bus.ask(Spell(password="x" * (client.max_payload // 1000)), ENVELOPE)
    assert len(await bus.ask(Spell(password="x"), ENVELOPE)) == 1000


@pytest.mark.usefixtures("serving")
async def test_many_messages_are_handled_concurrently(bus: Bus, bed: Bed) -> None:
    async with asyncio.TaskGroup() as tasks:
        replies = [tasks.create_task(bus.ask(Sleep(), Envelope.begin())) for _ in range(30)]
        await eventually(lambda: bed.asleep == 30)
        bed.wake.set()
    assert {task.result() for task in replies} == {"well rested"}


async def test_replicas_share_the_work(nats_url: str, dispatcher: Dispatcher[None], bus: Bus, bed: Bed) -> None:
    bed.wake.set()
    async with _serving(nats_url, dispatcher), _serving(nats_url, dispatcher):
        await asyncio.gather(*(bus.ask(Sleep(), Envelope.begin()) for _ in range(20)))
    assert bed.asleep == 20


async def test_draining_finishes_accepted_messages_and_accepts_none(
    nats_url: str, dispatcher: Dispatcher[None], bus: Bus, bed: Bed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscribers, "DRAIN_TIMEOUT", 60)
    messages = IN_FLIGHT + 36
    async with asyncio.TaskGroup() as tasks, _serving(nats_url, dispatcher) as drain:
        replies = [tasks.create_task(bus.ask(Sleep(), Envelope.begin())) for _ in range(messages)]
        await eventually(lambda: bed.asleep == IN_FLIGHT)
        draining = tasks.create_task(drain())
        await eventually(lambda: _has_no_responder(bus))
        assert not draining.done()
        bed.wake.set()
    assert {reply.result() for reply in replies} == {"well rested"}
    assert bed.asleep == messages


async def test_draining_during_an_outage_of_the_bus_closes_the_connection(
    nats_url: str, dispatcher: Dispatcher[None], nats_server: EmbeddedNats
) -> None:
    async with subscribers.serving(nats_url, "jar", dispatcher) as connection:
        shut_down(nats_server)
        await eventually(lambda: not connection.is_connected)
    assert connection.is_closed


@pytest.mark.usefixtures("serving")
async def test_queries_are_answered_again_after_an_outage_of_the_bus(client: Client, nats_server: EmbeddedNats) -> None:
    restart(nats_server)
    assert await eventually(lambda: _spell(Bus(client, timeout=1)))


async def _spell(bus: Bus) -> str | None:
    try:
        return await bus.ask(Spell(password="x"), Envelope.begin())
    except Unavailable:
        return None


async def _has_no_responder(bus: Bus) -> bool:
    try:
        await bus.ask(Spell(password="x"), Envelope.begin())
    except Unavailable as error:
        return "NoResponders" in str(error)
    return False


@asynccontextmanager
async def _serving(url: str, dispatcher: Dispatcher[None]) -> AsyncGenerator[Callable[[], Coroutine[None, None, None]]]:
    """Serve, and yield a function that drains before the context ends."""
    drained = asyncio.Event()
    context = subscribers.serving(url, "jar", dispatcher)
    await context.__aenter__()

    async def drain() -> None:
        if not drained.is_set():
            drained.set()
            await context.__aexit__(None, None, None)

    try:
        yield drain
    finally:
        await drain()


async def spell_differently(query: Spell, context: QueryContext[Any]) -> str:
    return "the other replica"


@asynccontextmanager
async def other_replica(nats_url: str, dispatcher: Dispatcher[None]) -> AsyncGenerator[None]:
    """Run a second replica, whose answer differs from that of the first."""
    queries = Handlers()
    queries(spell_differently)
    other = Dispatcher(dispatcher.store, dispatcher.database, None, Handlers(), queries)
    async with subscribers.serving(nats_url, "jar", other):
        yield


async def test_a_replica_without_its_database_leaves_queries_to_others(
    nats_url: str, dispatcher: Dispatcher[None], bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscribers, "CHECK_SECONDS", 0.01)
    outage = asyncio.Event()
    dispatcher.database = cast(Database, FlakyDatabase(outage))

    async def answering_replica() -> str:
        answer = await bus.ask(Spell(password="me"), ENVELOPE)
        return "other" if "other" in answer else "first"

    async with other_replica(nats_url, dispatcher), subscribers.answering(nats_url, "jar", dispatcher):
        await eventually(lambda: _is(answering_replica, "first"))
        with capture_logs() as logs:
            outage.set()
            await eventually(lambda: any("other replicas answer" in entry["event"] for entry in logs))
        assert {await answering_replica() for _ in range(50)} == {"other"}
        outage.clear()
        await eventually(lambda: _is(answering_replica, "first"))


@pytest.mark.parametrize("bus_returns", [True, False])
async def test_a_replica_recovers_when_its_database_returns_before_the_bus(
    nats_url: str, nats_server: EmbeddedNats, dispatcher: Dispatcher[None], bus: Bus, monkeypatch: pytest.MonkeyPatch,
    bus_returns: bool,
) -> None:  # fmt: skip
    monkeypatch.setattr(subscribers, "CHECK_SECONDS", 0.01)
    outage = asyncio.Event()
    dispatcher.database = cast(Database, FlakyDatabase(outage))
    with capture_logs() as logs:
        async with subscribers.answering(nats_url, "jar", dispatcher):
            outage.set()
            await eventually(lambda: any("other replicas answer" in entry["event"] for entry in logs))
            monkeypatch.setattr(subscribers, "START_TIMEOUT", 1.0)
            shut_down(nats_server)
            outage.clear()
            await eventually(lambda: any("the bus is unavailable" in entry["event"] for entry in logs))
            if bus_returns:
                nats_server.start()
                await eventually(lambda: _spell(Bus(bus.client, timeout=1)))


class FlakyDatabase:
    """A database that is unavailable during an outage."""

    def __init__(self, outage: asyncio.Event) -> None:
        self.outage = outage

    async def check(self) -> None:
        if self.outage.is_set():
            raise ConnectionRefusedError


async def _is(read: Callable[[], Coroutine[None, None, str]], wanted: str) -> bool:
    return await read() == wanted
