"""The worker of a run: replacement, cancellation, deletion of the session, and lost replies."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from contracts.messages import Command
from contracts.refusals import Code, Refusal
from contracts.session.approval import DeliverDecisions, RequestApproval
from contracts.session.conversation import ListMessages
from contracts.session.run import EndRun
from contracts.session.session import ChangeSession, DeleteSession
from contracts.session.values import ApprovalOutcome, SdkOptions, Usage
from eventing import retrying
from eventing.handling.dispatch import Dispatcher
from eventing.reactions import TakenOver
from eventing.testing import eventually
from runtime.bus.envelope import Envelope
from session.agent import AgentEvent, Ask
from session.ceilings import Ceilings

from services.session.tests.desk import OWNER, Desk
from services.session.tests.quotas import set_quotas
from services.session.tests.worker import FINISHED, MESSAGE, REQUEST, Worker, tool_call


@pytest.fixture
async def worker(desk: Desk) -> Worker:
    return Worker(desk, await desk.submit(await desk.create()))


async def test_a_replaced_worker_ends_its_agent_and_leaves_the_event(worker: Worker) -> None:
    async def turn(_: Ask) -> AsyncGenerator[AgentEvent]:
        yield tool_call()
        await worker.request()
        assert (await worker.start_another()).attempt == 2
        yield MESSAGE
        await eventually(lambda: worker.closed)
        yield FINISHED

    with pytest.raises(TakenOver):
        await worker.work(turn)
    assert worker.closed == [(worker.run.session_id, worker.run.id)]
    run = await worker.current_run()
    assert (run.status, run.attempt, run.text) == ("waiting_approval", 2, "")


async def test_a_worker_of_a_cancelled_run_ends_its_agent_and_records_usage(worker: Worker) -> None:
    async def turn(_: Ask) -> AsyncGenerator[AgentEvent]:
        yield MESSAGE
        await worker.cancel()
        yield MESSAGE
        await eventually(lambda: worker.closed)
        yield MESSAGE
        yield FINISHED

    await worker.work(turn)
    run = await worker.current_run()
    assert (len(worker.closed), run.status, run.usage.input_tokens) == (1, "cancelled", 7)
    messages = (await worker.desk.ask(ListMessages(session_id=worker.run.session_id))).items
    assert [message.incomplete for message in messages] == [False, False, True]


async def test_what_an_agent_wrote_before_it_was_cancelled_is_kept(worker: Worker) -> None:
    async def turn(_: Ask) -> AsyncGenerator[AgentEvent]:
        await worker.cancel()
        yield replace(MESSAGE, incomplete=True)
        yield FINISHED

    await worker.work(turn)
    [_, message] = (await worker.desk.ask(ListMessages(session_id=worker.run.session_id))).items
    assert (message.content["content"], message.incomplete) == ("Well.", True)
    assert (await worker.current_run()).text == "Well."


async def test_what_an_agent_did_before_its_time_was_over_is_recorded(desk: Desk) -> None:
    session_id = await desk.create()
    await desk.send(ChangeSession(session_id=session_id, sdk_options=SdkOptions(timeout_seconds=1)))
    worker = Worker(desk, await desk.submit(session_id))

    async def turn(_: Ask) -> AsyncGenerator[AgentEvent]:
        await eventually(lambda: worker.closed)
        yield MESSAGE
        yield FINISHED

    await worker.work(turn)
    run = await worker.current_run()
    assert (run.error_code, run.text) == (Code.RUN_TIMEOUT, "Well.")


async def test_a_run_cancelled_during_an_approval_records_its_usage(worker: Worker) -> None:
    async def turn(ask: Ask) -> AsyncGenerator[AgentEvent]:
        yield tool_call()
        await worker.cancel()
        with pytest.raises(Refusal, match=Code.RUN_OVER):
            await ask(REQUEST.tool_use_id, REQUEST.tool_name, {})
        yield FINISHED

    await worker.work(turn)
    assert (await worker.current_run()).usage.input_tokens == 7


async def test_abandoned_approval_requests_count_towards_the_limit(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("session.reactions.approval.MAX_OPEN_APPROVALS", 2)
    outcomes: list[ApprovalOutcome] = []

    async def turn(ask: Ask) -> AsyncGenerator[AgentEvent]:
        yield tool_call()
        for number in range(1, 3):
            request = asyncio.gather(ask(REQUEST.tool_use_id, REQUEST.tool_name, {}))
            await eventually(partial(worker.pending, number))
            request.cancel()
        outcomes.append(await ask(REQUEST.tool_use_id, REQUEST.tool_name, {}))
        assert await worker.pending(2)
        yield FINISHED

    await worker.work(turn)
    assert [outcome.reason for outcome in outcomes] == ["Too many tool calls are waiting for approval."]


async def test_a_worker_whose_session_was_deleted_ends_its_agent(worker: Worker) -> None:
    async def turn(_: Ask) -> AsyncGenerator[AgentEvent]:
        await worker.desk.send(DeleteSession(session_id=worker.run.session_id))
        yield MESSAGE
        await eventually(lambda: worker.closed)
        yield FINISHED

    await worker.work(turn)
    assert (worker.run.session_id, worker.run.id) in worker.closed


async def test_a_worker_whose_session_was_deleted_removes_its_files(worker: Worker) -> None:
    async def turn(_: Ask) -> AsyncGenerator[AgentEvent]:
        await worker.desk.send(DeleteSession(session_id=worker.run.session_id))
        yield FINISHED

    await worker.work(turn)
    worker.workspace.remove.assert_called_once_with()
    worker.transcripts.delete_session.assert_awaited_once_with(worker.run.session_id)


async def test_a_worker_whose_session_was_deleted_reports_what_the_run_has_used(worker: Worker) -> None:
    async def turn(_: Ask) -> AsyncGenerator[AgentEvent]:
        await worker.desk.send(DeleteSession(session_id=worker.run.session_id))
        yield FINISHED

    await worker.work(turn)
    assert await worker.desk.database.fetchval("SELECT input_tokens FROM costs") == 7


async def no_turn(_: Ask) -> AsyncGenerator[AgentEvent]:
    yield pytest.fail("an agent was started")


async def test_runs_of_a_disabled_user_start_no_turn(worker: Worker) -> None:
    await worker.desk.database.execute("INSERT INTO accounts (user_id, is_active) VALUES ($1, false)", OWNER.user_id)
    await worker.work(no_turn)
    run = await worker.current_run()
    assert (run.status, run.error_code, run.usage.cost_usd) == ("failed", Code.OWNER_DISABLED, 0)


async def test_a_run_measures_files_that_fill_the_quota_and_starts_no_turn(worker: Worker) -> None:
    await set_quotas(worker.desk, "storage_bytes=10")
    worker.workspace.size = lambda: 10
    await worker.work(no_turn)
    run = await worker.current_run()
    assert (run.status, run.error_code) == ("failed", Code.QUOTA_EXCEEDED)


async def test_an_agent_has_options_below_the_ceiling_of_its_owner(worker: Worker) -> None:
    async def turn(_: Ask) -> AsyncGenerator[AgentEvent]:
        yield FINISHED

    worker.ceilings = Ceilings.parse("max_budget_usd=0.5, timeout_seconds=8, tools=Read|Grep, models=claude-sonnet-*")
    changed = SdkOptions(allowed_tools=["Bash"], model="claude-opus-4-7")
    await worker.desk.send(ChangeSession(session_id=worker.run.session_id, sdk_options=changed))
    await worker.work(turn)
    [spec] = worker.specs
    assert (spec.options.timeout_seconds, spec.budget_usd, spec.options.max_budget_usd) == (8, Decimal("0.5"), 0.5)
    assert (spec.options.model, spec.options.allowed_tools, spec.ceiling) == (None, [], worker.ceilings.of("user"))


async def test_a_run_without_remaining_budget_starts_no_turn(worker: Worker) -> None:
    await worker.start_another()
    session_id, used = worker.run.session_id, Usage(cost_usd=Decimal("0.5"))
    await worker.desk.send(EndRun(session_id=session_id, run_id=worker.run.id, attempt=1, usage=used))
    worker.run = await worker.desk.submit(session_id)
    await worker.desk.send(ChangeSession(session_id=session_id, sdk_options=SdkOptions(max_budget_usd=0.5)))
    await worker.work(no_turn)
    assert worker.closed == [(session_id, None)]
    assert (await worker.current_run()).error_code is Code.BUDGET_EXCEEDED


async def test_an_unexpected_refusal_fails_the_worker(worker: Worker) -> None:
    async def turn(_: Ask) -> AsyncGenerator[AgentEvent]:
        yield MESSAGE
        raise Refusal(Code.APPROVAL_NOT_FOUND, "What is this?")

    with pytest.raises(Refusal, match=Code.APPROVAL_NOT_FOUND):
        await worker.work(turn)


async def test_a_dead_lettered_run_ends_as_interrupted_once(worker: Worker) -> None:
    await worker.start_another()
    for _ in range(2):
        await worker.dead_letter()
    run = await worker.current_run()
    assert (run.status, run.error_code) == ("failed", Code.RUN_INTERRUPTED)


class LossyDispatcher(Dispatcher[Any]):
    """Carries out every command, and loses the first reply to one of the type `loses`."""

    loses: type[Command[Any]] | None = DeliverDecisions

    async def send[R](self, command: Command[R], envelope: Envelope, now: datetime | None = None) -> R:
        reply = await super().send(command, envelope, now)
        if self.loses and isinstance(command, self.loses):
            self.loses = None
            raise ConnectionResetError
        return reply


@pytest.mark.parametrize("loses", [RequestApproval, DeliverDecisions])
async def test_a_lost_reply_loses_no_decision(
    worker: Worker, monkeypatch: pytest.MonkeyPatch, loses: type[Command[Any]]
) -> None:
    monkeypatch.setattr(retrying, "PAUSES", (0.0, 0.0))
    monkeypatch.setattr("session.reactions.approval.POLL_SECONDS", 0.05)
    old = worker.dispatcher
    worker.dispatcher = LossyDispatcher(old.store, old.database, old.dependencies, old.commands, old.queries)
    worker.dispatcher.loses = loses
    outcomes: list[ApprovalOutcome] = []

    async def turn(ask: Ask) -> AsyncGenerator[AgentEvent]:
        yield tool_call()
        outcome, _ = await asyncio.gather(ask(REQUEST.tool_use_id, REQUEST.tool_name, {}), worker.decide())
        outcomes.append(outcome)
        yield FINISHED

    await worker.work(turn)
    assert [outcome.decision for outcome in outcomes] == ["denied"]
    assert (await worker.current_run()).status == "completed"
