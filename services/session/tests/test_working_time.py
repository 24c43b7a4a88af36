"""The time of a run is stored while its agent works, and once it is over."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest
from eventing.database import Database
from eventing.testing import eventually
from runtime.testing import background
from session.quotas.spending import Spending
from session.reactions import working_time
from session.reactions.deadline import Deadline
from session.reactions.working_time import WorkingTime

from services.session.tests.desk import Desk
from services.session.tests.test_month_budget import spending, started


class Stored:
    """The times that the worker of a run has stored, unless the database raises `error`, and how often it tried to."""

    def __init__(self, spent: Spending, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        self.spent, self.times, self.tries = spent, list[object](), 0
        self.error: Exception | None = None
        self._charge = spent.charge
        monkeypatch.setattr(spent, "charge", self._count)
        monkeypatch.setattr(database, "execute", self._execute)

    async def _count(self, total_usd: Decimal, step_ms: int) -> bool:
        self.tries += 1
        return await self._charge(total_usd, step_ms)

    async def _execute(self, _query: str, *args: object) -> str:
        if self.error:
            raise self.error
        self.times.append(args[-2])
        return ""

    async def tried_again(self) -> None:
        before = self.tries
        await eventually(lambda: self.tries >= before + 3)


@pytest.fixture
async def stored(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Stored:
    monkeypatch.setattr(working_time, "STORE_SECONDS", 0.01)
    monkeypatch.setattr(working_time, "RETRY_SECONDS", 0.01)
    return Stored(spending(desk, await started(desk)), desk.database, monkeypatch)


@asynccontextmanager
async def working(stored: Stored, seconds: float = 60) -> AsyncGenerator[Deadline]:
    deadline = Deadline(seconds, lambda: None)
    async with WorkingTime(deadline, stored.spent):
        with deadline:
            yield deadline


async def test_nothing_is_stored_while_a_run_waits_for_an_approval(stored: Stored) -> None:
    async with working(stored) as deadline:
        await eventually(lambda: stored.times)
        with deadline.paused():
            await stored.tried_again()
            before = len(stored.times)
            await stored.tried_again()
            assert len(stored.times) == before


async def test_an_agent_works_on_if_its_time_cannot_be_stored(stored: Stored) -> None:
    stored.error = RuntimeError()
    async with working(stored):
        await stored.tried_again()
        stored.error = None
        await eventually(lambda: stored.times)


async def test_an_error_of_a_turn_is_raised_once_its_time_is_stored(stored: Stored) -> None:
    stored.error = ConnectionError()

    async def fail() -> None:
        async with working(stored, 0.01) as deadline:
            await deadline.over.wait()
            raise ConnectionResetError

    async def fail_after_all() -> None:
        with pytest.raises(ConnectionResetError):
            await fail()
        assert stored.times == [10]

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(fail_after_all())
        await stored.tried_again()
        stored.error = None


@pytest.mark.parametrize("agent_ends", [True, False])
async def test_a_worker_that_is_cancelled_waits_for_no_database(stored: Stored, *, agent_ends: bool) -> None:
    stored.error = ConnectionError()
    over = asyncio.Event()

    async def work() -> None:
        async with working(stored, 0.01) as deadline:
            await deadline.over.wait()
            over.set()
            if not agent_ends:
                await asyncio.Future[None]()

    async with background(work()) as [task]:
        await over.wait()
        if agent_ends:
            await stored.tried_again()
        task.cancel()
        await asyncio.wait([task], timeout=10)
        assert task.cancelled()
