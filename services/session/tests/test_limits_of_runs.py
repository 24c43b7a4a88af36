"""The limits of a run hold for all its agents together."""

import asyncio
from collections.abc import AsyncGenerator
from decimal import Decimal
from unittest.mock import AsyncMock, Mock

import pytest
from contracts.refusals import Code, Refusal
from contracts.session.approval import ListApprovals
from contracts.session.conversation import RecordMessage
from contracts.session.session import ChangeSession
from contracts.session.values import AfterCrash, SdkOptions, TextBlock
from eventing.testing import eventually
from runtime.clock import new_id
from runtime.testing import background
from session.agent import AgentEvent, Ask, Finished
from session.agent.transcript import Transcripts
from session.quotas.months import CHARGE_ATTEMPT
from session.reactions import limits, space, working_time

from services.session.tests.desk import Desk
from services.session.tests.test_month_budget import spending
from services.session.tests.test_recovery import ENDED, allow, begin_call, write
from services.session.tests.test_tail import TEXT, answer, call
from services.session.tests.worker import FINISHED, Worker, tool_call

WORKED = "SELECT worked_ms FROM runs WHERE id = $1"


@pytest.fixture
async def worker(desk: Desk) -> Worker:
    """The worker of a run whose first worker was lost after one answer of the model."""
    worker = Worker(desk, await desk.submit(await desk.create()))
    first = await worker.start_another()
    ids = {"session_id": first.session_id, "run_id": first.id, "attempt": 1, "message_id": new_id()}
    await desk.send(RecordMessage.model_validate({**ids, "blocks": [TextBlock(text="Well.")], "model": "m"}))
    return worker


async def limit(worker: Worker, options: SdkOptions) -> None:
    await worker.desk.send(ChangeSession(session_id=worker.run.session_id, sdk_options=options))


async def finish(_: Ask) -> AsyncGenerator[AgentEvent]:
    yield FINISHED


async def test_the_next_agent_has_the_rest_of_the_time(worker: Worker) -> None:
    spent = spending(worker.desk, worker.run)
    spent.worked_ms = lambda: 5_000
    await spent.charge(Decimal(0))
    await worker.work(finish)
    assert [spec.worked_ms for spec in worker.specs] == [5_000]


async def test_the_time_of_a_replaced_worker_is_not_that_of_the_run(worker: Worker) -> None:
    late = spending(worker.desk, worker.run)
    await worker.start_another()
    late.worked_ms = lambda: 5_000
    await late.charge(Decimal("0.1"))
    row = await worker.desk.database.fetchrow("SELECT worked_ms, charged_usd FROM runs WHERE id = $1", worker.run.id)
    assert row
    assert (row["worked_ms"], row["charged_usd"]) == (0, Decimal("0.1"))


async def test_no_agent_follows_once_the_time_is_used_up(worker: Worker) -> None:
    await limit(worker, SdkOptions(timeout_seconds=5))
    spent = spending(worker.desk, worker.run)
    spent.worked_ms = lambda: 5_000
    await spent.settle(Decimal("0.1"))
    await worker.work(finish)
    run = await worker.current_run()
    assert (run.error_code, worker.specs) == (Code.RUN_TIMEOUT, [])


@pytest.mark.parametrize("died", [True, False])
@pytest.mark.parametrize("after_crash", ["ask", "continue", "end"])
async def test_no_agent_follows_if_the_worker_is_lost_as_the_time_is_over(
    worker: Worker, monkeypatch: pytest.MonkeyPatch, after_crash: AfterCrash, *, died: bool
) -> None:
    await limit(worker, SdkOptions(timeout_seconds=1, after_crash=after_crash))
    worker.transcripts = Transcripts(worker.desk.database)  # pyright: ignore[reportAttributeAccessIssue]  instead of a mock
    spent = spending(worker.desk, worker.run)
    spent.worked_ms = lambda: 900
    await spent.charge(Decimal(0))

    async def exceed_the_time(_: Ask) -> AsyncGenerator[AgentEvent]:
        spent = worker.specs[0].spending
        assert spent
        worked_ms, spent.worked_ms = spent.worked_ms, lambda: 999  # an answer of the model just before the end
        await spent.charge(Decimal("0.1"))
        spent.worked_ms = worked_ms
        await allow(worker, run := await worker.current_run())
        await write(worker, run, answer(TEXT, call()))
        await eventually(lambda: worker.closed)
        yield Finished(error_code=Code.AGENT_FAILED, died=died)

    with monkeypatch.context() as patched:
        patched.setattr("session.reactions.run.end_finished", AsyncMock(side_effect=ConnectionError))
        with pytest.raises(ConnectionError):
            await worker.work(exceed_the_time)
    await worker.work(finish)
    run = await worker.current_run()
    assert (run.error_code, [each.status for each in run.tool_calls]) == (Code.RUN_TIMEOUT, ["unknown"])
    assert len(worker.specs) == 1
    assert (await worker.desk.ask(ListApprovals(session_id=run.session_id))).items == []


async def test_the_time_is_stored_while_the_agent_works(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(working_time, "STORE_SECONDS", 0.01)

    async def work_without_an_answer(_: Ask) -> AsyncGenerator[AgentEvent]:
        await eventually(lambda: worker.desk.database.fetchval(WORKED, worker.run.id))
        yield FINISHED

    await worker.work(work_without_an_answer)


async def test_no_agent_follows_if_the_worker_is_killed_before_its_agent_ends(worker: Worker) -> None:
    await limit(worker, SdkOptions(timeout_seconds=1))

    async def work_on(_: Ask) -> AsyncGenerator[AgentEvent]:
        await asyncio.Future[None]()
        yield FINISHED

    async with background(worker.work(work_on)):
        await eventually(lambda: worker.desk.database.fetchval(f"{WORKED} AND worked_ms >= 1000", worker.run.id))
    await worker.work(finish)
    assert ((await worker.current_run()).error_code, len(worker.specs)) == (Code.RUN_TIMEOUT, 1)


async def test_no_agent_follows_if_the_database_is_unavailable_meanwhile(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    await limit(worker, SdkOptions(timeout_seconds=1))
    monkeypatch.setattr(working_time, "RETRY_SECONDS", 0.01)
    execute, failures = worker.desk.database.execute, iter(range(3))

    async def fail(query: str, *args: object) -> str:
        if query == CHARGE_ATTEMPT and (not over.is_set() or next(failures, None) is not None):
            raise ConnectionError
        return await execute(query, *args)

    async def exceed_the_time(_: Ask) -> AsyncGenerator[AgentEvent]:
        await eventually(lambda: worker.closed)
        over.set()
        raise ConnectionError
        yield FINISHED

    over = asyncio.Event()
    monkeypatch.setattr(worker.desk.database, "execute", fail)
    with pytest.raises(ConnectionError):
        await worker.work(exceed_the_time)
    await worker.work(finish)
    assert ((await worker.current_run()).error_code, len(worker.specs)) == (Code.RUN_TIMEOUT, 1)


async def test_a_complete_answer_completes_a_run_whose_time_is_over(worker: Worker) -> None:
    await limit(worker, SdkOptions(timeout_seconds=1))
    worker.transcripts = Transcripts(worker.desk.database)  # pyright: ignore[reportAttributeAccessIssue]  instead of a mock
    spent = spending(worker.desk, worker.run)
    spent.worked_ms = lambda: 1_000
    await spent.settle(Decimal("0.1"))
    await write(worker, await worker.current_run(), ENDED)
    await worker.work(finish)
    assert ((await worker.current_run()).status, worker.specs) == ("completed", [])


async def test_worked_time_never_falls(worker: Worker) -> None:
    late = spending(worker.desk, worker.run)
    for worked_ms in (9_000, 4_000):
        late.worked_ms = lambda worked_ms=worked_ms: worked_ms
        await late.charge(Decimal(worked_ms))
    assert await worker.desk.database.fetchval(WORKED, worker.run.id) == 9_000


@pytest.mark.parametrize(("max_turns", "rest"), [(None, None), (3, 2)])
async def test_the_next_agent_has_the_rest_of_the_turns(
    worker: Worker, max_turns: int | None, rest: int | None
) -> None:
    await limit(worker, SdkOptions(max_turns=max_turns))
    await worker.work(finish)
    assert [spec.options.max_turns for spec in worker.specs] == [rest]


async def test_no_agent_follows_once_the_turns_are_used_up(worker: Worker) -> None:
    await limit(worker, SdkOptions(max_turns=1))
    await worker.work(finish)
    run = await worker.current_run()
    assert (run.error_code, worker.specs) == (Code.MAX_TURNS_REACHED, [])


async def test_an_answer_that_was_not_recorded_is_a_turn(worker: Worker) -> None:
    await limit(worker, SdkOptions(max_turns=3))
    worker.transcripts = Transcripts(worker.desk.database)  # pyright: ignore[reportAttributeAccessIssue]  instead of a mock
    await write(worker, await worker.current_run(), answer(TEXT))
    await worker.work(finish)
    assert [spec.options.max_turns for spec in worker.specs] == [1]


async def test_what_a_lost_agent_cost_belongs_to_the_budget(worker: Worker) -> None:
    await limit(worker, SdkOptions(max_budget_usd=1))
    await spending(worker.desk, worker.run).charge(Decimal("0.75"))
    await worker.work(finish)
    assert [spec.budget_usd for spec in worker.specs] == [Decimal("0.25")]


@pytest.mark.parametrize("after_crash", ["ask", "continue", "end"])
async def test_no_agent_follows_in_a_full_workspace(worker: Worker, after_crash: AfterCrash) -> None:
    worker.transcripts = Transcripts(worker.desk.database)  # pyright: ignore[reportAttributeAccessIssue]  instead of a mock
    await begin_call(worker, await worker.current_run(), after_crash)
    worker.workspace.check_quota = Mock(side_effect=Refusal(Code.WORKSPACE_FULL, "Too much."))
    await worker.work(finish)
    run = await worker.current_run()
    assert (run.error_code, [each.status for each in run.tool_calls]) == (Code.WORKSPACE_FULL, ["unknown"])
    assert (worker.specs, (await worker.desk.ask(ListApprovals(session_id=run.session_id))).items) == ([], [])


@pytest.mark.parametrize("at_end", [False, True])
async def test_files_beyond_the_quota_are_kept_while_the_database_is_unavailable(
    worker: Worker, monkeypatch: pytest.MonkeyPatch, *, at_end: bool
) -> None:
    done = Mock()
    done.check.side_effect = [ConnectionError, None]
    full = Mock(side_effect=Refusal(Code.WORKSPACE_FULL, "Too much."))
    monkeypatch.setattr(space, "POLL_SECONDS", 0.0)
    measuring = {"measure": full} if at_end else {"Meter": Mock(return_value=Mock(check=full))}
    monkeypatch.setattr(space, *measuring.popitem())
    monkeypatch.setattr(space, "remove_excess", done.remove)
    monkeypatch.setattr(worker.desk.database, "check", AsyncMock(side_effect=done.check))

    async def write_too_much(_: Ask) -> AsyncGenerator[AgentEvent]:
        if at_end:
            yield tool_call()
        else:
            await eventually(lambda: worker.closed)
        yield Finished(error_code=Code.AGENT_FAILED)

    await worker.work(write_too_much)
    assert [name for name, *_ in done.method_calls] == ["check", "check", "remove"]
    assert (await worker.current_run()).error_code == Code.WORKSPACE_FULL


async def test_a_run_whose_time_is_over_waits_for_no_approval(worker: Worker) -> None:
    await limit(worker, SdkOptions(timeout_seconds=1))
    await worker.request()
    spent = spending(worker.desk, worker.run)
    spent.worked_ms = lambda: 1_000
    await spent.settle(Decimal("0.1"))
    await worker.work(finish)
    assert ((await worker.current_run()).error_code, worker.specs) == (Code.RUN_TIMEOUT, [])


async def test_a_workspace_is_measured_again_after_a_crash(worker: Worker) -> None:
    await worker.work(finish)
    assert [name for name, *_ in worker.workspace.method_calls][:2] == ["changed", "check_quota"]


async def test_the_next_agent_waits_until_the_lost_one_has_ended(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited = list[float]()

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr(limits, "LOST_AGENT_SECONDS", 4.0)
    monkeypatch.setattr(limits, "sleep", sleep)
    await worker.work(finish)
    assert (waited, len(worker.specs)) == ([4.0], 1)
