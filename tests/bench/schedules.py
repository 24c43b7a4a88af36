"""Schedules without agents: how late ticks are, and how long a replica takes to start with many schedules."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from statistics import median, quantiles
from typing import Any
from uuid import UUID

from contracts.messages import Command, Query
from contracts.task_scheduler.task import CreateTask, ListTasks, PauseTask
from contracts.task_scheduler.values import TaskDefinition
from contracts.wire import event_stream
from eventing.database import Database
from eventing.testing.key_rings import ring_json
from onebox.children import Child
from onebox.readiness import ReadyCheck
from runtime import bus, clock
from runtime.bus import Bus, Client, Unavailable
from runtime.bus.envelope import Envelope
from runtime.bus.jetstream import jetstream
from runtime.clock import new_id
from runtime.testing import eventually

from tests.bench import cpu
from tests.bench.copies import copy, vacuum
from tests.bench.report import Aim, Line, milliseconds
from tests.bench.samples import ACTOR
from tests.bench.stage import Stage, until

SPREAD, MANY = 20_000, 100_000
ADMIN = ACTOR.model_copy(update={"role": "admin"})
"""Users have a limited number of tasks."""
MINUTE = timedelta(minutes=1)
PREPARING = timedelta(seconds=40)
"""More than it takes to copy tasks and to publish their events."""
LATE, BOOT = Aim(1.0, " s", most=True), Aim(10.0, " s", most=True)


@dataclass
class Alone:
    """The service alone on a database and a bus, with something that answers as the session service."""

    stage: Stage
    database: Database
    client: Client
    nats_url: str

    @classmethod
    @asynccontextmanager
    async def on(cls, stage: Stage) -> AsyncGenerator["Alone"]:
        """Open its database and its bus; the service is not started yet."""
        nats_url = stage.quiet_nats.url
        sessions = stage.start("services.task-scheduler.tests.simulated_sessions", {"NATS_URL": nats_url})
        async with (
            stage.databases.fresh() as url,
            Database.open(url, "task_scheduler") as database,
            bus.connected(nats_url, "bench") as client,
        ):
            yield cls(stage, database, client, nats_url)
            _stop(sessions)

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[ReadyCheck]:
        """Start the service, which may not be ready yet, and stop it in the end."""
        port = self.stage.free_port()
        settings = {"DATABASE_URL": self.database.url, "NATS_URL": self.nats_url, "OPS_PORT": str(port)}
        settings["SECRETS_KEYS"] = ring_json("bench")
        child = self.stage.start("task_scheduler", settings)
        try:
            yield ReadyCheck(child, port)
        finally:
            await asyncio.to_thread(_stop, child)

    async def create(self, **fields: Any) -> UUID:
        """Create a task."""
        definition = TaskDefinition(name="one", prompt_template="Look around.", is_scheduled=True, **fields)
        return (await self.ask(CreateTask(task_id=new_id(), definition=definition))).id

    async def ask[R](self, message: Command[R] | Query[R]) -> R:
        """Send a message to the service."""
        return await Bus(self.client).ask(message, Envelope.begin(actor=ADMIN))

    async def answers(self) -> bool:
        """Return whether the service answers."""
        with suppress(Unavailable):
            await self.ask(ListTasks())
            return True
        return False


def _stop(child: Child) -> None:
    child.ask_to_stop()
    child.finish()


async def lateness(stage: Stage) -> list[Line]:
    """Let many schedules tick, spread over one minute by their jitter."""
    async with Alone.on(stage) as alone, alone.running() as check:
        await until(check.child, alone.answers)
        tick = (clock.now() + PREPARING + MINUTE).replace(second=0, microsecond=0)
        one = await alone.create(schedule_cron=f"{tick.minute} {tick.hour} * * *", jitter_seconds=60)
        due = await copy(alone.database, one, SPREAD)
        await vacuum(alone.database)
        if clock.now() > tick:
            raise RuntimeError(f"to copy {SPREAD} tasks took too long")
        used = cpu.used(check.child.pid or 0)
        await eventually(partial(_all_over, alone.database, one), within=900)
        used = cpu.used(check.child.pid or 0) - used
        rows = await alone.database.fetch("SELECT task_id, created_at, completed_at FROM executions")
    late = [(row["created_at"] - due[row["task_id"]]).total_seconds() for row in rows if row["task_id"] in due]
    last = max(row["completed_at"] for row in rows)
    p99 = quantiles(late, n=100)[98]
    return [
        Line(
            f"{SPREAD:,} schedules over a minute: a tick is recorded after it is due, p50", milliseconds(median(late))
        ),
        Line("  p99", milliseconds(p99), "", p99, LATE, " s"),
        Line("  all executions were completed, after the first was due", f"{(last - tick).total_seconds():.1f} s"),
        Line("  processor time of the service, per execution", milliseconds(used / SPREAD)),
    ]


async def _all_over(database: Database, one: UUID) -> bool:
    await asyncio.sleep(1)  # the question should not weigh on what is measured
    over = "SELECT count(*) FROM executions WHERE completed_at IS NOT NULL AND task_id <> $1"
    return await database.fetchval(over, one) == SPREAD


async def boot(stage: Stage) -> list[Line]:
    """Start a replica when there are many schedules, of which one is due."""
    async with Alone.on(stage) as alone:
        async with alone.running() as check:
            await until(check.child, alone.answers)
            one = await alone.create(schedule_cron="0 0 1 1 *", jitter_seconds=3600)
            await copy(alone.database, one, MANY)
            await vacuum(alone.database)
            await eventually(partial(_relayed, alone), within=300)
            due = await alone.create(schedule_cron="* * * * *")
        following = clock.now().replace(second=0, microsecond=0) + MINUTE
        await asyncio.sleep((following - clock.now()).total_seconds())
        began = clock.now()
        async with alone.running() as check:
            await until(check.child, partial(_ready, check))
            ready = clock.now()
            claimed = await eventually(partial(_first, alone.database, due))
            await alone.ask(PauseTask(task_id=due))
    took = (ready - began).total_seconds()
    return [
        Line(f"start with {MANY:,} schedules, until ready", f"{took:.2f} s", "", took, BOOT, " s"),
        Line("  until the first tick is recorded", f"{(claimed - began).total_seconds():.2f} s"),
    ]


async def _ready(check: ReadyCheck) -> bool:
    return await asyncio.to_thread(check.reason) is None


async def _relayed(alone: Alone) -> bool:
    return (await jetstream(alone.client).stream_info(event_stream("task_scheduler"))).state.messages > MANY


async def _first(database: Database, task_id: UUID) -> datetime | None:
    return await database.fetchval("SELECT min(created_at) FROM executions WHERE task_id = $1", task_id)
