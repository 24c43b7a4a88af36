"""Due times: when their commands are sent, and how events set, move and cancel them."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from contracts.messages import Actor
from contracts.refusals import Code, Refusal
from eventing import due_times as module
from eventing.database import Database
from eventing.due import DueKind
from eventing.handling import Handlers, UnitOfWork
from eventing.testing import background, eventually
from eventing.testing.closing import CLOSING, LATER, LONG_AGO, OPENED, SOON, Closing, StoppedClock, failing_with
from eventing.testing.jars import Jar
from eventing.testing.messages import AddMarble
from runtime import clock
from runtime.bus.envelope import Envelope
from runtime.clock import new_id


async def test_the_command_of_a_due_time_is_sent_and_the_row_deleted(closing: Closing) -> None:
    jar_id = await closing.open_jar(LONG_AGO)
    assert await closing.send_batch() == 1
    assert (await closing.colours(jar_id), await closing.count()) == (["due"], 0)


async def test_no_command_is_sent_before_its_due_time(closing: Closing, stopped_clock: StoppedClock) -> None:
    jar_id = await closing.open_jar(SOON)
    assert await closing.send_batch() == 0
    stopped_clock.time = SOON
    assert await closing.send_batch() == 1
    assert await closing.colours(jar_id) == ["due"]


async def test_a_clock_set_forward_reaches_the_due_times_it_passes(
    closing: Closing, stopped_clock: StoppedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_PAUSE_SECONDS", 0.05)
    jar_id = await closing.open_jar(LATER)
    async with background(closing.work(asyncio.Event())):
        stopped_clock.time = LATER + timedelta(seconds=1)
        await eventually(lambda: closing.colours(jar_id))


async def test_a_clock_set_back_sends_no_command_twice(closing: Closing, stopped_clock: StoppedClock) -> None:
    stopped_clock.time = LATER
    jar_id = await closing.open_jar(SOON)
    await closing.send_batch()
    stopped_clock.time = OPENED
    await closing.send_batch()
    stopped_clock.time = LATER
    assert await closing.send_batch() == 0
    assert await closing.colours(jar_id) == ["due"]


async def test_a_replica_whose_clock_is_ahead_sends_nothing_early(
    closing: Closing, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = clock.now()
    await closing.open_jar(now + timedelta(hours=1))
    monkeypatch.setattr(clock, "now", lambda: now + timedelta(days=1))
    assert await closing.send_batch() == 0


async def test_the_time_of_a_due_command_is_that_of_the_database(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, (failing, calls) = clock.now(), failing_with(Refusal(Code.SESSION_BUSY, ""))
    monkeypatch.setattr(clock, "now", lambda: now + timedelta(days=1))
    replica = Closing(database, failing)
    await replica.open_jar(LONG_AGO)
    await replica.send_batch()
    assert [now <= work.now < now + timedelta(hours=1) for work in calls] == [True]


async def test_a_due_time_that_another_event_sets_again_is_reached_again(
    closing: Closing, stopped_clock: StoppedClock
) -> None:
    stopped_clock.time = LATER
    jar_id = await closing.open_jar(LATER)
    await closing.send_batch()
    await closing.add(jar_id, "later")
    await closing.send_batch()
    assert await closing.colours(jar_id) == ["due", "later", "due"]


async def test_a_due_time_that_is_set_again_while_it_is_sent_stays(
    closing: Closing, stopped_clock: StoppedClock, database: Database
) -> None:
    stopped_clock.time = LATER
    await closing.open_jar(LATER)
    [row] = await closing.claim()
    await database.execute(
        "UPDATE due SET envelope = jsonb_set(envelope, '{ce-id}', to_jsonb($1::text))", str(new_id())
    )
    await closing.process(row)
    assert await database.fetchval("SELECT count(*) FROM due") == 1


async def test_a_replica_wakes_up_at_the_next_due_time(closing: Closing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PAUSE_SECONDS", 3600.0)
    jar_id = await closing.open_jar(clock.now() + timedelta(seconds=0.3))
    async with background(closing.work(asyncio.Event())):
        await eventually(lambda: closing.colours(jar_id))


async def test_a_replica_notices_a_due_time_set_while_it_sleeps(
    closing: Closing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_PAUSE_SECONDS", 0.05)
    async with background(closing.work(asyncio.Event())):
        await closing.open_jar(clock.now() + timedelta(hours=1))
        jar_id = await closing.open_jar(LONG_AGO)
        await eventually(lambda: closing.colours(jar_id))


async def test_a_moved_due_time_is_reached_at_the_new_time_only(closing: Closing, stopped_clock: StoppedClock) -> None:
    jar_id = await closing.open_jar(SOON)
    await closing.add(jar_id, "later")
    stopped_clock.time = SOON
    assert await closing.send_batch() == 0
    stopped_clock.time = LATER
    assert await closing.send_batch() == 1
    assert await closing.colours(jar_id) == ["later", "due"]


async def test_a_due_time_moved_after_it_was_reached_is_reached_again(
    closing: Closing, stopped_clock: StoppedClock
) -> None:
    jar_id = await closing.open_jar(OPENED)
    await closing.send_batch()
    await closing.add(jar_id, "later")
    stopped_clock.time = LATER
    await closing.send_batch()
    assert await closing.colours(jar_id) == ["due", "later", "due"]


async def test_a_due_time_moved_while_its_command_is_sent_is_kept(
    closing: Closing, database: Database, stopped_clock: StoppedClock
) -> None:
    commands = Handlers()

    @commands
    async def move(command: AddMarble, work: UnitOfWork[Any]) -> None:  # pyright: ignore[reportUnusedFunction]
        jar = await work.load(Jar, command.jar_id)
        jar.add("later")
        await work.save(jar)

    await closing.open_jar(OPENED)
    await Closing(database, commands).send_batch()
    assert await database.fetchval("SELECT at FROM due") == LATER


async def test_a_cancelled_due_time_sends_no_command(closing: Closing, stopped_clock: StoppedClock) -> None:
    jar_id = await closing.open_jar(SOON)
    await closing.add(jar_id, "white")
    stopped_clock.time = LATER
    assert await closing.send_batch() == 0


async def test_an_event_that_is_not_stored_sets_no_due_time(closing: Closing) -> None:
    with pytest.raises(ValueError, match="an invisible marble"):
        await closing.open_jar(LONG_AGO, colour="invisible")
    assert await closing.count() == 0


async def test_a_kind_of_a_newer_release_is_not_claimed(closing: Closing, database: Database) -> None:
    await closing.open_jar(LONG_AGO)
    older = Closing(database, kinds=[DueKind("opening", CLOSING.command)])
    assert (await older.send_batch(), await closing.count()) == (0, 1)


async def test_the_command_has_the_actor_and_correlation_id_of_the_event(closing: Closing, database: Database) -> None:
    cause = Envelope.begin(correlation_id="one", actor=Actor(user_id=new_id(), role="user"))
    await closing.open_jar(LONG_AGO, cause)
    failing, calls = failing_with(Refusal(Code.BUDGET_EXCEEDED, "The jar is full."))
    await Closing(database, failing).send_batch()
    [sent] = [call.envelope for call in calls]
    assert (sent.actor, sent.correlation_id, sent.causation_id) == (cause.actor, "one", cause.message_id)


def test_two_kinds_with_the_same_name_are_rejected(database: Database) -> None:
    with pytest.raises(ValueError, match="same name"):
        Closing(database, kinds=[CLOSING, CLOSING])


async def test_an_aggregate_may_have_several_due_times(closing: Closing) -> None:
    jar_id = await closing.open_jar(LATER)
    opened = await closing.dispatcher.store.event(jar_id, 1)
    assert opened
    async with closing.database.transaction() as connection:
        for _ in range(2):
            await CLOSING.set(opened, new_id(), LONG_AGO, connection)
    assert await closing.send_batch() == 2
    assert await closing.colours(jar_id) == ["due", "due"]
