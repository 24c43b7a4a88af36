import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
import pytest_asyncio
from contracts.messages import Command, Query, ping_query
from contracts.refusals import Code, Refusal
from eventing import subscribers
from eventing.database import Database
from eventing.dispatch import Dispatcher
from eventing.handling import Handlers, QueryContext, UnitOfWork
from eventing.postgres import PostgresStore
from eventing.testing import eventually, jars
from eventing.testing.jars import TAKEN
from eventing.testing.messages import AddMarble, GetJar, JarView, OpenJar
from onebox.nats import EmbeddedNats
from runtime.bus import Bus, Client, Unavailable
from runtime.envelope import Envelope
from structlog.testing import capture_logs

ENVELOPE = Envelope.begin()


class Sleep(Command[str]):
    """A command that a test lets sleep and wakes."""

    subject = "cmd.jar.sleep"
    sample = {}


class Spell(Query[str]):
    subject = "qry.jar.spell"
    sample = {"password": "secret"}
    password: str


class Bed:
    """Who sleeps, and what wakes them."""

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
    return Dispatcher(postgres_store, database, None, commands, queries, TAKEN)


@pytest_asyncio.fixture
async def serving(nats_url: str, dispatcher: Dispatcher[None]) -> AsyncGenerator[None]:
    async with subscribers.serving(nats_url, "jar", dispatcher):
        yield


@pytest.fixture
def bus(client: Client) -> Bus:
    return Bus(client)


@pytest.mark.usefixtures("serving")
async def test_a_command_and_a_query_are_answered(bus: Bus) -> None:
    opened: JarView = await bus.ask(OpenJar.example(), Envelope.begin())
    assert await bus.ask(AddMarble.example(), Envelope.begin()) == 1
    assert await bus.ask(GetJar.example(), ENVELOPE) == opened.model_copy(update={"marbles": 1})


@pytest.mark.usefixtures("serving")
async def test_every_service_answers_how_its_database_is(bus: Bus) -> None:
    assert await bus.ask(ping_query("jar")(), Envelope.begin()) == {"database": "ok"}


@pytest.mark.usefixtures("serving")
async def test_a_refusal_comes_back_as_one(bus: Bus) -> None:
    with pytest.raises(Refusal) as refusal:
        await bus.ask(GetJar.example(), ENVELOPE)
    assert refusal.value.code == Code.SESSION_NOT_FOUND


@pytest.mark.usefixtures("serving")
async def test_an_error_is_a_fault_that_is_logged_and_tells_no_reason(bus: Bus) -> None:
    with capture_logs() as logs, pytest.raises(Unavailable) as fault:
        await bus.ask(Spell(password="broken"), ENVELOPE)
    assert "could not do it now" in str(fault.value)
    assert "no spell" not in str(fault.value)
    errors = [entry["subject"] for entry in logs if entry["log_level"] == "error"]
    assert errors == ["qry.jar.spell"] * 2  # a query is asked twice


@pytest.mark.usefixtures("serving")
@pytest.mark.parametrize("body", [b"no json", b"{}", b'{"password": 7, "secret": "s3cret"}'])
async def test_a_message_that_cannot_be_read_is_a_fault_and_its_content_is_not_logged(
    client: Client, body: bytes
) -> None:
    headers: dict[str, Any] = ENVELOPE.headers()
    with capture_logs() as logs:
        answer = await client.request("qry.jar.spell", body, timeout=5, headers=headers)
    assert b"The message cannot be read" in answer.data
    assert "s3cret" not in str(logs)


@pytest.mark.usefixtures("serving")
@pytest.mark.parametrize("headers", [{}, {"ce-id": "7"}, ENVELOPE.headers() | {"deadline": "2026-11-25T09:00:00"}])
async def test_a_message_whose_envelope_cannot_be_read_is_a_fault(client: Client, headers: Any) -> None:
    answer = await client.request("qry.jar.spell", b'{"password": "a"}', timeout=5, headers=headers)
    assert b"The message cannot be read" in answer.data


@pytest.mark.usefixtures("serving")
async def test_a_message_after_its_deadline_is_not_worked_on(client: Client, bed: Bed) -> None:
    headers: dict[str, Any] = ENVELOPE.within(-1).headers()
    answer = await client.request(Sleep.subject, b"{}", timeout=5, headers=headers)
    assert b"after its deadline" in answer.data
    assert bed.asleep == 0


@pytest.mark.usefixtures("serving")
async def test_an_answer_too_large_for_the_bus_is_a_fault_and_no_silence(client: Client, bus: Bus) -> None:
    with pytest.raises(Unavailable, match="too large"):
        await bus.ask(Spell(password="x" * (client.max_payload // 1000)), ENVELOPE)
    assert len(await bus.ask(Spell(password="x"), ENVELOPE)) == 1000


@pytest.mark.usefixtures("serving")
async def test_many_are_worked_on_at_once(bus: Bus, bed: Bed) -> None:
    async with asyncio.TaskGroup() as tasks:
        asked = [tasks.create_task(bus.ask(Sleep(), Envelope.begin())) for _ in range(30)]
        await eventually(lambda: bed.asleep == 30)
        bed.wake.set()
    assert {task.result() for task in asked} == {"well rested"}


async def test_replicas_share_the_work(nats_url: str, dispatcher: Dispatcher[None], bus: Bus, bed: Bed) -> None:
    bed.wake.set()
    async with _serving(nats_url, dispatcher), _serving(nats_url, dispatcher):
        await asyncio.gather(*(bus.ask(Sleep(), Envelope.begin()) for _ in range(20)))
    assert bed.asleep == 20


async def test_leaving_finishes_what_is_under_way_and_takes_nothing_new(
    nats_url: str, dispatcher: Dispatcher[None], bus: Bus, bed: Bed
) -> None:
    async with asyncio.TaskGroup() as tasks, _serving(nats_url, dispatcher) as leave:
        asked = tasks.create_task(bus.ask(Sleep(), ENVELOPE))
        await eventually(lambda: bed.asleep)
        leaving = tasks.create_task(leave())
        await eventually(lambda: _nobody_there(bus))
        assert not leaving.done()
        bed.wake.set()
    assert asked.result() == "well rested"
    assert bed.asleep == 1


async def test_leaving_while_the_bus_is_away_ends_well(
    nats_url: str, dispatcher: Dispatcher[None], nats_server: EmbeddedNats
) -> None:
    async with subscribers.serving(nats_url, "jar", dispatcher) as connection:
        nats_server.child.ask_to_stop()
        nats_server.child.finish()
        await eventually(lambda: not connection.is_connected)
    assert connection.is_closed


@pytest.mark.usefixtures("serving")
async def test_after_the_bus_was_away_questions_are_answered_again(client: Client, nats_server: EmbeddedNats) -> None:
    nats_server.child.ask_to_stop()
    nats_server.child.finish()
    nats_server.start()
    assert await eventually(lambda: _spelt(Bus(client, timeout=0.2)))


async def _spelt(bus: Bus) -> str | None:
    try:
        return await bus.ask(Spell(password="x"), Envelope.begin())
    except Unavailable:
        return None


async def _nobody_there(bus: Bus) -> bool:
    try:
        await bus.ask(Spell(password="x"), Envelope.begin())
    except Unavailable as error:
        return "NoResponders" in str(error)
    return False


@asynccontextmanager
async def _serving(url: str, dispatcher: Dispatcher[None]) -> AsyncGenerator[Callable[[], Coroutine[None, None, None]]]:
    """Serve, and give a way to leave early."""
    left = asyncio.Event()
    context = subscribers.serving(url, "jar", dispatcher)
    await context.__aenter__()

    async def leave() -> None:
        if not left.is_set():
            left.set()
            await context.__aexit__(None, None, None)

    try:
        yield leave
    finally:
        await leave()


async def spell_badly(query: Spell, context: QueryContext[Any]) -> str:
    return "the other replica"


@asynccontextmanager
async def other_replica(nats_url: str, dispatcher: Dispatcher[None]) -> AsyncGenerator[None]:
    """Answer beside another replica, and otherwise than that."""
    queries = Handlers()
    queries(spell_badly)
    other = Dispatcher(dispatcher.store, dispatcher.database, None, Handlers(), queries)
    async with subscribers.serving(nats_url, "jar", other):
        yield


async def test_a_replica_without_its_database_leaves_the_questions_to_others_until_it_is_back(
    nats_url: str, dispatcher: Dispatcher[None], bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscribers, "CHECK_EVERY", 0.01)
    away = asyncio.Event()
    dispatcher.database = cast(Database, Checked(away))

    async def who() -> str:
        answer = await bus.ask(Spell(password="me"), ENVELOPE)
        return "other" if "other" in answer else "cut off"

    async with other_replica(nats_url, dispatcher), subscribers.answering(nats_url, "jar", dispatcher):
        await eventually(lambda: _is(who, "cut off"))
        with capture_logs() as logs:
            away.set()
            await eventually(lambda: any("other replicas answer" in entry["event"] for entry in logs))
        assert {await who() for _ in range(50)} == {"other"}
        away.clear()
        await eventually(lambda: _is(who, "cut off"))


@pytest.mark.parametrize("back", [True, False])
async def test_a_replica_whose_bus_is_away_when_its_database_is_back_goes_on(
    nats_url: str, nats_server: EmbeddedNats, dispatcher: Dispatcher[None], bus: Bus, monkeypatch: pytest.MonkeyPatch,
    back: bool,
) -> None:  # fmt: skip
    monkeypatch.setattr(subscribers, "CHECK_EVERY", 0.01)
    monkeypatch.setattr(subscribers, "START_TIMEOUT", 0.2, raising=False)
    away = asyncio.Event()
    dispatcher.database = cast(Database, Checked(away))
    with capture_logs() as logs:
        async with subscribers.answering(nats_url, "jar", dispatcher):
            away.set()
            await eventually(lambda: any("other replicas answer" in entry["event"] for entry in logs))
            nats_server.child.ask_to_stop()
            nats_server.child.finish()
            away.clear()
            await eventually(lambda: any("the bus cannot be reached" in entry["event"] for entry in logs))
            if back:
                nats_server.start()
                await eventually(lambda: _spelt(Bus(bus.client, timeout=0.2)))


class Checked:
    """A database that can be reached, or cannot."""

    def __init__(self, away: asyncio.Event) -> None:
        self.away = away

    async def check(self) -> None:
        if self.away.is_set():
            raise ConnectionRefusedError


async def _is(who: Callable[[], Coroutine[None, None, str]], wanted: str) -> bool:
    return await who() == wanted
