"""Three replicas whose processes, bus, database and clock fail: each tick is executed exactly once."""

import asyncio
import os
import signal
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import pytest
from eventing.database import Database
from eventing.testing import eventually
from onebox.folder import DataFolder
from onebox.nats import EmbeddedNats
from onebox.postgres import EmbeddedPostgres
from onebox.testing.unrooted import PostgresForTests, can_start
from runtime import bus, clock

from .deployment import Replicas, Scheduler
from .history import Executions, History
from .replica import SharedClock
from .simulated_sessions import SimulatedSessions

pytestmark = pytest.mark.timeout(600)

TASKS, ROUNDS = 5, 12
"""Together they make 60 ticks."""
MAX_PAUSE_SECONDS = 0.3
SURVIVES_A_CRASH = {"fsync": "off", "full_page_writes": "off"}  # of the server, though not of the machine


@pytest.fixture
def shared_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SharedClock:
    """The clock of the replicas, and of the test, which sends deadlines."""
    shared = SharedClock(tmp_path / "clock")
    monkeypatch.setattr(clock, "now", shared.now)
    return shared


@pytest.fixture
def sessions() -> SimulatedSessions:
    return SimulatedSessions()


@pytest.fixture
def random() -> Random:
    return Random(7)  # noqa: S311  for times only


@asynccontextmanager
async def deployed(
    database_url: str, nats_url: str, shared: SharedClock, sessions: SimulatedSessions
) -> AsyncGenerator[Scheduler]:
    """Run three replicas, with some tasks."""
    with Replicas(database_url, nats_url, shared.path) as replicas:
        async with (
            sessions.serving(nats_url),
            bus.connected(nats_url, "test") as client,
            Database.open(database_url, "task_scheduler") as database,
        ):
            scheduler = Scheduler(replicas, client, shared, History(database))
            await scheduler.create_tasks(TASKS)
            yield scheduler


@pytest.fixture
async def scheduler(
    database_url: str, nats_url: str, shared_clock: SharedClock, sessions: SimulatedSessions
) -> AsyncGenerator[Scheduler]:
    async with deployed(database_url, nats_url, shared_clock, sessions) as scheduler:
        yield scheduler


@pytest.fixture
def own_postgres(open_folder: Path, servers: None) -> Generator[EmbeddedPostgres]:
    """A database server that the test kills and starts."""
    folder = DataFolder(open_folder / "postgres")
    server = PostgresForTests(folder, options=SURVIVES_A_CRASH)
    server.start()
    yield server
    server.stop()
    folder.close()


@pytest.mark.parametrize("rounds", [2, pytest.param(ROUNDS, marks=pytest.mark.long)])
async def test_every_tick_is_executed_once_while_replicas_are_killed(
    scheduler: Scheduler, sessions: SimulatedSessions, random: Random, rounds: int
) -> None:
    for _ in range(rounds):
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(scheduler.pass_minute())
            await asyncio.sleep(random.uniform(0, MAX_PAUSE_SECONDS))
            scheduler.replicas.replace_one(random)
    assert_each_once(await scheduler.finish(), sessions, rounds)


@pytest.mark.long
async def test_every_tick_is_executed_once_while_the_bus_is_killed(
    scheduler: Scheduler, nats_server: EmbeddedNats, sessions: SimulatedSessions, random: Random
) -> None:
    for number in range(ROUNDS):
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(scheduler.pass_minute())
            await asyncio.sleep(random.uniform(0, MAX_PAUSE_SECONDS))
            if number % 3 == 0:
                await restart(nats_server, random)
    assert_each_once(await scheduler.finish(), sessions)


@pytest.mark.long
async def test_every_tick_is_executed_once_while_the_database_is_unavailable(
    own_postgres: EmbeddedPostgres,
    nats_url: str,
    shared_clock: SharedClock,
    sessions: SimulatedSessions,
    random: Random,
) -> None:
    async with deployed(own_postgres.url, nats_url, shared_clock, sessions) as scheduler:
        for number in range(ROUNDS):
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(scheduler.pass_minute())
                await asyncio.sleep(random.uniform(0, MAX_PAUSE_SECONDS))
                if number % 4 == 0:
                    await restart(own_postgres, random)
        assert_each_once(await scheduler.finish(), sessions)


@pytest.mark.long
async def test_every_tick_is_executed_once_when_the_clock_is_set_forward(
    scheduler: Scheduler, sessions: SimulatedSessions
) -> None:
    for minutes in (1, 7, 0.4, 2, 1, 4):
        scheduler.clock.step(minutes * 60)
        await scheduler.pass_minute(within=10)
    assert_each_once(await scheduler.finish(), sessions)


@pytest.mark.long
async def test_every_tick_is_executed_once_when_the_clock_is_set_back(
    scheduler: Scheduler, sessions: SimulatedSessions
) -> None:
    for number in range(ROUNDS * 2):
        await scheduler.pass_minute()
        if number % 4 == 3:
            scheduler.clock.step(-1.5 * 60)
    assert_each_once(await scheduler.finish(), sessions)


async def restart(server: EmbeddedNats | EmbeddedPostgres, random: Random) -> None:
    """Kill a server with SIGKILL, and start it again some moments later."""
    assert server.child.pid
    os.kill(server.child.pid, signal.SIGKILL)
    await asyncio.to_thread(server.child.finish)
    await asyncio.sleep(random.uniform(0, 2))
    if isinstance(server, EmbeddedPostgres):
        await eventually(lambda: asyncio.to_thread(can_start, server))
    else:
        await asyncio.to_thread(server.start)


def assert_each_once(executions: Executions, sessions: SimulatedSessions, rounds: int = ROUNDS) -> None:
    """Assert that each tick has one execution with one end, and that one message created each session and each run."""
    assert executions.problems() == []
    assert sum(len(ticks) for ticks in executions.ticks.values()) >= TASKS * rounds
    assert {len(messages) for messages in (*sessions.creations.values(), *sessions.submissions.values())} == {1}
    assert sessions.creations.keys() == {session_id for session_id, _ in executions.attempts}
    assert sessions.submissions.keys() == {run_id for _, run_id in executions.attempts}
