"""Runs that only wait for approvals: one user cannot occupy all replicas with them."""

from contracts.session.run_view import RunView
from session.quotas.concurrency import MAX_ONLY_WAITING

from services.session.tests.desk import Desk
from services.session.tests.quotas import set_quotas
from services.session.tests.test_concurrent_runs import active, end, start, start_due, wait_for_approval

LIMIT = 3
MAX_RUNS = LIMIT + MAX_ONLY_WAITING


async def start_waiting(desk: Desk, number: int) -> list[RunView]:
    """Start runs, of which the first ones, as many as may, wait for approvals that nobody decides."""
    await set_quotas(desk, f"concurrent_runs={LIMIT}")
    runs = await start(desk, number)
    for run in runs[:MAX_RUNS]:
        await wait_for_approval(desk, run)
        await start_due(desk)
    return runs


async def test_runs_that_only_wait_cannot_occupy_every_replica(desk: Desk) -> None:
    runs = await start_waiting(desk, MAX_RUNS + 2)
    assert await active(desk) == [run.id for run in runs[:MAX_RUNS]]


async def test_the_end_of_a_run_that_only_waits_makes_room(desk: Desk) -> None:
    runs = await start_waiting(desk, MAX_RUNS + 1)
    await end(desk, runs[0])
    await start_due(desk)
    assert (await active(desk))[-1] == runs[-1].id
