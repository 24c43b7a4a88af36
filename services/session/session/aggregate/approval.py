"""What a Session decides about the tools that its agent may use."""

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
from contracts.session.values import ApprovalOutcome

from session.aggregate.active_run import Run
from session.aggregate.state import State

NOT_INTERACTIVE = "Nobody is asked in a session that is not interactive."


class Approving(State):
    """A tool that nothing settles waits for a person; what was remembered, or nobody is there to say, is settled."""

    def request_approval(self, request: RequestApproval) -> ApprovalOutcome | None:
        """Ask whether the agent may use a tool; give the decision when that is settled without asking.

        Raises:
            Refusal: RUN_OVER, RUN_TAKEN.
        """
        run = self._run_of_worker(request.run_id, request.attempt)
        if remembered := self.remembered.get(request.tool_name):
            return remembered
        if self.mode == "non_interactive":
            return ApprovalOutcome(decision="denied", message=NOT_INTERACTIVE)
        self._record_all(run.request(request))
        outcomes = self._deliver(run, [request.approval_id])
        return outcomes[0] if outcomes else None

    def decide_approval(self, decided: DecideApproval, by: UUID, now: datetime) -> None:
        """Settle what the agent asked, in the name of a user.

        Raises:
            Refusal: APPROVAL_OVER: someone else was faster, or it is too late.
        """
        if self.run is None:
            raise Refusal(Code.APPROVAL_OVER, f"Approval {decided.approval_id} is settled: its run is over.")
        self._record_all(self.run.decide(decided, by, now))

    def expire_approval(self, approval_id: UUID) -> None:
        """Expire an approval at its due time. Records nothing if it was decided, or its run has ended."""
        approval = self.run.approvals.get(approval_id) if self.run else None
        if approval and approval.decision is None:
            self.record(approval.expired("Nobody answered in time."))

    def deliver_decisions(self, run_id: UUID, attempt: int, approval_ids: list[UUID]) -> list[ApprovalOutcome] | None:
        """Give the worker what was decided, all or nothing; None if one is not decided.

        A worker that did not hear the answer is given the same again.

        Raises:
            Refusal: RUN_OVER, RUN_TAKEN, or APPROVAL_NOT_FOUND.
        """
        run = self._run_of_worker(run_id, attempt)
        return self._deliver(run, approval_ids)

    def _deliver(self, run: Run, approval_ids: list[UUID]) -> list[ApprovalOutcome] | None:
        decided = [decision for each in approval_ids if (decision := run.awaited(each).decision)]
        if len(decided) < len(approval_ids):
            return None
        self._record_all(
            [DecisionDelivered(approval_id=each, run_id=run.id) for each in approval_ids if each in run.approvals]
        )
        return [ApprovalOutcome(decision=decision.decision, message=decision.message) for decision in decided]

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
