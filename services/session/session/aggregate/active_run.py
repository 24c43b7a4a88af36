"""The active run: its tool calls, and the approvals that its agent waits for."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from contracts.refusals import Code, Refusal
from contracts.session.approval import ApprovalDecided, ApprovalRequested, DecideApproval, RequestApproval
from contracts.session.conversation import RecordToolResult, ToolCallEnded, ToolCallStarted
from contracts.session.release import RunReleased
from contracts.session.run import RunStarted
from contracts.session.settling import call_key
from contracts.session.values import Block, Decision, Remember, ResumeReason, ToolUseBlock, Usage

from session.aggregate.form import check_content
from session.aggregate.uncertain import Uncertain

MAX_ATTEMPTS = 5
"""The number of workers that a run may lose."""
MAX_IDLE_ATTEMPTS = 2
"""The number of workers in succession that a run may lose without progress."""
MAX_DELIVERED = 100
"""The number of delivered decisions that are kept, the newest, in case a worker requests them again."""
MAX_GRANTED = 400
"""The number of granted calls that are kept, the newest; a run may be released any number of times."""


@dataclass
class Approval:
    """A tool call that waits for a decision, or, once it has an `outcome`, for its delivery to the agent.

    `attempt` is that of the worker which requested the approval.
    """

    request: ApprovalRequested
    attempt: int
    outcome: ApprovalDecided | None = None

    def decided(self, decision: Decision, by: UUID | None, message: str, remember: Remember) -> ApprovalDecided:
        """Return the event that decides the approval."""
        return ApprovalDecided(
            approval_id=self.request.approval_id,
            run_id=self.request.run_id,
            decision=decision,
            decided_by=by,
            message=message,
            remember=remember,
        )

    def answered(self, command: DecideApproval, by: UUID) -> ApprovalDecided:
        """Return the event of a user's decision about an elicitation, which is about this one alone.

        Raises:
            Refusal: FORM_INVALID.
        """
        decided = self.decided(command.decision, by, command.message, "once")
        if command.decision == "denied":
            return decided
        check_content(self.request.form, command.content)
        return decided.model_copy(update={"content": command.content or {}})

    def expired(self, reason: str) -> ApprovalDecided:
        """Return the event that the approval expires."""
        return self.decided("expired", None, reason, "once")


@dataclass
class Run:
    """The active run.

    `tool_calls` are those in progress, by the model's id. `approvals` are not delivered yet; `delivered` are those
    delivered to the current worker's agent. `granted` are approved calls whose decision was delivered to an agent in a
    new process, which has to make the call again. `uncertain` are calls whose outcome a crash has left unknown. While
    the run is `released` no worker has it, maybe because it was `handed_over`; `releases` counts how often it was, and
    `used` is the usage of the agents that were released.
    """

    id: UUID
    started: bool = False
    attempt: int = 0
    tool_calls: dict[str, UUID] = field(default_factory=dict[str, UUID])
    approvals: dict[UUID, Approval] = field(default_factory=dict[UUID, Approval])
    delivered: dict[UUID, Approval] = field(default_factory=dict[UUID, Approval])
    granted: list[Approval] = field(default_factory=list[Approval])
    uncertain: Uncertain = field(default_factory=Uncertain)
    released: bool = False
    handed_over: bool = False
    releases: int = 0
    used: Usage = field(default_factory=Usage)
    idle_attempts: int = 0

    @property
    def may_continue(self) -> bool:
        """Whether another worker may continue the run: few have been lost, or without progress, unless it waits."""
        few = self.attempt - self.releases < MAX_ATTEMPTS
        waits = self.only_awaits_approval and not self.all_decided
        return few and (waits or self.idle_attempts < MAX_IDLE_ATTEMPTS)

    @property
    def only_awaits_approval(self) -> bool:
        """Whether all that the agent does is wait for approvals.

        Tool calls are recorded in their order. If an approval was requested before its call was recorded, earlier calls
        may be missing, and the run cannot be continued.
        """
        requested = {approval.request.tool_use_id for approval in self.approvals.values()}
        recorded = all(approval.request.tool_call_id for approval in self.approvals.values())
        return bool(requested) and recorded and requested.issuperset(self.tool_calls)

    @property
    def awaits_worker(self) -> bool:
        """Whether the run was released, and all the approvals that it waited for are decided."""
        return self.released and self.all_decided

    @property
    def all_decided(self) -> bool:
        """Whether no approval waits for a decision."""
        return all(approval.outcome for approval in self.approvals.values())

    def resume_reason(self, *, died: bool) -> ResumeReason | None:
        """Return why another agent goes on, if a worker starts the run now; None for the first one.

        It is None, too, if the run waited for approvals without an agent. `died` is as in `StartRun`.
        """
        if self.released or not self.started:
            return "handover" if self.handed_over else None
        return "agent_died" if died else "lost"

    def find_approval(self, approval_id: UUID) -> Approval:
        """Return an approval that is pending, decided or delivered to the current worker.

        Raises:
            Refusal: APPROVAL_NOT_FOUND.
        """
        approval = self.approvals.get(approval_id) or self.delivered.get(approval_id)
        if approval is None:
            raise Refusal(Code.APPROVAL_NOT_FOUND, f"No agent is waiting for approval {approval_id}.")
        return approval

    def undecided_for(self, tool_name: str, now: datetime) -> list[Approval]:
        """Return the undecided approvals of a tool that have not expired."""
        same = [a for a in self.approvals.values() if (a.request.kind, a.request.tool_name) == ("tool", tool_name)]
        undecided = [approval for approval in same if approval.outcome is None]
        return [approval for approval in undecided if now < approval.request.expires_at]

    def grant(self, tool_name: str, tool_input: dict[str, Any]) -> Approval | None:
        """Return the approval of an identical call that was granted before the agent was restarted, or None."""
        same = (a for a in self.granted if (a.request.tool_name, a.request.tool_input) == (tool_name, tool_input))
        return next(same, None)

    def request(self, command: RequestApproval) -> list[ApprovalRequested | ApprovalDecided]:
        """Return the events that request an approval, and decide it if an identical call was granted before."""
        requested = ApprovalRequested(
            approval_id=command.approval_id,
            run_id=self.id,
            tool_call_id=self.tool_calls.get(command.tool_use_id),
            tool_use_id=command.tool_use_id,
            tool_name=command.tool_name,
            tool_input=command.tool_input,
            kind=command.kind,
            form=command.form,
            expires_at=command.expires_at,
        )
        granted = self.grant(command.tool_name, command.tool_input) if command.kind == "tool" else None
        if granted is None or granted.outcome is None:
            return [requested]
        earlier, approval = granted.outcome, Approval(requested, self.attempt)
        return [requested, approval.decided(earlier.decision, earlier.decided_by, earlier.message, "once")]

    def decide(self, command: DecideApproval, by: UUID, now: datetime) -> list[ApprovalDecided]:
        """Return the events of a user's decision, also about calls of the same tool if it is remembered.

        Raises:
            Refusal: APPROVAL_OVER if the approval is decided or has expired; FORM_INVALID.
        """
        approval = self.approvals.get(command.approval_id) or self.delivered.get(command.approval_id)
        if approval is None:
            raise Refusal(Code.APPROVAL_OVER, f"Approval {command.approval_id} is closed.")
        if outcome := approval.outcome:
            who = f" by user {outcome.decided_by}" if outcome.decided_by else ""
            raise Refusal(Code.APPROVAL_OVER, f"Approval {outcome.approval_id} was already {outcome.decision}{who}.")
        if now >= approval.request.expires_at:
            raise Refusal(Code.APPROVAL_OVER, f"Approval {command.approval_id} has expired.")
        if approval.request.kind == "elicitation":
            return [approval.answered(command, by)]
        if approval.request.kind == "outcome":
            return [approval.decided(command.decision, by, command.message, "once")]
        affected = self.undecided_for(approval.request.tool_name, now) if command.remember == "session" else [approval]
        return [each.decided(command.decision, by, command.message, command.remember) for each in affected]

    def tool_calls_in(self, blocks: list[Block], parent: UUID | None) -> list[ToolCallStarted]:
        """Return the events of the tool calls in a message."""
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

    def call_ended(self, result: RecordToolResult) -> ToolCallEnded | None:
        """Return the event that ends a tool call, or None if the call is not in progress."""
        tool_call_id = self.tool_calls.get(result.tool_use_id)
        return tool_call_id and ToolCallEnded(
            run_id=self.id,
            tool_call_id=tool_call_id,
            tool_use_id=result.tool_use_id,
            status="denied" if result.denied else "error" if result.is_error else "success",
            tool_output=result.output,
            duration_ms=result.duration_ms,
        )

    def events_before_end(self) -> Sequence[ApprovalDecided | ToolCallEnded]:
        """Return the events that precede the end of the run: open approvals expire, and tool calls are interrupted."""
        expired = [a.expired("The run ended.") for a in self.approvals.values() if a.outcome is None]
        return [*expired, *self.interrupted_calls()]

    def decided_lost_calls(self) -> list[ToolCallEnded]:
        """Return the events that end the calls of a lost agent about which people have decided."""
        decided = {approval.request.tool_use_id for approval in self.approvals.values() if approval.outcome}
        lost = decided & self.uncertain.lost.keys()
        return [call for call in self.interrupted_calls() if call.tool_use_id in lost]

    def calls_to_repeat(self) -> list[ToolCallEnded]:
        """Return the events that end the calls which wait for approval; those of unknown outcome stay in progress."""
        return [call for call in self.interrupted_calls() if call.tool_use_id not in self.uncertain.lost]

    def interrupted_calls(self) -> list[ToolCallEnded]:
        """Return the events that end the tool calls in progress, because their agent has ended.

        Calls that were denied before stay denied; the outcome of those that a lost agent had begun is unknown.
        """
        decided = [(each.request, each.outcome) for each in (*self.approvals.values(), *self.delivered.values())]
        denied = {request.tool_use_id for request, outcome in decided if outcome and outcome.decision != "approved"}
        lost = self.uncertain.lost
        return [
            ToolCallEnded(
                run_id=self.id,
                tool_call_id=tool_call_id,
                tool_use_id=tool_use_id,
                status="unknown" if tool_use_id in lost else "denied" if tool_use_id in denied else "interrupted",
                tool_output=None,
                duration_ms=None,
            )
            for tool_use_id, tool_call_id in self.tool_calls.items()
        ]

    def apply_start(self, event: RunStarted) -> None:
        """Fold: a worker has started, whose agent does not know the decisions delivered before."""
        self.started, self.attempt = True, event.attempt
        self.released = self.handed_over = False
        self.used = event.usage or self.used
        self.idle_attempts += 1
        self.delivered.clear()

    def apply_release(self, event: RunReleased) -> None:
        """Fold: the agent was ended, and no worker has the run."""
        self.released, self.used, self.idle_attempts = True, event.usage, 0
        self.handed_over = event.reason == "handover"
        self.releases += 1

    def apply_request(self, event: ApprovalRequested) -> None:
        """Fold: the agent waits for an approval, which uses up a grant of the same call."""
        if event.kind == "tool" and (granted := self.grant(event.tool_name, event.tool_input)):
            self.granted.remove(granted)
        self.approvals[event.approval_id] = Approval(event, self.attempt)

    def apply_decision(self, event: ApprovalDecided) -> str:
        """Fold: an approval is decided. Return the name of the tool."""
        approval = self.approvals[event.approval_id]
        approval.outcome, request = event, approval.request
        if request.kind == "outcome":
            # The input of a lost call may be cut short; that of a repetition is not.
            key = self.uncertain.lost.get(request.tool_use_id) or call_key(request.tool_name, request.tool_input)
            self.uncertain.apply_decision(key, event.decision)
        return approval.request.tool_name

    def apply_call_end(self, tool_use_id: str) -> None:
        """Fold: a call is not in progress any more."""
        self.tool_calls.pop(tool_use_id, None)
        self.uncertain.lost.pop(tool_use_id, None)

    def apply_delivery(self, approval_id: UUID) -> None:
        """Fold: a decision is delivered.

        An agent that was started after the request has to make an approved call again.
        """
        approval = self.delivered[approval_id] = self.approvals.pop(approval_id)
        for oldest in list(self.delivered)[:-MAX_DELIVERED]:
            del self.delivered[oldest]
        if approval.outcome and approval.outcome.decision == "approved" and approval.attempt < self.attempt:
            self.granted.append(approval)
            del self.granted[:-MAX_GRANTED]
