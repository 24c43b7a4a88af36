"""A run that is going: its tool calls, and the approvals that its agent waits for."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from contracts.refusals import Code, Refusal
from contracts.session.approval import ApprovalDecided, ApprovalRequested, DecideApproval, RequestApproval
from contracts.session.conversation import RecordToolResult, ToolCallEnded, ToolCallStarted
from contracts.session.values import Block, Decision, Remember, ToolUseBlock

MAX_ATTEMPTS = 5
"""How many workers a run may lose while it waits for people."""
MAX_DELIVERED = 100
"""How many decisions a worker may ask for again that it was given; the newest."""


@dataclass
class Approval:
    """A tool call that waits for a person, or, given a `decision`, for the worker that takes it to the agent."""

    asked: ApprovalRequested
    attempt: int
    decision: ApprovalDecided | None = None

    def decided(self, decision: Decision, by: UUID | None, message: str, remember: Remember) -> ApprovalDecided:
        """Give the event that settles it."""
        return ApprovalDecided(
            approval_id=self.asked.approval_id,
            run_id=self.asked.run_id,
            decision=decision,
            decided_by=by,
            message=message,
            remember=remember,
        )

    def expired(self, why: str) -> ApprovalDecided:
        """Give the event that nobody settled it."""
        return self.decided("expired", None, why, "once")


@dataclass
class Run:
    """The run that is going. `tool_calls` are those under way: the model's name for the call, and ours.

    `approvals` are those whose end the agent does not know; `delivered` those that the worker of now took to it; `granted`
    those that it was delivered in a new process, where it has to make the call again.
    """

    id: UUID
    started: bool = False
    attempt: int = 0
    tool_calls: dict[str, UUID] = field(default_factory=dict[str, UUID])
    approvals: dict[UUID, Approval] = field(default_factory=dict[UUID, Approval])
    delivered: dict[UUID, Approval] = field(default_factory=dict[UUID, Approval])
    granted: list[Approval] = field(default_factory=list[Approval])

    @property
    def only_awaits_approval(self) -> bool:
        """Whether the agent was doing nothing but waiting for approvals, so that another can go on for it.

        Calls are recorded in their order. Where one was asked about before it was recorded, others may be missing.
        """
        asked = {approval.asked.tool_use_id for approval in self.approvals.values()}
        recorded = all(approval.asked.tool_call_id for approval in self.approvals.values())
        return bool(asked) and recorded and asked.issuperset(self.tool_calls) and self.attempt < MAX_ATTEMPTS

    def awaited(self, approval_id: UUID) -> Approval:
        """Give an approval that the agent waits for, or that this worker has delivered it of.

        Raises:
            Refusal: APPROVAL_NOT_FOUND.
        """
        approval = self.approvals.get(approval_id) or self.delivered.get(approval_id)
        if approval is None:
            raise Refusal(Code.APPROVAL_NOT_FOUND, f"No agent waits for approval {approval_id}.")
        return approval

    def open_for(self, tool_name: str, now: datetime) -> list[Approval]:
        """Give the approvals of a tool that nobody has settled, and still can."""
        unsettled = [a for a in self.approvals.values() if a.decision is None and a.asked.tool_name == tool_name]
        return [approval for approval in unsettled if now < approval.asked.expires_at]

    def grant(self, tool_name: str, tool_input: dict[str, Any]) -> Approval | None:
        """Give the approval of this very call that came before the agent was started again."""
        same = (a for a in self.granted if (a.asked.tool_name, a.asked.tool_input) == (tool_name, tool_input))
        return next(same, None)

    def request(self, request: RequestApproval) -> list[ApprovalRequested | ApprovalDecided]:
        """Give the events that it is asked for, and, if this very call was approved before, that it is decided."""
        asked = ApprovalRequested(
            approval_id=request.approval_id,
            run_id=self.id,
            tool_call_id=self.tool_calls.get(request.tool_use_id),
            tool_use_id=request.tool_use_id,
            tool_name=request.tool_name,
            tool_input=request.tool_input,
            expires_at=request.expires_at,
        )
        granted = self.grant(request.tool_name, request.tool_input)
        if granted is None or granted.decision is None:
            return [asked]
        before, again = granted.decision, Approval(asked, self.attempt)
        return [asked, again.decided(before.decision, before.decided_by, before.message, "once")]

    def decide(self, decided: DecideApproval, by: UUID, now: datetime) -> list[ApprovalDecided]:
        """Give the events of a user's decision about an open approval, and about what waits for the same tool.

        Raises:
            Refusal: APPROVAL_OVER, it is decided, or it is too late.
        """
        approval = self.approvals.get(decided.approval_id) or self.delivered.get(decided.approval_id)
        if approval is None:
            raise Refusal(Code.APPROVAL_OVER, f"Approval {decided.approval_id} is settled.")
        if over := approval.decision:
            who = f" by user {over.decided_by}" if over.decided_by else ""
            raise Refusal(Code.APPROVAL_OVER, f"Approval {over.approval_id} was {over.decision} already{who}.")
        if now >= approval.asked.expires_at:
            raise Refusal(Code.APPROVAL_OVER, f"Approval {decided.approval_id} has expired.")
        affected = self.open_for(approval.asked.tool_name, now) if decided.remember == "session" else [approval]
        return [each.decided(decided.decision, by, decided.message, decided.remember) for each in affected]

    def tool_calls_in(self, blocks: list[Block], parent: UUID | None) -> list[ToolCallStarted]:
        """Give the events that the agent calls the tools in what it message."""
        return [
            ToolCallStarted(
                run_id=self.id,
                tool_call_id=block.tool_call_id,
                tool_use_id=block.id,
                tool_name=block.name,
                tool_input=block.input,
                parent_tool_call_id=parent,
            )
            for block in blocks
            if isinstance(block, ToolUseBlock)
        ]

    def end_of_call(self, result: RecordToolResult) -> ToolCallEnded | None:
        """Give the event that a tool call ended; None if it is not under way."""
        tool_call_id = self.tool_calls.get(result.tool_use_id)
        return tool_call_id and ToolCallEnded(
            run_id=self.id,
            tool_call_id=tool_call_id,
            tool_use_id=result.tool_use_id,
            status="error" if result.is_error else "success",
            tool_output=result.output,
            duration_ms=result.duration_ms,
        )

    def ending(self) -> Sequence[ApprovalDecided | ToolCallEnded]:
        """Give the events that go before its end: open approvals expire, tool calls under way are interrupted."""
        expired = [a.expired("The run ended.") for a in self.approvals.values() if a.decision is None]
        return [*expired, *self.interrupted_calls()]

    def interrupted_calls(self) -> list[ToolCallEnded]:
        """Give the events that end the tool calls under way, because their agent is gone."""
        return [
            ToolCallEnded(
                run_id=self.id,
                tool_call_id=tool_call_id,
                tool_use_id=tool_use_id,
                status="interrupted",
                tool_output=None,
                duration_ms=None,
            )
            for tool_use_id, tool_call_id in self.tool_calls.items()
        ]

    def apply_start(self, attempt: int) -> None:
        """Fold: a worker has it; what the one before delivered its agent, this one has not."""
        self.started, self.attempt = True, attempt
        self.delivered.clear()

    def apply_request(self, event: ApprovalRequested) -> None:
        """Fold: the agent waits; what was granted to this call is used up by it."""
        if granted := self.grant(event.tool_name, event.tool_input):
            self.granted.remove(granted)
        self.approvals[event.approval_id] = Approval(event, self.attempt)

    def apply_decision(self, event: ApprovalDecided) -> str:
        """Fold: it is decided; give the name of the tool."""
        approval = self.approvals[event.approval_id]
        approval.decision = event
        return approval.asked.tool_name

    def apply_delivery(self, approval_id: UUID) -> None:
        """Fold: the agent knows. One that was started after it was asked has to make an approved call again."""
        approval = self.delivered[approval_id] = self.approvals.pop(approval_id)
        for forgotten in list(self.delivered)[:-MAX_DELIVERED]:
            del self.delivered[forgotten]
        if approval.decision and approval.decision.decision == "approved" and approval.attempt < self.attempt:
            self.granted.append(approval)
