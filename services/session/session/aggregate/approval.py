"""The decisions of a Session about approvals of tool calls."""

from datetime import datetime
from typing import assert_never
from uuid import UUID

from contracts.refusals import Code, Refusal
from contracts.session.approval import (
    ApprovalDecided,
    ApprovalEvent,
    ApprovalRequested,
    DecideApproval,
    DecisionDelivered,
    RequestApproval,
)
from contracts.session.settling import call_key
from contracts.session.values import ApprovalOutcome, SdkOptions

from session.aggregate.active_run import Run
from session.aggregate.state import State

NOBODY = "nobody can approve calls in a non-interactive session."
UNKNOWN = "This call was interrupted before, and it is unknown whether it took effect"
NOT_REPEATED = f"{UNKNOWN}. It must not be made again: check its effect in another way."
REPETITION_DENIED = f"{UNKNOWN}. It was denied to make it again."


class Approving(State):
    """Approvals of tool calls.

    A call waits for a decision unless one was remembered for the tool, or the session is not interactive.
    """

    def request_approval(self, command: RequestApproval) -> ApprovalOutcome | None:
        """Request approval of a tool call. Return the outcome if it is known without asking, else None.

        Raises:
            Refusal: RUN_OVER, RUN_TAKEN.
        """
        run = self._run_of_worker(command.run_id, command.attempt)
        if command.kind == "tool" and (remembered := self.remembered.get(command.tool_name)):
            return remembered
        if command.kind == "outcome" and (known := self._known_repetition(run, command)):
            return known
        if self.mode == "non_interactive":
            return ApprovalOutcome(decision="denied", reason=_without_people(command.tool_name, self.sdk_options))
        self._record_all(run.request(command))
        outcomes = self._deliver(run, [command.approval_id])
        return outcomes[0] if outcomes else None

    def decide_approval(self, command: DecideApproval, by: UUID, now: datetime) -> None:
        """Decide an approval on behalf of a user.

        Raises:
            Refusal: APPROVAL_OVER if it is decided or has expired; FORM_INVALID.
        """
        if self.run is None:
            raise Refusal(Code.APPROVAL_OVER, f"Approval {command.approval_id} is closed: its run is over.")
        self._record_all(self.run.decide(command, by, now))
        self._apply_decisions(self.run)

    def expire_approval(self, approval_id: UUID) -> None:
        """Expire an approval at its due time. Records nothing if it was decided, or its run has ended."""
        approval = self.run.approvals.get(approval_id) if self.run else None
        if self.run and approval and approval.outcome is None:
            self.record(approval.expired("The approval expired."))
            self._apply_decisions(self.run)

    def _apply_decisions(self, run: Run) -> None:
        self._record_all(run.decided_lost_calls())
        self._continue_released()

    def _known_repetition(self, run: Run, command: RequestApproval) -> ApprovalOutcome | None:
        """Return the outcome of a request to repeat a call of unknown outcome if nobody is to be asked, else None."""
        if run.uncertain.repeats.get(call_key(command.tool_name, command.tool_input)):
            return ApprovalOutcome(decision="denied", reason=REPETITION_DENIED)
        if self.mode == "non_interactive":
            return ApprovalOutcome(decision="denied", reason=NOT_REPEATED)
        return None

    def deliver_decisions(self, run_id: UUID, attempt: int, approval_ids: list[UUID]) -> list[ApprovalOutcome] | None:
        """Record that decisions are delivered to the worker and return them; return None if one is still pending.

        A worker that missed the reply gets the same outcomes again.

        Raises:
            Refusal: RUN_OVER, RUN_TAKEN, APPROVAL_NOT_FOUND.
        """
        run = self._run_of_worker(run_id, attempt)
        return self._deliver(run, approval_ids)

    def _deliver(self, run: Run, approval_ids: list[UUID]) -> list[ApprovalOutcome] | None:
        decided = [outcome for each in approval_ids if (outcome := run.find_approval(each).outcome)]
        if len(decided) < len(approval_ids):
            return None
        self._record_all(
            [DecisionDelivered(approval_id=each, run_id=run.id) for each in approval_ids if each in run.approvals]
        )
        return [ApprovalOutcome(decision=o.decision, message=o.message, content=o.content) for o in decided]

    def apply_approval(self, event: ApprovalEvent) -> None:
        """Fold one event of an approval."""
        run = self._active_run(event.run_id)
        match event:
            case ApprovalRequested():
                run.apply_request(event)
            case ApprovalDecided():
                tool_name = run.apply_decision(event)
                if event.remember == "session":
                    self.remembered[tool_name] = ApprovalOutcome(decision=event.decision, message=event.message)
            case DecisionDelivered():
                run.apply_delivery(event.approval_id)
            case _:
                assert_never(event)


def _without_people(tool: str, options: SdkOptions) -> str:
    """Return why a call of a tool is denied where nobody can be asked."""
    rules = [rule.partition("(")[0] for rule in options.allowed_tools or ()]
    reason = (
        f"`allowed_tools` does not cover this call of `{tool}`"
        if tool in rules
        else f"`{tool}` is not in `allowed_tools`"
    )
    return f"{reason}, and {NOBODY}"
