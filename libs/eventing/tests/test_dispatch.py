"""Dispatching: outcomes, repeated commands, refusals, and conflicts between replicas."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from contracts.messages import Actor, Command
from contracts.refusals import Code, Refusal
from eventing.database import Database
from eventing.handling import Handlers, QueryContext, UnitOfWork
from eventing.handling.dispatch import ATTEMPTS, Dispatcher
from eventing.handling.reading import Table
from eventing.store import AggregateNotFound, Conflict, UniqueViolation
from eventing.store.postgres import PostgresStore
from eventing.testing import jars
from eventing.testing.jars import UNIQUE_VIOLATIONS, Jar
from eventing.testing.messages import JAR, AddMarble, GetJar, JarOpened, JarView, MarbleAdded, OpenJar
from eventing.testing.statements import logged_statements
from runtime.bus.envelope import Envelope

ACTOR = Actor(user_id=JAR, role="admin")
OPEN, ADD = OpenJar.example(), AddMarble.example()


class Fill(Command[None]):
    subject = "cmd.jar.fill"
    sample = {}


type Act = Callable[[UnitOfWork[Any]], Any]


@pytest.fixture
def dispatcher(postgres_store: PostgresStore, database: Database) -> Dispatcher[None]:
    return Dispatcher(postgres_store, database, None, jars.handles, jars.answers, UNIQUE_VIOLATIONS)


def filling(dispatcher: Dispatcher[None], act: Act) -> Dispatcher[None]:
    """Return a dispatcher whose only command runs `act`."""

    async def fill(_: Fill, work: UnitOfWork[Any]) -> None:
        await act(work)

    handles = Handlers()
    handles(fill)
    return Dispatcher(dispatcher.store, dispatcher.database, None, handles, jars.answers)


def reading_rows(dispatcher: Dispatcher[None]) -> Dispatcher[None]:
    """Return a dispatcher whose only query reads a row of a table."""

    async def get_jar(query: GetJar, context: QueryContext[None]) -> JarView:
        jars_of_all = Table("jars", Code.SESSION_NOT_FOUND, readable=None)
        return JarView(**await jars_of_all.fetch("id, label, marbles", query.jar_id, context))

    answers = Handlers()
    answers(get_jar)
    return replace(dispatcher, queries=answers)


async def send(dispatcher: Dispatcher[None], command: Command[Any], envelope: Envelope | None = None) -> Any:
    return await dispatcher.send(command, envelope or Envelope.begin())


async def marbles(dispatcher: Dispatcher[None]) -> int:
    return (await dispatcher.ask(GetJar.example(), Envelope.begin())).marbles


async def test_a_command_returns_the_result_of_its_outcome_query(dispatcher: Dispatcher[None]) -> None:
    assert await send(dispatcher, OPEN) == JarView(id=JAR, label="blue ones", marbles=0)


async def test_a_command_without_an_outcome_query_returns_its_handlers_result(dispatcher: Dispatcher[None]) -> None:
    await send(dispatcher, OPEN)
    assert await send(dispatcher, ADD) == 1


async def test_a_refused_command_records_nothing(dispatcher: Dispatcher[None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jars, "MAX_MARBLES", 0)
    await send(dispatcher, OPEN)
    with pytest.raises(Refusal, match="full"):
        await send(dispatcher, ADD)
    assert await marbles(dispatcher) == 0


async def test_a_repeated_command_returns_the_outcome_and_runs_once(dispatcher: Dispatcher[None]) -> None:
    envelope = Envelope.begin()
    first = await send(dispatcher, OPEN, envelope)
    await send(dispatcher, ADD)
    again = await send(dispatcher, OPEN, envelope)
    assert (first.marbles, again.marbles) == (0, 1)


async def test_a_repeated_command_without_an_outcome_query_is_refused(dispatcher: Dispatcher[None]) -> None:
    await send(dispatcher, OPEN)
    envelope = Envelope.begin()
    await send(dispatcher, ADD, envelope)
    with pytest.raises(Refusal) as refusal:
        await send(dispatcher, ADD, envelope)
    assert refusal.value.code == Code.COMMAND_REPEATED
    assert await marbles(dispatcher) == 1


async def test_a_repeated_command_without_a_result_is_accepted(dispatcher: Dispatcher[None]) -> None:
    async def add(work: UnitOfWork[Any]) -> None:
        async with work.change(Jar, JAR) as jar:
            jar.record(MarbleAdded.example())

    await send(dispatcher, OPEN)
    envelope = Envelope.begin(actor=ACTOR)
    for _ in range(2):
        assert await send(filling(dispatcher, add), Fill(), envelope) is None
    assert await marbles(dispatcher) == 1


async def test_a_repeated_command_is_recognised_if_it_would_be_refused_now(dispatcher: Dispatcher[None]) -> None:
    async def open_once(work: UnitOfWork[Any]) -> None:
        if await dispatcher.store.event(JAR, 1):
            raise Refusal(Code.QUEUE_FULL, "There is one.")
        jar = Jar(JAR)
        jar.record(JarOpened.example())
        await work.save(jar)

    envelope = Envelope.begin()
    for _ in range(2):
        assert await send(filling(dispatcher, open_once), Fill(), envelope) is None
    with pytest.raises(Refusal):
        await send(filling(dispatcher, open_once), Fill())


async def test_a_command_that_is_refused_after_it_was_stored_is_refused(dispatcher: Dispatcher[None]) -> None:
    async def open_and_refuse(work: UnitOfWork[Any]) -> None:
        jar = Jar(JAR)
        jar.record(JarOpened.example())
        await work.save(jar)
        raise Refusal(Code.QUEUE_FULL, "It is stored all the same.")

    with pytest.raises(Refusal) as refusal:
        await send(filling(dispatcher, open_and_refuse), Fill())
    assert refusal.value.code == Code.QUEUE_FULL


async def test_concurrent_deliveries_of_a_command_run_it_once(dispatcher: Dispatcher[None]) -> None:
    envelope = Envelope.begin()
    views = await asyncio.gather(*(send(dispatcher, OPEN, envelope) for _ in range(5)))
    assert views == [JarView(id=JAR, label="blue ones", marbles=0)] * 5


async def test_a_duplicate_value_is_refused_with_the_refusal_of_its_index(dispatcher: Dispatcher[None]) -> None:
    await send(dispatcher, OPEN)
    with pytest.raises(Refusal) as refusal:
        await send(dispatcher, OpenJar(jar_id=UUID(int=2), label=OPEN.label))
    assert refusal.value is UNIQUE_VIOLATIONS["jars_label"]


async def test_a_unique_index_without_a_refusal_raises_a_violation(dispatcher: Dispatcher[None]) -> None:
    dispatcher.unique_violations = {}
    await send(dispatcher, OPEN)
    with pytest.raises(UniqueViolation):
        await send(dispatcher, OpenJar(jar_id=UUID(int=2), label=OPEN.label))


async def test_a_command_for_a_missing_aggregate_raises(
    dispatcher: Dispatcher[None],
) -> None:
    with pytest.raises(AggregateNotFound):
        await send(dispatcher, ADD)


async def test_a_conflict_is_decided_again_on_the_current_state(dispatcher: Dispatcher[None]) -> None:
    seen: list[int] = []

    async def conflict_twice(work: UnitOfWork[Any]) -> None:
        jar = await work.load(Jar, JAR)
        seen.append(len(jar.colours))
        jar.record(MarbleAdded.example())
        if len(seen) < 3:
            await send(other_replica(dispatcher), ADD)
        await work.save(jar)

    await send(dispatcher, OPEN)
    await send(filling(dispatcher, conflict_twice), Fill())
    assert seen == [0, 1, 2]
    assert await marbles(dispatcher) == 3


async def test_a_command_that_conflicts_many_times_is_executed(dispatcher: Dispatcher[None]) -> None:
    attempts: list[int] = []

    async def conflict_seven_times(work: UnitOfWork[Any]) -> None:
        attempts.append(1)
        jar = await work.load(Jar, JAR)
        jar.record(MarbleAdded.example())
        if len(attempts) <= 7:
            await send(other_replica(dispatcher), ADD)
        await work.save(jar)

    await send(dispatcher, OPEN)
    await send(filling(dispatcher, conflict_seven_times), Fill())
    assert await marbles(dispatcher) == 8


async def test_a_command_that_always_conflicts_is_given_up(dispatcher: Dispatcher[None]) -> None:
    attempts: list[int] = []

    async def always_conflict(work: UnitOfWork[Any]) -> None:
        attempts.append(1)
        jar = await work.load(Jar, JAR)
        jar.record(MarbleAdded.example())
        await send(other_replica(dispatcher), ADD)
        await work.save(jar)

    await send(dispatcher, OPEN)
    with pytest.raises(Conflict):
        await send(filling(dispatcher, always_conflict), Fill())
    assert len(attempts) == ATTEMPTS


async def test_concurrent_commands_of_one_process_do_not_conflict(dispatcher: Dispatcher[None]) -> None:
    loads: list[UUID] = []

    class Counting(PostgresStore):
        async def load(self, kind: Any, id: UUID, command_id: UUID | None = None) -> Any:
            loads.append(id)
            return await super().load(kind, id, command_id)

    await send(dispatcher, OPEN)
    dispatcher.store = Counting(dispatcher.database, Jar.events, jars.project)
    counts = await asyncio.gather(*(send(dispatcher, ADD) for _ in range(8)))
    assert sorted(counts) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert len(loads) == 8


async def test_a_change_of_another_version_is_refused(dispatcher: Dispatcher[None]) -> None:
    await send(dispatcher, OPEN)
    await send(dispatcher, ADD)
    with pytest.raises(Refusal) as refusal:
        await send(dispatcher, ADD, replace(Envelope.begin(), expected_versions=(1,)))
    assert refusal.value.code == Code.PRECONDITION_FAILED
    await send(dispatcher, ADD, replace(Envelope.begin(), expected_versions=(1, 2)))
    assert await marbles(dispatcher) == 2


async def test_of_changes_that_expect_one_version_one_is_carried_out(dispatcher: Dispatcher[None]) -> None:
    await send(dispatcher, OPEN)
    replicas = [dispatcher, *(other_replica(dispatcher) for _ in range(7))]
    envelopes = [replace(Envelope.begin(), expected_versions=(1,)) for _ in replicas]
    changes = (send(replica, ADD, envelope) for replica, envelope in zip(replicas, envelopes, strict=True))
    results = await asyncio.gather(*changes, return_exceptions=True)
    refused = [result for result in results if isinstance(result, Refusal)]
    assert (len(refused), {refusal.code for refusal in refused}) == (7, {Code.PRECONDITION_FAILED})
    assert await marbles(dispatcher) == 1


async def test_a_repeated_change_is_recognised_before_its_version_is_compared(dispatcher: Dispatcher[None]) -> None:
    await send(dispatcher, OPEN)
    envelope = replace(Envelope.begin(), expected_versions=(1,))
    await send(dispatcher, ADD, envelope)
    with pytest.raises(Refusal) as refusal:
        await send(dispatcher, ADD, envelope)
    assert refusal.value.code == Code.COMMAND_REPEATED


async def test_an_answer_has_the_version_of_the_aggregate(dispatcher: Dispatcher[None]) -> None:
    await send(dispatcher, OPEN)
    await send(dispatcher, ADD)
    assert (await dispatcher.ask_versioned(GetJar.example(), Envelope.begin()))[1] == 2


async def test_the_version_is_read_with_the_row_of_the_aggregate(
    dispatcher: Dispatcher[None], database: Database
) -> None:
    await send(dispatcher, OPEN)
    await send(dispatcher, ADD)
    sent = await logged_statements(database)
    answer = await reading_rows(dispatcher).ask_versioned(GetJar.example(), Envelope.begin())
    assert (answer.result.marbles, answer.version, len(sent)) == (1, 2, 1)


async def test_a_row_that_is_no_aggregate_has_no_version(dispatcher: Dispatcher[None], database: Database) -> None:
    await database.execute("INSERT INTO jars VALUES ($1, 'blue ones', 1)", JAR)
    answer = await reading_rows(dispatcher).ask_versioned(GetJar.example(), Envelope.begin())
    assert (answer.result.marbles, answer.version) == (1, None)


async def test_expected_versions_are_not_stored(dispatcher: Dispatcher[None]) -> None:
    await send(dispatcher, OPEN)
    await send(dispatcher, ADD, replace(Envelope.begin(), expected_versions=(1,), wants_version=True))
    stored = await dispatcher.store.event(JAR, 2)
    assert stored is not None
    assert (stored.envelope.expected_versions, stored.envelope.wants_version) == ((), False)


def other_replica(dispatcher: Dispatcher[None]) -> Dispatcher[None]:
    """Return the dispatcher of another replica, which shares the database but no locks."""
    return Dispatcher(dispatcher.store, dispatcher.database, None, jars.handles, jars.answers, UNIQUE_VIOLATIONS)
