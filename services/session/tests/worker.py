"""The worker of one run, with an agent scripted by the test."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock, Mock
from uuid import UUID

from contracts.session.approval import ApprovalView, DecideApproval, ListApprovals, RequestApproval
from contracts.session.release import RunContinued
from contracts.session.run import CancelRun, GetRun, RunRequested, StartRun
from contracts.session.run_view import RunSummary, RunView
from contracts.session.values import SdkOptions, TextBlock, ToolUseBlock
from eventing.handling.dispatch import Dispatcher
from eventing.reactions import Reaction
from eventing.recording import Recorded
from eventing.testing import eventually
from eventing.testing.reacting import reaction_to
from runtime.activity import Activity
from runtime.bus.envelope import Envelope
from runtime.clock import new_id, now
from runtime.waiters import Waiters
from session.agent import AgentEvent, AgentSpec, Ask, AssistantMessage, Finished
from session.agent.places import Places
from session.app import service
from session.ceilings import Ceilings
from session.quotas.accounts import Accounts
from session.quotas.spending import Spending
from session.reactions.run import continue_run, end_lost_run, run_agent
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
        self.transcripts = AsyncMock(database=desk.database)
        self.workspace = Mock(size=lambda: 0, root=Path("/nowhere/one"))
        self.ceilings, self.specs, self.prompts = Ceilings(), list[AgentSpec](), list[str]()
        self.message_ids = list[UUID | None]()

    async def close(self, session_id: UUID, run_id: UUID | None = None, _attempt: int | None = None) -> None:
        self.closed.append((session_id, run_id))

    def files(self, _session_id: UUID) -> Mock:
        return self.workspace

    async def work(self, turn: Turn, *, continues: bool = False) -> None:
        """Run the agent, also if the run only continues after a release."""

        def begin(
            spec: AgentSpec, prompt: str, ask: Ask, message_id: UUID | None, _elicit: Any
        ) -> AsyncGenerator[AgentEvent]:
            self.specs.append(spec)
            self.prompts.append(prompt)
            self.message_ids.append(message_id)
            return turn(ask)

        recorded, reaction = self.arguments(SimpleNamespace(turn=begin, close=self.close))
        if continues:
            about: dict[str, Any] = vars(recorded) | {"event": RunContinued(run_id=self.run.id)}
            await continue_run(Recorded[RunContinued](**about), reaction)
        else:
            await run_agent(recorded, reaction)

    async def dead_letter(self) -> None:
        await end_lost_run(*self.arguments(None))

    def arguments(self, agents: Any) -> tuple[Recorded[RunRequested], Reaction[Any]]:
        event = RunRequested(run_id=self.run.id, message_id=new_id(), sequence_number=1, message="?")
        envelope = Envelope.begin(actor=OWNER)
        recorded = Recorded(self.run.session_id, 2, now(), event, envelope, OWNER.user_id)
        dependencies = SimpleNamespace(agents=agents, decisions=Waiters[UUID](), approval_seconds=86_400)
        dependencies.places = Places(1, 600, Activity(0))
        dependencies.transcripts, dependencies.archives = self.transcripts, Path("/nowhere")
        dependencies.blocking = dependencies.writing = SimpleNamespace(run=asyncio.to_thread)
        dependencies.measuring = dependencies.blocking
        dependencies.workspace, dependencies.files = str, self.files
        dependencies.environments = SimpleNamespace(revealed=unchanged)
        dependencies.accounts, dependencies.ceilings = Accounts(self.desk.database), self.ceilings
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
