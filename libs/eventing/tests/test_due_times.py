"""Each due time has its effect once, whatever happens to replicas, commands and the database."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from contracts.messages import Command
from contracts.refusals import Code, Refusal
from eventing import due_times as module
from eventing.database import Database
from eventing.due import DueKind, DueTime
from eventing.handling import Handlers, UnitOfWork
from eventing.retrying import wait_until_available
from eventing.store.postgres import PostgresStore
from eventing.testing import background, eventually, jars
from eventing.testing.closing import CLOSING, LONG_AGO, OPENED, Closing, StoppedClock, failing_with
from eventing.testing.messages import AddMarble
from onebox.postgres import EmbeddedPostgres
from runtime import clock
from runtime.bus.envelope import Envelope
from runtime.metrics import metrics_of

from libs.eventing.tests.servers import shut_down


async def test_two_replicas_send_each_command_once(closing: Closing, database: Database) -> None:
    jars = [await closing.open_jar(LONG_AGO) for _ in range(3 * module.BATCH_SIZE)]
    other = Closing(database)
    async with background(closing.work(asyncio.Event()), other.work(asyncio.Event())):
        await eventually(closing.is_done)
    assert [await closing.colours(jar_id) for jar_id in jars] == [["due"]] * len(jars)


async def test_a_due_time_set_to_the_present_is_not_waited_for(
    closing: Closing, monkeypatch: pytest.MonkeyPatch
) -> None:
    paused = asyncio.Event()

    async def pause() -> float:
        paused.set()
        return 3600.0

    monkeypatch.setattr(closing, "_pause", pause)
    async with background(closing.work(asyncio.Event())):
        await paused.wait()
        jar_id = await closing.open_jar(LONG_AGO)
        await eventually(closing.is_done)
    assert await closing.colours(jar_id) == ["due"]


async def test_due_times_are_behind_until_the_last_ones_are_claimed(closing: Closing) -> None:
    go, waiting = asyncio.Event(), Handlers()

    @waiting
    async def add_marble(_: AddMarble, work: UnitOfWork[Any]) -> None:  # pyright: ignore[reportUnusedFunction]
        await go.wait()

    replica = Closing(closing.database, waiting)
    for _ in range(2 * module.CONCURRENCY):
        await closing.open_jar(LONG_AGO)
    assert replica.caught_up.is_set()
    async with background(replica.work(asyncio.Event())):
        await eventually(lambda: not replica.caught_up.is_set())
        go.set()
        await eventually(replica.caught_up.is_set)
        await eventually(closing.is_done)


async def test_a_due_command_has_no_client(closing: Closing) -> None:
    failing, calls = failing_with(Refusal(Code.SESSION_BUSY, ""))
    replica = Closing(closing.database, failing)
    await replica.open_jar(LONG_AGO, Envelope.begin(client_address="192.0.2.1"))
    await replica.send_batch()
    assert [work.envelope.client_address for work in calls] == [None]


async def test_a_command_that_two_replicas_send_is_carried_out_once(
    closing: Closing, stopped_clock: StoppedClock
) -> None:
    jar_id = await closing.open_jar(OPENED)
    await closing.send_batch()
    opened = await closing.dispatcher.store.event(jar_id, 1)
    assert opened
    async with closing.database.transaction() as connection:  # as if the other replica had read it earlier
        await CLOSING.set(opened, jar_id, OPENED, connection)
    await closing.send_batch()
    assert (await closing.colours(jar_id), await closing.count()) == (["due"], 0)


async def test_a_crash_between_send_and_delete_repeats_nothing(
    closing: Closing, stopped_clock: StoppedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    jar_id = await closing.open_jar(OPENED)
    with monkeypatch.context() as dying:
        dying.setattr(module, "DELETE", "SELECT dies($1)")
        await closing.send_batch()
    assert (await closing.colours(jar_id), await closing.count()) == (["due"], 1)
    stopped_clock.time += timedelta(seconds=module.MIN_RETRY_SECONDS)
    assert await closing.send_batch() == 1
    assert (await closing.colours(jar_id), await closing.count()) == (["due"], 0)


async def test_the_claim_of_a_crashed_replica_expires(closing: Closing, stopped_clock: StoppedClock) -> None:
    jar_id = await closing.open_jar(OPENED)
    assert await closing.claim()
    assert await closing.send_batch() == 0
    stopped_clock.time += timedelta(seconds=module.MIN_RETRY_SECONDS)
    await closing.send_batch()
    assert await closing.colours(jar_id) == ["due"]


async def test_a_due_time_reached_during_an_outage_is_processed_after_it(
    store_apart: PostgresStore, own_server: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_PAUSE_SECONDS", 0.05)
    closing = Closing(store_apart.database)
    at = clock.now() + timedelta(seconds=1)
    jar_id = await closing.open_jar(at)
    async with background(closing.work(asyncio.Event())):
        shut_down(own_server)
        await eventually(lambda: clock.now() > at)
        await asyncio.to_thread(own_server.start)
        await wait_until_available(closing.database)
        await eventually(lambda: closing.colours(jar_id))


async def test_a_failing_command_is_retried_with_back_off_and_never_given_up(
    closing: Closing, database: Database, stopped_clock: StoppedClock
) -> None:
    failing, calls = failing_with(ValueError("too slippery"))
    replica, delays = Closing(database, failing), list[float]()
    await closing.open_jar(OPENED)
    for _ in range(20):
        assert await replica.send_batch() == 1
        following = await database.fetchval("SELECT try_at FROM due")
        delays.append((following - stopped_clock.time).total_seconds())
        stopped_clock.time = following
    assert delays == [20, 40, *[module.MAX_RETRY_SECONDS] * 18]
    assert len(calls) == len(delays)
    await closing.send_batch()
    assert await closing.is_done()


async def test_a_failing_command_does_not_hold_up_others(closing: Closing, database: Database) -> None:
    def command(due: DueTime) -> Command[Any]:
        if due.aggregate == first:
            raise ValueError("too slippery")
        return CLOSING.command(due)

    first, second = await closing.open_jar(LONG_AGO), await closing.open_jar(LONG_AGO)
    await Closing(database, kinds=[DueKind("closing", command)]).send_batch()
    assert [await closing.colours(jar_id) for jar_id in (first, second)] == [[], ["due"]]


async def test_a_refused_command_is_not_retried(closing: Closing, database: Database) -> None:
    failing, calls = failing_with(Refusal(Code.BUDGET_EXCEEDED, "The jar is full."))
    await closing.open_jar(LONG_AGO)
    await Closing(database, failing).send_batch()
    assert (len(calls), await closing.count()) == (1, 0)


async def test_the_lateness_is_measured(closing: Closing, stopped_clock: StoppedClock) -> None:
    name, labels = "due_lateness_seconds_sum", {"kind": "closing"}
    before = metrics_of("eventing").get_sample_value(name, labels) or 0.0
    await closing.open_jar(OPENED - timedelta(seconds=7))
    await closing.send_batch()
    assert (metrics_of("eventing").get_sample_value(name, labels) or 0.0) - before == 7


async def test_a_draining_replica_finishes_its_batch(closing: Closing, database: Database) -> None:
    started, go, commands = asyncio.Event(), asyncio.Event(), Handlers()

    @commands
    async def add_slowly(_: AddMarble, __: UnitOfWork[Any]) -> None:  # pyright: ignore[reportUnusedFunction]
        started.set()
        await go.wait()

    await closing.open_jar(LONG_AGO)
    draining, slow = asyncio.Event(), Closing(database, commands)
    async with background(slow.work(draining)) as [work]:
        await started.wait()
        draining.set()
        go.set()
        await work
    assert await closing.count() == 0


async def test_a_command_that_has_failed_for_a_year_is_retried(database: Database, stopped_clock: StoppedClock) -> None:
    failing, _ = failing_with(ValueError("too slippery"))
    replica = Closing(database, failing)
    await replica.open_jar(OPENED)
    await database.execute("UPDATE due SET attempts = 500000")
    await replica.send_batch()
    following = await database.fetchval("SELECT try_at FROM due")
    assert (following - stopped_clock.time).total_seconds() == module.MAX_RETRY_SECONDS


async def test_a_due_time_that_an_earlier_release_gave_up_is_tried_again(closing: Closing, database: Database) -> None:
    jar_id = await closing.open_jar(LONG_AGO)
    await database.execute("UPDATE due SET attempts = 11, try_at = 'infinity'")
    await closing.send_batch()
    assert await closing.colours(jar_id) == ["due"]


async def test_a_slow_command_does_not_hold_up_those_that_are_due_later(closing: Closing, database: Database) -> None:
    slow_jar, go, commands = await closing.open_jar(LONG_AGO), asyncio.Event(), Handlers()

    @commands
    async def add_marble(command: AddMarble, work: UnitOfWork[Any]) -> None:  # pyright: ignore[reportUnusedFunction]
        if command.jar_id == slow_jar:
            await go.wait()
        await jars.add_marble(command, work)

    others = [await closing.open_jar(LONG_AGO + timedelta(days=1)) for _ in range(2 * module.BATCH_SIZE)]
    replica = Closing(database, commands)
    async with background(replica.work(asyncio.Event())):
        await eventually(lambda: _all_closed(closing, others))
        assert await closing.colours(slow_jar) == []
        go.set()
        await eventually(closing.is_done)


async def _all_closed(closing: Closing, jar_ids: list[UUID]) -> bool:
    return all([await closing.colours(jar_id) for jar_id in jar_ids])


async def test_due_times_that_end_together_are_deleted_together(closing: Closing, database: Database) -> None:
    await asyncio.gather(*(closing.open_jar(LONG_AGO) for _ in range(module.BATCH_SIZE)))
    statements = list[str]()
    execute = database.execute

    async def count(query: str, *args: object) -> str:
        statements.append(query)
        return await execute(query, *args)

    closing.database.execute = count
    assert await closing.send_batch() == module.BATCH_SIZE
    assert await closing.is_done()
    assert len(statements) < module.BATCH_SIZE
