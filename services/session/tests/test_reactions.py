"""What becomes of a run that its worker loses, and of answers that get lost on the way to it."""

import asyncio
from collections.abc import AsyncGenerator, Callable
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
from eventing.dispatch import Dispatcher
from eventing.reactions import Reaction, TakenOver
from eventing.recording import Recorded
from eventing.testing import eventually
from eventing.testing.reacting import reaction_to
from runtime.clock import new_id, now
from runtime.envelope import Envelope
from runtime.waiters import Waiters
from session.agent import AgentEvent, AgentSpec, Ask, AssistantMessage, Finished
from session.app import service
from session.reactions.run import end_lost_run, run_agent

from services.session.tests.desk import OWNER, Desk

type Turn = Callable[[Ask], AsyncGenerator[AgentEvent]]

WORDS = AssistantMessage([TextBlock(text="Well.")], "m")
USED = Finished(input_tokens=7)
WANTED = RequestApproval.example()


def calling() -> AssistantMessage:
    """Call the tool that `WANTED` asks about."""
    call = ToolUseBlock(id=WANTED.tool_use_id, tool_call_id=new_id(), name=WANTED.tool_name, input={})
    return AssistantMessage([call], "m")


async def as_they_are(_session_id: UUID, options: SdkOptions) -> SdkOptions:
    """Give the options, in which nothing is hidden."""
    return options


class Worker:
    """Works on one run, with an agent that does what the test wants."""

    def __init__(self, desk: Desk, run: RunView) -> None:
        self.desk, self.run, self.closed = desk, run, list[tuple[UUID, UUID | None]]()
        self.dispatcher: Dispatcher[Any] = desk.dispatcher
        self.transcripts, self.workspace = AsyncMock(), Mock()

    async def close(self, session_id: UUID, run_id: UUID | None = None) -> None:
        self.closed.append((session_id, run_id))

    def files(self, _session_id: UUID) -> Mock:
        return self.workspace

    async def works(self, turn: Turn) -> None:
        def begin(_spec: AgentSpec, _prompt: str, ask: Ask, _message_id: UUID | None) -> AsyncGenerator[AgentEvent]:
            return turn(ask)

        await run_agent(*self.given(SimpleNamespace(turn=begin, close=self.close)))

    async def is_lost(self) -> None:
        await end_lost_run(*self.given(None))

    def given(self, agents: Any) -> tuple[Recorded[RunRequested], Reaction[Any]]:
        event = RunRequested(run_id=self.run.id, message_id=new_id(), sequence_number=1, message="?")
        envelope = Envelope.begin(actor=OWNER)
        recorded = Recorded(self.run.session_id, 2, now(), event, envelope, OWNER.user_id)
        tools = SimpleNamespace(agents=agents, decisions=Waiters[UUID](), approval_seconds=600)
        tools.transcripts, tools.archives = self.transcripts, Path("/nowhere")
        tools.blocking = tools.writing = SimpleNamespace(run=asyncio.to_thread)
        tools.workspace, tools.files, tools.environments = (
            str,
            self.files,
            SimpleNamespace(revealed=as_they_are),
        )
        return recorded, reaction_to(recorded, tools, self.dispatcher, service.name)

    async def start_another(self) -> RunSummary:
        return await self.desk.send(StartRun(session_id=self.run.session_id, run_id=self.run.id))

    async def request(self) -> None:
        whose = {"session_id": self.run.session_id, "run_id": self.run.id}
        await self.desk.send(WANTED.model_copy(update=whose | {"expires_at": now().replace(year=2999)}))

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

    async def ended(self) -> RunView:
        return await self.desk.ask(GetRun(session_id=self.run.session_id, run_id=self.run.id))


@pytest.fixture
async def worker(desk: Desk) -> Worker:
    return Worker(desk, await desk.submit(await desk.create()))


async def test_a_worker_that_was_replaced_ends_its_agent_and_leaves_the_event_to_the_other(worker: Worker) -> None:
    async def turn(_: Ask) -> AsyncGenerator[AgentEvent]:
        yield calling()
        await worker.request()
        assert (await worker.start_another()).attempt == 2
        yield WORDS
        await eventually(lambda: worker.closed)
        yield USED

    with pytest.raises(TakenOver):
        await worker.works(turn)
    assert worker.closed == [(worker.run.session_id, worker.run.id)]
    run = await worker.ended()
    assert (run.status, run.attempt, run.text) == ("waiting_approval", 2, "")


async def test_a_worker_whose_run_was_cancelled_ends_its_agent_and_says_what_that_used(worker: Worker) -> None:
    async def turn(_: Ask) -> AsyncGenerator[AgentEvent]:
        yield WORDS
        await worker.cancel()
        yield WORDS
        await eventually(lambda: worker.closed)
        yield WORDS
        yield USED

    await worker.works(turn)
    run = await worker.ended()
    assert (len(worker.closed), run.status, run.usage.input_tokens) == (1, "cancelled", 7)


async def test_a_run_that_was_cancelled_while_it_waited_for_an_approval_says_what_it_used(worker: Worker) -> None:
    async def turn(ask: Ask) -> AsyncGenerator[AgentEvent]:
        yield calling()
        await worker.cancel()
        with pytest.raises(Refusal, match=Code.RUN_OVER):
            await ask(WANTED.tool_use_id, WANTED.tool_name, {})
        yield USED

    await worker.works(turn)
    assert (await worker.ended()).usage.input_tokens == 7


async def test_an_agent_that_gives_its_questions_up_fills_nobodys_inbox(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("session.reactions.approval.MAX_OPEN_APPROVALS", 2)
    rulings: list[ApprovalOutcome] = []

    async def turn(ask: Ask) -> AsyncGenerator[AgentEvent]:
        yield calling()
        for asked in range(1, 3):
            asking = asyncio.gather(ask(WANTED.tool_use_id, WANTED.tool_name, {}))
            await eventually(partial(worker.pending, asked))
            asking.cancel()
        rulings.append(await ask(WANTED.tool_use_id, WANTED.tool_name, {}))
        assert await worker.pending(2)
        yield USED

    await worker.works(turn)
    assert [ruling.message for ruling in rulings] == ["Too many tool calls are waiting for approval."]


async def test_a_worker_whose_session_is_gone_is_done(worker: Worker) -> None:
    async def turn(_: Ask) -> AsyncGenerator[AgentEvent]:
        await worker.desk.send(DeleteSession(session_id=worker.run.session_id))
        yield WORDS
        await eventually(lambda: worker.closed)
        yield USED

    await worker.works(turn)
    assert (worker.run.session_id, worker.run.id) in worker.closed


async def test_a_worker_whose_session_is_gone_removes_what_its_agent_left(worker: Worker) -> None:
    async def turn(_: Ask) -> AsyncGenerator[AgentEvent]:
        await worker.desk.send(DeleteSession(session_id=worker.run.session_id))
        yield USED

    await worker.works(turn)
    worker.workspace.remove.assert_called_once_with()
    worker.transcripts.delete_session.assert_awaited_once_with(worker.run.session_id)


async def test_a_run_for_which_no_money_is_left_begins_no_turn(worker: Worker) -> None:
    async def turn(_: Ask) -> AsyncGenerator[AgentEvent]:
        yield pytest.fail("an agent was started")

    await worker.start_another()
    session_id, used = worker.run.session_id, Usage(cost_usd=Decimal("0.5"))
    await worker.desk.send(EndRun(session_id=session_id, run_id=worker.run.id, attempt=1, usage=used))
    worker.run = await worker.desk.submit(session_id)
    await worker.desk.send(ChangeSession(session_id=session_id, sdk_options=SdkOptions(max_budget_usd=0.5)))
    await worker.works(turn)
    assert worker.closed == [(session_id, None)]
    assert (await worker.ended()).error_code is Code.BUDGET_EXCEEDED


async def test_a_refusal_that_does_not_mean_the_end_of_the_run_fails_the_worker(worker: Worker) -> None:
    async def turn(_: Ask) -> AsyncGenerator[AgentEvent]:
        yield WORDS
        raise Refusal(Code.APPROVAL_NOT_FOUND, "What is this?")

    with pytest.raises(Refusal, match=Code.APPROVAL_NOT_FOUND):
        await worker.works(turn)


async def test_a_run_that_is_given_up_is_ended_as_interrupted_once(worker: Worker) -> None:
    await worker.start_another()
    for _ in range(2):
        await worker.is_lost()
    run = await worker.ended()
    assert (run.status, run.error_code) == ("failed", Code.RUN_INTERRUPTED)


class Forgetful(Dispatcher[Any]):
    """Carries out all, and loses the first answer to a command of this kind."""

    loses: type[Command[Any]] | None = DeliverDecisions

    async def send[R](self, command: Command[R], envelope: Envelope) -> R:
        answer = await super().send(command, envelope)
        if self.loses and isinstance(command, self.loses):
            self.loses = None
            raise ConnectionResetError
        return answer


@pytest.mark.parametrize("loses", [RequestApproval, DeliverDecisions])
async def test_a_lost_answer_loses_no_decision(
    worker: Worker, monkeypatch: pytest.MonkeyPatch, loses: type[Command[Any]]
) -> None:
    monkeypatch.setattr(retrying, "PAUSES", (0.0, 0.0))
    old = worker.dispatcher
    worker.dispatcher = Forgetful(old.store, old.database, None, old.commands, old.queries)
    worker.dispatcher.loses = loses
    rulings: list[ApprovalOutcome] = []

    async def turn(ask: Ask) -> AsyncGenerator[AgentEvent]:
        yield calling()
        ruling, _ = await asyncio.gather(ask(WANTED.tool_use_id, WANTED.tool_name, {}), worker.decide())
        rulings.append(ruling)
        yield USED

    await worker.works(turn)
    assert ([ruling.decision for ruling in rulings], (await worker.ended()).status) == (["denied"], "completed")
