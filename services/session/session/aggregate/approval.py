"""What a Session decides about the tools that its agent may use."""

from datetime import datetime
from uuid import UUID

from contracts.refusals import Code, Refusal
from contracts.session.approval import DecideApproval, DecisionDelivered, RequestApproval
from contracts.session.values import Ruling

from session.aggregate.active_run import Run
from session.aggregate.state import State

NOBODY_TO_ASK = "Nobody is asked in a session that is not interactive."


class Approving(State):
    """A tool that nothing settles waits for a person; what was remembered, or nobody is there to say, is settled."""

    def request_approval(self, wanted: RequestApproval) -> Ruling | None:
        """Ask whether the agent may use a tool; give the ruling when that is settled without asking.

        Raises:
            Refusal: RUN_OVER, RUN_TAKEN.
        """
        run = self._worked_on(wanted.run_id, wanted.attempt)
        if remembered := self.remembered.get(wanted.tool_name):
            return remembered
        if self.mode == "non_interactive":
            return Ruling(decision="denied", message=NOBODY_TO_ASK)
        self._record_all(run.request(wanted))
        rulings = self._deliver(run, [wanted.approval_id])
        return rulings[0] if rulings else None

    def decide_approval(self, decided: DecideApproval, by: UUID, now: datetime) -> None:
        """Settle what the agent asked, in the name of a user.

        Raises:
            Refusal: APPROVAL_NOT_FOUND, or APPROVAL_OVER: someone else was faster, or it is too late.
        """
        if over := self.decided.get(decided.approval_id):
            who = f" by user {over.decided_by}" if over.decided_by else ""
            raise Refusal(Code.APPROVAL_OVER, f"Approval {over.approval_id} was {over.decision} already{who}.")
        if self.run is None or decided.approval_id not in self.run.approvals:
            raise Refusal(Code.APPROVAL_NOT_FOUND, f"There is no approval {decided.approval_id}.")
        self._record_all(self.run.decide(decided, by, now))

    def deliver_decisions(
        self, run_id: UUID, attempt: int, approval_ids: list[UUID], now: datetime
    ) -> list[Ruling] | None:
        """Give the worker what was decided, all or nothing; None if one is not decided, and there is still time.

        A worker that did not hear the answer is given the same again.

        Raises:
            Refusal: RUN_OVER, RUN_TAKEN, or APPROVAL_NOT_FOUND.
        """
        run = self._worked_on(run_id, attempt)
        for approval in [run.awaited(approval_id) for approval_id in approval_ids]:
            if approval.ruling is None and now >= approval.asked.expires_at:
                self.record(approval.expired("Nobody answered in time."))
        return self._deliver(run, approval_ids)

    def _deliver(self, run: Run, approval_ids: list[UUID]) -> list[Ruling] | None:
        decided = [ruling for each in approval_ids if (ruling := run.awaited(each).ruling)]
        if len(decided) < len(approval_ids):
            return None
        self._record_all(
            [DecisionDelivered(approval_id=each, run_id=run.id) for each in approval_ids if each in run.approvals]
        )
        return [Ruling(decision=ruling.decision, message=ruling.message) for ruling in decided]
