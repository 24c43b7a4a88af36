"""The worker of a run: replacement, cancellation, deletion of the session, and lost replies."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock, Mock
from uuid import UUID

import pytest
from contracts.messages import Command
from contracts.refusals import Code, Refusal
from contracts.session.approval import ApprovalView, DecideApproval, DeliverDecisions, ListApprovals, RequestApproval
from contracts.session.run import CancelRun, EndRun, GetRun, RunRequested, RunSummary, RunView, StartRun
from contracts.session.session import ChangeSession, DeleteSession
from contracts.session.values import ApprovalOutcome, SdkOptions, TextBlock, ToolUseBlock, Usage
from eventing import retrying
from eventing.handling.dispatch import Dispatcher
from eventing.reactions import Reaction, TakenOver
from eventing.recording import Recorded
from eventing.testing import eventually
from eventing.testing.reacting import reaction_to
from runtime.bus.envelope import Envelope
from runtime.clock import new_id, now
from runtime.waiters import Waiters
from session.accounts import Accounts
from session.agent import AgentEvent, AgentSpec, Ask, AssistantMessage, Finished
from session.app import service
from session.ceilings import Ceilings
from session.places import Places
from session.quotas.spending import Spending
from session.reactions.run import end_lost_run, run_agent
from session.storage import Storage

from services.session.tests.desk import OWNER, Desk

type Turn = Callable[[Ask], AsyncGenerator[AgentEvent]]

MESSAGE = AssistantMessage([TextBlock(text="Well.")], "m")
FINISHED = Finished(input_tokens=7)
REQUEST = RequestApproval.example()


def tool_call() -> AssistantMessage:
    """Return a message that calls the tool named in `REQUEST`."""
    call = ToolUseBlock(id=REQUEST.tool_use_id, tool_call_id=new_id(), name=REQUEST.tool_name, input={})
    return AssistantMessage([call], "m")


async def unchanged(_session_id: UUID, options: SdkOptions) -> SdkOptions:
    """Return the options, in which nothing is masked."""
    return options


class Worker:
    """The worker of one run, with an agent scripted by the test."""

    def __init__(self, desk: Desk, run: RunView) -> None:
        self.desk, self.run, self.closed = desk, run, list[tuple[UUID, UUID | None]]()
        self.dispatcher: Dispatcher[Any] = desk.dispatcher
        self.transcripts, self.workspace = AsyncMock(), Mock(size=lambda: 0, root=Path("/nowhere/one"))

    async def close(self, session_id: UUID, run_id: UUID | None = None, _attempt: int | None = None) -> None:
        self.closed.append((session_id, run_id))

    def files(self, _session_id: UUID) -> Mock:
        return self.workspace

    async def work(self, turn: Turn) -> None:
        def begin(
            _spec: AgentSpec, _prompt: str, ask: Ask, _message_id: UUID | None, _elicit: Any
        ) -> AsyncGenerator[AgentEvent]:
            return turn(ask)

        await run_agent(*self.arguments(SimpleNamespace(turn=begin, close=self.close)))

    async def dead_letter(self) -> None:
        await end_lost_run(*self.arguments(None))

    def arguments(self, agents: Any) -> tuple[Recorded[RunRequested], Reaction[Any]]:
        event = RunRequested(run_id=self.run.id, message_id=new_id(), sequence_number=1, message="?")
        envelope = Envelope.begin(actor=OWNER)
        recorded = Recorded(self.run.session_id, 2, now(), event, envelope, OWNER.user_id)
        dependencies = SimpleNamespace(agents=agents, decisions=Waiters[UUID](), approval_seconds=86_400)
        dependencies.places = Places(1, 600)
        dependencies.transcripts, dependencies.archives = self.transcripts, Path("/nowhere")
        dependencies.blocking = dependencies.writing = SimpleNamespace(run=asyncio.to_thread)
        dependencies.measuring = dependencies.blocking
        dependencies.workspace, dependencies.files = str, self.files
        dependencies.environments = SimpleNamespace(revealed=unchanged)
        dependencies.accounts, dependencies.ceilings = Accounts(self.desk.database), Ceilings()
        dependencies.storage = Storage(self.desk.database)
        dependencies.spending = partial(Spending, self.desk.database)
        return recorded, reaction_to(recorded, dependencies, self.dispatcher, service.name)

    async def start_another(self) -> RunSummary:
        return await self.desk.send(StartRun(session_id=self.run.session_id, run_id=self.run.id))

    async def request(self) -> None:
        ids = {"session_id": self.run.session_id, "run_id": self.run.id}
        await self.desk.send(REQUEST.model_copy(update=ids | {"expires_at": now() + timedelta(days=1)}))

    async def cancel(self) -> None:
        await self.desk.send(CancelRun(session_id=self.run.session_id, run_id=self.run.id))

    async def pending(self, number: int) -> bool:
        return len((await self.desk.ask(ListApprovals(status="pending"))).items) == number

    async def decide(self) -> None:
        async def pending() -> list[ApprovalView]:
            return (await self.desk.ask(ListApprovals(status="pending"))).items

        [approval] = await eventually(pending)
        changed = {"session_id": self.run.session_id, "approval_id": approval.id}
        await self.desk.send(DecideApproval.example().model_copy(update=changed))

    async def current_run(self) -> RunView:
        return await self.desk.ask(GetRun(session_id=self.run.session_id, run_id=self.run.id))


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


async def test_a_run_without_remaining_budget_starts_no_turn(worker: Worker) -> None:
    async def turn(_: Ask) -> AsyncGenerator[AgentEvent]:
        yield pytest.fail("an agent was started")

    await worker.start_another()
    session_id, used = worker.run.session_id, Usage(cost_usd=Decimal("0.5"))
    await worker.desk.send(EndRun(session_id=session_id, run_id=worker.run.id, attempt=1, usage=used))
    worker.run = await worker.desk.submit(session_id)
    await worker.desk.send(ChangeSession(session_id=session_id, sdk_options=SdkOptions(max_budget_usd=0.5)))
    await worker.work(turn)
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
