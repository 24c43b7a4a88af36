"""How many statements a run costs: other users wait for each of them, too."""

from unittest.mock import AsyncMock, Mock

import asyncpg
import pytest
import pytest_asyncio
from contracts.session.run import EndRun, GetRun, GetRunSummary, StartRun, SubmitQuery
from contracts.session.run_view import RunView
from eventing.store import UniqueViolation
from eventing.testing.statements import logged_statements
from runtime.clock import new_id
from session.ceilings import Ceilings

from services.session.tests.desk import ADMIN, Desk
from services.session.tests.quotas import set_quotas

BEGIN = "BEGIN;"


@pytest_asyncio.fixture
async def run(desk: Desk) -> RunView:
    """A run of a session that has had one, so that connection and caches are prepared."""
    await set_quotas(desk, "concurrent_runs=none")
    session_id = await desk.create()
    first = await desk.submit(session_id)
    await desk.send(StartRun(session_id=session_id, run_id=first.id))
    await desk.send(EndRun(session_id=session_id, run_id=first.id, attempt=1))
    return await desk.submit(session_id)


async def test_the_append_that_requests_a_run_is_one_statement(desk: Desk, run: RunView) -> None:
    other = await desk.create()
    sent = await logged_statements(desk.database)
    await desk.submit(other)
    assert len([each for each in sent if "INSERT INTO events" in each]) == 1
    assert (BEGIN in sent, len(sent)) == (False, 3), "load, allowance, append"


async def test_a_quota_of_concurrent_runs_costs_a_transaction(desk: Desk, run: RunView) -> None:
    await set_quotas(desk, "concurrent_runs=5")
    await desk.submit(await desk.create())
    other = await desk.create()
    sent = await logged_statements(desk.database)
    await desk.submit(other)
    assert len(sent) == 9, "load, allowance; begin, append, limit, active runs, all the rest, commit; run"


async def test_a_run_over_the_quota_reads_what_may_start_at_once(desk: Desk, run: RunView) -> None:
    await set_quotas(desk, "concurrent_runs=1")
    await desk.submit(await desk.create())
    other = await desk.create()
    sent = await logged_statements(desk.database)
    await desk.submit(other)
    what = "load, allowance; begin, append, lock, waiting; run, lock, whether it waits, what may start, commit; run"
    assert len(sent) == 12, what


async def test_the_append_that_starts_a_run_is_one_statement(desk: Desk, run: RunView) -> None:
    sent = await logged_statements(desk.database)
    await desk.send(StartRun(session_id=run.session_id, run_id=run.id))
    assert (BEGIN in sent, len(sent)) == (False, 2), "load, append"


@pytest.mark.parametrize(("ceilings", "reads"), [("models=haiku", 0), ("models=haiku, user.models=sonnet", 1)])
async def test_the_role_is_read_if_it_decides_about_the_model(
    desk: Desk, run: RunView, ceilings: str, reads: int
) -> None:
    accounts = AsyncMock()
    accounts.role.return_value = "user"
    desk.dispatcher.dependencies = Mock(ceilings=Ceilings.parse(ceilings), accounts=accounts)
    await desk.send(StartRun(session_id=run.session_id, run_id=run.id))
    started = await desk.database.fetchval("SELECT model FROM runs WHERE id = $1", run.id)
    assert (started, accounts.role.await_count) == ("sonnet" if reads else "haiku", reads)


async def test_the_end_of_a_run_writes_each_table_once(desk: Desk, run: RunView) -> None:
    await desk.send(StartRun(session_id=run.session_id, run_id=run.id))
    sent = await logged_statements(desk.database)
    await desk.send(EndRun(session_id=run.session_id, run_id=run.id, attempt=1))
    assert len(sent) == 9, "load; begin, append, run, all the rest, lock, whether it waits, what may start, commit"


async def test_an_answer_that_is_not_read_is_the_one_that_would_be(desk: Desk) -> None:
    session_id = await desk.create()
    submitted = await desk.submit(session_id)
    assert submitted == await desk.ask(GetRun(session_id=session_id, run_id=submitted.id))
    started = await desk.send(StartRun(session_id=session_id, run_id=submitted.id))
    assert started == await desk.ask(GetRunSummary(session_id=session_id, run_id=submitted.id))


@pytest.mark.parametrize(("busy", "error"), [(False, asyncpg.NotNullViolationError), (True, UniqueViolation)])
async def test_a_run_of_another_session_is_not_taken_over(
    desk: Desk, run: RunView, error: type[Exception], *, busy: bool
) -> None:
    other = await desk.create(actor=ADMIN)
    if busy:
        await desk.submit(other, actor=ADMIN)

    async def stored() -> tuple[object, int | None]:
        row = await desk.database.fetchrow("SELECT * FROM runs WHERE id = $1", run.id)
        return row, await desk.dispatcher.store.version([other])

    before = await stored()
    with pytest.raises(error):
        await desk.send(
            SubmitQuery(session_id=other, run_id=run.id, message_id=new_id(), message="!", on_busy="enqueue"), ADMIN
        )
    assert await stored() == before


async def test_an_admin_who_submits_for_others_gets_the_answer(desk: Desk) -> None:
    submitted = await desk.submit(await desk.create(), actor=ADMIN)
    assert submitted == await desk.ask(GetRun(session_id=submitted.session_id, run_id=submitted.id))
