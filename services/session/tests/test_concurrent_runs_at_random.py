"""Random commands on the sessions of a user, in parallel to two replicas: the quota holds, and nothing stalls."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from random import Random
from typing import Any
from uuid import UUID

import pytest
from contracts.messages import Command
from contracts.refusals import Refusal
from contracts.session.run import CancelRun, EndRun, InterruptSession, StartRun, SubmitQuery
from contracts.session.session import PauseSession, ResumeSession
from contracts.session.values import OnBusy
from eventing.due_times import DueTimes
from eventing.store import Conflict
from eventing.testing.due import process_due
from runtime.clock import new_id
from session.app import service

from services.session.tests.desk import Desk
from services.session.tests.quotas import set_quotas

LIMIT, SESSIONS, ROUNDS, PARALLEL = 2, 6, 25, 6
ACTIVE = "SELECT count(*) FROM runs WHERE requested_at IS NOT NULL AND ended_at IS NULL"
STALLED = """
    SELECT count(*) FROM runs r JOIN sessions s ON s.id = r.session_id
    WHERE s.status <> 'paused' AND r.requested_at IS NULL AND r.ended_at IS NULL AND NOT EXISTS (
        SELECT FROM runs a WHERE a.session_id = s.id AND a.requested_at IS NOT NULL AND a.ended_at IS NULL)"""
"""The number of queued runs that wait neither for a run of their session nor for the end of a pause."""


class Users:
    """Clients that send random commands about a few sessions, and workers that end the runs."""

    def __init__(self, desk: Desk, seed: int) -> None:
        self.replicas = [desk, Desk(desk.database)]
        self.database, self.random, self.sessions = desk.database, Random(seed), list[UUID]()  # noqa: S311  a test

    async def create(self) -> None:
        self.sessions.append(await self.replicas[0].create())

    async def act(self) -> None:
        session_id = self.random.choice(self.sessions)
        runs = await self.database.fetch("SELECT id FROM runs WHERE session_id = $1 AND ended_at IS NULL", session_id)
        run_id = self.random.choice(runs)["id"] if runs else new_id()
        await self.send(self.command(session_id, run_id))

    def command(self, session_id: UUID, run_id: UUID) -> Command[Any]:
        on_busy: OnBusy = self.random.choice(["enqueue", "reject", "interrupt"])
        query = SubmitQuery(session_id=session_id, run_id=new_id(), message_id=new_id(), message="?", on_busy=on_busy)
        end, cancel = EndRun(session_id=session_id, run_id=run_id), CancelRun(session_id=session_id, run_id=run_id)
        start, resume = StartRun(session_id=session_id, run_id=run_id), ResumeSession(session_id=session_id)
        interrupt, pause = InterruptSession(session_id=session_id), PauseSession(session_id=session_id)
        commands: list[Command[Any]] = [query, end, start, resume, cancel, interrupt, pause]
        return self.random.choices(commands, [6, 4, 2, 2, 1, 1, 1])[0]

    async def send(self, command: Command[Any]) -> None:
        with suppress(Refusal, Conflict):
            await self.random.choice(self.replicas).send(command)

    async def start_due(self) -> None:
        while await process_due(DueTimes(service.due, self.random.choice(self.replicas).dispatcher)):
            pass

    async def check(self) -> None:
        assert await self.database.fetchval(ACTIVE) <= LIMIT


async def together(number: int, act: Callable[[], Awaitable[None]]) -> None:
    await asyncio.gather(*(act() for _ in range(number)))


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in (1, 2))])
async def test_the_quota_holds_and_nothing_stalls(desk: Desk, seed: int) -> None:
    await set_quotas(desk, f"concurrent_runs={LIMIT}")
    users = Users(desk, seed)
    for _ in range(SESSIONS):
        await users.create()
    for _ in range(ROUNDS):
        await together(PARALLEL, users.act)
        await users.check()
        await together(2, users.start_due)
        await users.check()
        active, stalled = await desk.database.fetchval(ACTIVE), await desk.database.fetchval(STALLED)
        assert active == LIMIT or not stalled
