"""How a worker waits for what people decide."""

import asyncio
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest
from contracts.messages import Page
from contracts.refusals import Code, Refusal
from contracts.samples import APPROVAL, MESSAGE, RUN, SESSION, TIME, TOOL_CALL
from contracts.session.approval import ApprovalView, DeliverDecisions, ListApprovals
from contracts.session.run import RunView
from contracts.session.values import ApprovalOutcome, ToolUseBlock, Usage
from runtime.clock import now
from runtime.waiters import Waiters
from session.reactions import approval as approvals
from session.reactions.approval import ApprovalRequests
from session.reactions.cancellation import Cancellation
from session.reactions.deadline import Deadline

ID, OTHER = UUID(APPROVAL), UUID(MESSAGE)
CALL = ToolUseBlock(id="toolu_1", tool_call_id=UUID(TOOL_CALL), name="Bash", input={})
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


@dataclass
class Service:
    """Stands in for the service: gives the approval in one shape after the other, and what is delivered."""

    seen: list[ApprovalView | Exception]
    delivered: ApprovalOutcome | Exception = DENIED
    lost_answers: int = 0
    listed: list[ApprovalView] = field(default_factory=list[ApprovalView])
    looks: int = 0
    sent: list[Any] = field(default_factory=list[Any])
    dependencies: Any = field(default_factory=lambda: SimpleNamespace(decisions=Waiters[UUID](), approval_seconds=600))

    async def ask(self, query: Any) -> Any:
        if isinstance(query, ListApprovals):
            return Page(items=self.listed, total=len(self.listed))
        seen = self.seen[min(self.looks, len(self.seen) - 1)]
        self.looks += 1
        if isinstance(seen, Exception):
            raise seen
        return seen

    async def send(self, command: Any) -> Any:
        self.sent.append(command)
        if not isinstance(command, DeliverDecisions):
            return None
        if isinstance(self.delivered, Exception):
            raise self.delivered
        if self.lost_answers:
            self.lost_answers -= 1
            return None
        return [self.delivered for _ in command.approval_ids]

    def asking(self, cancellation: Cancellation, attempt: int = 1) -> ApprovalRequests:
        asking = ApprovalRequests(cast(Any, self), run(attempt), Deadline(1000, cancellation.request), cancellation)
        asking.note_recorded([CALL])
        return asking


async def nothing() -> None:
    """Let what goes on go on."""


async def asked(service: Service) -> ApprovalOutcome:
    async with asyncio.timeout(10), Cancellation(nothing) as cancellation:
        return await service.asking(cancellation).request("toolu_1", "Bash", {"command": "ls"})


async def test_what_is_settled_already_is_not_waited_for() -> None:
    service = Service([approval()])

    async def settled(command: Any) -> ApprovalOutcome:
        service.sent.append(command)
        return DENIED

    service.send = settled
    assert (await asked(service), service.looks) == (DENIED, 0)


async def test_a_decision_that_the_bus_did_not_tell_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(approvals, "POLL_SECONDS", 0.01)
    assert await asked(Service([approval(), approval(status="denied")])) == DENIED


async def test_a_database_that_is_away_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(approvals, "POLL_SECONDS", 0.01)
    assert await asked(Service([OSError("away"), approval(status="denied")])) == DENIED


async def test_a_worker_that_lost_the_run_cancels_its_agent() -> None:
    service = Service([approval(status="denied")], Refusal(Code.RUN_TAKEN, "Another worker has it."))
    async with asyncio.timeout(10), Cancellation(nothing) as cancellation:
        with pytest.raises(Refusal):
            await service.asking(cancellation).request("toolu_1", "Bash", {})
    assert cancellation.refusal
    assert cancellation.refusal.code is Code.RUN_TAKEN


async def test_an_agent_that_goes_on_is_told_what_was_decided_about_what_it_does_not_know() -> None:
    decided = approval(status="denied")
    others = [approval(id=OTHER, delivered=True), approval(id=OTHER, run_id=MESSAGE)]
    service = Service([decided], listed=[decided, *others])
    async with Cancellation(nothing) as cancellation:
        prompt = await service.asking(cancellation, attempt=2).continuation()
    assert prompt.endswith('- Bash with {"command": "ls"} was denied: continue without it. No.')
    assert [command.approval_ids for command in service.sent] == [[ID]]


async def test_a_ruling_whose_answer_got_lost_is_asked_for_again() -> None:
    service = Service([approval(status="denied")], lost_answers=1)
    assert await asked(service) == DENIED
    assert sum(isinstance(command, DeliverDecisions) for command in service.sent) == 2


async def test_nothing_is_asked_before_the_call_is_recorded() -> None:
    service = Service([approval(status="denied")])
    async with asyncio.timeout(10), Cancellation(nothing) as cancellation, asyncio.TaskGroup() as tasks:
        asking = ApprovalRequests(cast(Any, service), run(), Deadline(1000, cancellation.request), cancellation)
        asks = tasks.create_task(asking.request("toolu_1", "Bash", {}))
        asking.note_recorded([CALL.model_copy(update={"id": "toolu_0"})])
        await asyncio.sleep(0)
        assert service.sent == []
        asking.note_recorded([CALL])
        assert await asks == DENIED


async def test_a_call_that_is_never_recorded_is_asked_about_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(approvals, "RECORD_TIMEOUT", 0.01)
    async with asyncio.timeout(10), Cancellation(nothing) as cancellation:
        asking = Service([approval(status="denied")]).asking(cancellation)
        assert await asking.request("toolu_9", "Bash", {}) == DENIED


async def test_an_approval_that_is_gone_says_that_its_session_is() -> None:
    service = Service([Refusal(Code.APPROVAL_NOT_FOUND, "There is none.")])
    with pytest.raises(Refusal, match=Code.SESSION_NOT_FOUND):
        await asked(service)
