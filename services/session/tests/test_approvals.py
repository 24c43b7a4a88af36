"""How a worker requests approvals and waits for decisions."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest
from contracts.messages import Page
from contracts.refusals import Code, Refusal
from contracts.samples import APPROVAL, MESSAGE, RUN, SESSION, TIME, TOOL_CALL
from contracts.session.approval import ApprovalView, DeliverDecisions, ListApprovals
from contracts.session.run_view import RunView
from contracts.session.values import ApprovalOutcome, Block, ToolUseBlock, Usage
from runtime.activity import Activity
from runtime.clock import new_id, now
from runtime.testing import eventually
from runtime.waiters import Waiters
from session.agent.places import Place, Places
from session.mcp.repeats import Repeats
from session.reactions import approval as approvals
from session.reactions.approval import ApprovalRequests, continuation, undelivered
from session.reactions.cancellation import Cancellation
from session.reactions.deadline import Deadline

ID, OTHER = UUID(APPROVAL), UUID(MESSAGE)
CALL = ToolUseBlock(id="toolu_1", tool_call_id=UUID(TOOL_CALL), name="Bash", input={})
OTHER_CALL = CALL.model_copy(update={"id": "toolu_2"})
DAY = 86_400
DENIED = ApprovalOutcome(decision="denied", message="No.")


def approval(**changed: Any) -> ApprovalView:
    return ApprovalView.model_validate(
        {
            "id": APPROVAL,
            "session_id": SESSION,
            "run_id": RUN,
            "tool_call_id": None,
            "tool_name": "Bash",
            "tool_input": {"command": "ls"},
            "status": "pending",
            "decided_by": None,
            "message": None,
            "remember": None,
            "delivered": False,
            "created_at": TIME,
            "expires_at": "2999-01-01T00:00:00Z",
            "decided_at": None,
        }
        | changed
    )


def run(attempt: int = 1) -> RunView:
    return RunView(
        id=UUID(RUN),
        session_id=UUID(SESSION),
        message="Do it.",
        status="running",
        attempt=attempt,
        error_code=None,
        error_detail=None,
        message_id=None,
        text="",
        structured_output=None,
        tool_calls=[],
        usage=Usage(),
        created_at=now(),
        ended_at=None,
    )


def dependencies() -> Any:
    return SimpleNamespace(
        decisions=Waiters[UUID](), approval_seconds=DAY, places=Places(64, 300, Activity(0)), agents=SimpleNamespace()
    )


@dataclass
class Service:
    """A fake service: answers with the next state of the approval, and records the commands sent to it."""

    states: list[ApprovalView | Exception]
    delivered: ApprovalOutcome | Exception = DENIED
    lost_replies: int = 0
    listed: list[ApprovalView] = field(default_factory=list[ApprovalView])
    page: int = 100
    pages: int = 0
    reads: int = 0
    sent: list[Any] = field(default_factory=list[Any])
    dependencies: Any = field(default_factory=lambda: dependencies())

    def now(self) -> datetime:
        return now()

    async def ask(self, query: Any) -> Any:
        if isinstance(query, ListApprovals):
            self.pages += 1
            start = 1 + [view.id for view in self.listed].index(query.after) if query.after else 0
            end = start + self.page
            return Page(items=self.listed[start:end], total=len(self.listed), more=end < len(self.listed))
        state = self.states[min(self.reads, len(self.states) - 1)]
        self.reads += 1
        if isinstance(state, Exception):
            raise state
        return state

    async def send(self, command: Any) -> Any:
        self.sent.append(command)
        if not isinstance(command, DeliverDecisions):
            return None
        if isinstance(self.delivered, Exception):
            raise self.delivered
        if self.lost_replies:
            self.lost_replies -= 1
            return None
        return [self.delivered for _ in command.approval_ids]

    def requests(self, cancellation: Cancellation, attempt: int = 1) -> ApprovalRequests:
        deadline = Deadline(1000, cancellation.request)
        requests = ApprovalRequests(cast(Any, self), run(attempt), deadline, cancellation, Place(), Repeats())
        requests.note_recorded([CALL])
        return requests


async def end_no_agent() -> None:
    """Stand for the end of an agent."""


async def ask(service: Service) -> ApprovalOutcome:
    async with asyncio.timeout(60), Cancellation(end_no_agent) as cancellation:
        return await service.requests(cancellation).request("toolu_1", "Bash", {"command": "ls"})


async def test_a_decision_known_at_once_is_not_polled_for() -> None:
    service = Service([approval()])

    async def settled(command: Any) -> ApprovalOutcome:
        service.sent.append(command)
        return DENIED

    service.send = settled
    assert (await ask(service), service.reads) == (DENIED, 0)


async def test_a_decision_is_found_by_polling_without_a_notification(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(approvals, "POLL_SECONDS", 0.01)
    assert await ask(Service([approval(), approval(status="denied")])) == DENIED


async def test_polling_continues_while_the_database_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(approvals, "POLL_SECONDS", 0.01)
    assert await ask(Service([OSError("connection lost"), approval(status="denied")])) == DENIED


async def test_a_worker_that_lost_its_run_cancels_its_agent() -> None:
    service = Service([approval(status="denied")], Refusal(Code.RUN_TAKEN, "Another worker has it."))
    async with asyncio.timeout(60), Cancellation(end_no_agent) as cancellation:
        with pytest.raises(Refusal):
            await service.requests(cancellation).request("toolu_1", "Bash", {})
    assert cancellation.refusal
    assert cancellation.refusal.code is Code.RUN_TAKEN


async def test_the_continuation_prompt_lists_undelivered_decisions() -> None:
    decided = approval(status="denied", message="No.")
    others = [approval(id=OTHER, delivered=True), approval(id=OTHER, run_id=MESSAGE)]
    service = Service([decided], listed=[decided, *others])
    prompt = continuation(await undelivered(run(attempt=2), cast(Any, service)))
    assert prompt.endswith('- Bash with {"command": "ls"} was denied: continue without it. No.')


async def test_an_undelivered_approval_is_found_behind_many_newer_ones() -> None:
    newer = [approval(id=new_id(), delivered=True) for _ in range(4)]
    service = Service([approval()], listed=[*newer, approval(), approval(id=new_id(), run_id=MESSAGE)], page=2)
    assert await undelivered(run(attempt=2), cast(Any, service)) == [approval()]


async def test_approvals_of_earlier_runs_are_not_read() -> None:
    earlier = [approval(id=new_id(), run_id=MESSAGE) for _ in range(9)]
    service = Service([approval()], listed=[approval(), *earlier], page=2)
    assert await undelivered(run(attempt=2), cast(Any, service)) == [approval()]
    assert service.pages == 2


async def test_a_lost_reply_to_a_delivery_is_requested_again() -> None:
    service = Service([approval(status="denied")], lost_replies=1)
    assert await ask(service) == DENIED
    assert sum(isinstance(command, DeliverDecisions) for command in service.sent) == 2


async def test_no_approval_is_requested_before_the_call_is_recorded() -> None:
    service = Service([approval(status="denied")])
    async with asyncio.timeout(60), Cancellation(end_no_agent) as cancellation, asyncio.TaskGroup() as tasks:
        deadline = Deadline(1000, cancellation.request)
        requests = ApprovalRequests(cast(Any, service), run(), deadline, cancellation, Place(), Repeats())
        request = tasks.create_task(requests.request("toolu_1", "Bash", {}))
        requests.note_recorded([CALL.model_copy(update={"id": "toolu_0"})])
        await asyncio.sleep(0)
        assert service.sent == []
        requests.note_recorded([CALL])
        assert await request == DENIED


async def test_approval_is_requested_although_the_call_is_never_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(approvals, "RECORD_TIMEOUT", 0.01)
    async with asyncio.timeout(60), Cancellation(end_no_agent) as cancellation:
        requests = Service([approval(status="denied")]).requests(cancellation)
        assert await requests.request("toolu_9", "Bash", {}) == DENIED


@dataclass
class Releasing:
    """A worker whose agent waits for an approval."""

    service: Service
    place: Place
    requests: ApprovalRequests
    request: asyncio.Task[ApprovalOutcome]
    killed: list[tuple[UUID, int]] = field(default_factory=list[tuple[UUID, int]])

    def decide(self) -> None:
        self.service.states = [approval(status="approved")]
        self.service.dependencies.decisions.wake(self.service.sent[0].approval_id)

    def kill_waiting(self, _session_id: UUID, run_id: UUID, attempt: int) -> bool:
        self.killed.append((run_id, attempt))
        return True


@asynccontextmanager
async def waiting_agent(*others: Block, recorded: bool = True) -> AsyncGenerator[Releasing]:
    """Let an agent wait for an approval, which is given up at the end of the context."""
    service, place = Service([approval()]), Place()
    async with asyncio.timeout(60), Cancellation(end_no_agent) as cancellation, asyncio.TaskGroup() as tasks:
        deadline = Deadline(1000, cancellation.request)
        requests = ApprovalRequests(cast(Any, service), run(), deadline, cancellation, place, Repeats())
        if recorded:
            requests.note_recorded([CALL, *others])
        request = tasks.create_task(requests.request("toolu_1", "Bash", {}))
        worker = service.dependencies.agents = Releasing(service, place, requests, request)
        await eventually(lambda: place.since is not None)
        yield worker
        request.cancel()


async def test_an_agent_that_only_waits_is_killed() -> None:
    async with waiting_agent() as worker:
        assert (worker.place.release(), worker.killed) == (True, [(UUID(RUN), 1)])


async def test_an_agent_with_another_call_in_progress_is_not_killed() -> None:
    async with waiting_agent() as worker:
        worker.requests.note_recorded([OTHER_CALL])
        assert (worker.place.release(), worker.killed) == (False, [])
        worker.requests.note_returned("toolu_2")
        assert worker.place.release()


async def test_an_agent_whose_call_was_recorded_late_is_not_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(approvals, "RECORD_TIMEOUT", 0.0)
    async with waiting_agent(recorded=False) as worker:
        worker.requests.note_recorded([CALL])
        assert (worker.place.release(), worker.killed) == (False, [])


async def test_an_agent_that_waits_for_input_is_not_killed() -> None:
    async with waiting_agent() as worker, asyncio.TaskGroup() as tasks:
        question = tasks.create_task(worker.requests.elicit("files", "Which one?", {}))
        await eventually(lambda: len(worker.service.sent) == 2)
        assert not worker.place.release()
        question.cancel()


async def test_no_decision_is_delivered_to_a_killed_agent() -> None:
    async with waiting_agent() as worker:
        worker.place.released = "approval" if worker.place.release() else None
        worker.decide()
        await eventually(lambda: worker.place.since is None)  # the decision was noticed
        assert not any(isinstance(each, DeliverDecisions) for each in worker.service.sent)


async def test_a_missing_approval_means_that_its_session_was_deleted() -> None:
    service = Service([Refusal(Code.APPROVAL_NOT_FOUND, "There is none.")])
    with pytest.raises(Refusal, match=Code.SESSION_NOT_FOUND):
        await ask(service)
