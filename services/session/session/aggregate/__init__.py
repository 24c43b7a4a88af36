"""Session: one conversation with an agent, and the run that is going in it, if any."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, assert_never
from uuid import UUID

from contracts.refusals import Code, Refusal
from contracts.session.commands import DecideApproval, RequestApproval
from contracts.session.events import (
    ApprovalDecided,
    ApprovalRequested,
    DecisionDelivered,
    MessageRecorded,
    RunCompleted,
    RunFailed,
    RunRequested,
    RunStarted,
    SessionCreated,
    SessionDeleted,
    SessionFact,
    ToolCallEnded,
    ToolCallStarted,
)
from contracts.session.values import Block, Mode, Ruling, SdkOptions, ToolUseBlock, Usage
from eventing.aggregate import Aggregate

from session.aggregate.run import Run

NOBODY_TO_ASK = "Nobody is asked in a session that is not interactive."


class Session(Aggregate[SessionFact]):
    """At most one run goes at a time; what comes for a run that is over is refused."""

    user_id: UUID

    def __init__(self, id: UUID) -> None:  # noqa: A002  the field's name
        super().__init__(id)
        self.deleted = False
        self.messages = 0
        self.run: Run | None = None
        self.mode: Mode = "interactive"
        self.remembered: dict[str, Ruling] = {}
        self.decided: dict[UUID, ApprovalDecided] = {}

    def create(self, user_id: UUID, name: str, mode: Mode, sdk_options: SdkOptions) -> None:
        """Open the session for a user."""
        self.record(SessionCreated(user_id=user_id, name=name, mode=mode, sdk_options=sdk_options))

    def submit_query(self, run_id: UUID, message_id: UUID, message: str) -> None:
        """Ask the agent something.

        Raises:
            Refusal: SESSION_BUSY, another run is going.
        """
        if self.run:
            raise Refusal(Code.SESSION_BUSY, f"The session is busy with run {self.run.id}.")
        number = self.messages + 1
        self.record(RunRequested(run_id=run_id, message_id=message_id, sequence_number=number, message=message))

    def start_run(self, run_id: UUID) -> None:
        """Let a worker take the run up.

        A run that was started before is failed: a run is handed out again only when its worker is gone, and what its
        agent did outside cannot be undone by doing it twice. One whose agent only waited for approvals goes on.

        Raises:
            Refusal: RUN_OVER.
        """
        run = self._going(run_id)
        if run.started and not run.only_waits:
            self.end_run(run_id, Usage(), Code.RUN_INTERRUPTED, "The service went down during the run.")
            return
        self._record_all(run.interrupted_calls())
        self.record(RunStarted(run_id=run_id, attempt=run.attempt + 1))

    def record_message(self, run_id: UUID, message_id: UUID, blocks: list[Block], model: str) -> None:
        """Take down what the agent said, and the tool calls in it.

        Raises:
            Refusal: RUN_OVER.
        """
        self._going(run_id)
        self.record(
            MessageRecorded(
                run_id=run_id,
                message_id=message_id,
                sequence_number=self.messages + 1,
                blocks=blocks,
                model=model,
            )
        )
        for block in blocks:
            if isinstance(block, ToolUseBlock):
                self.record(
                    ToolCallStarted(
                        run_id=run_id,
                        tool_call_id=block.tool_call_id,
                        tool_use_id=block.id,
                        tool_name=block.name,
                        tool_input=block.input,
                    )
                )

    def record_tool_result(
        self, run_id: UUID, tool_use_id: str, output: dict[str, Any], is_error: bool, duration_ms: int
    ) -> None:
        """Take down how a tool call ended; one that is not under way is ignored.

        Raises:
            Refusal: RUN_OVER.
        """
        tool_call_id = self._going(run_id).tool_calls.get(tool_use_id)
        if tool_call_id:
            self.record(
                ToolCallEnded(
                    run_id=run_id,
                    tool_call_id=tool_call_id,
                    tool_use_id=tool_use_id,
                    status="error" if is_error else "success",
                    tool_output=output,
                    duration_ms=duration_ms,
                )
            )

    def end_run(self, run_id: UUID, usage: Usage, error_code: Code | None = None, error_detail: str = "") -> None:
        """End the run, with an answer or with an error; tool calls under way are interrupted, open approvals expire.

        Raises:
            Refusal: RUN_OVER.
        """
        run = self._going(run_id)
        self._record_all([a.expired("The run ended.") for a in run.approvals.values() if a.ruling is None])
        self._record_all(run.interrupted_calls())
        if error_code is None:
            self.record(RunCompleted(run_id=run_id, usage=usage))
        else:
            self.record(RunFailed(run_id=run_id, error_code=error_code, error_detail=error_detail, usage=usage))

    def delete(self) -> None:
        """End the session for good, and the run that is going."""
        if self.run:
            self.end_run(self.run.id, Usage(), Code.RUN_CANCELLED, "The session was deleted.")
        self.record(SessionDeleted(user_id=self.user_id))

    def request_approval(self, wanted: RequestApproval) -> Ruling | None:
        """Ask whether the agent may use a tool; give the ruling when that is settled without asking.

        Raises:
            Refusal: RUN_OVER.
        """
        run = self._worked_on(wanted.run_id, wanted.attempt)
        if remembered := self.remembered.get(wanted.tool_name):
            return remembered
        if self.mode == "non_interactive":
            return Ruling(decision="denied", message=NOBODY_TO_ASK)
        granted = run.grant(wanted.tool_name, wanted.tool_input)
        self.record(
            ApprovalRequested(
                approval_id=wanted.approval_id,
                run_id=run.id,
                tool_call_id=run.tool_calls.get(wanted.tool_use_id),
                tool_use_id=wanted.tool_use_id,
                tool_name=wanted.tool_name,
                tool_input=wanted.tool_input,
                expires_at=wanted.expires_at,
            )
        )
        if granted is None or granted.ruling is None:
            return None
        again, before = run.approvals[wanted.approval_id], granted.ruling
        self.record(again.decided(before.decision, before.decided_by, before.message, "once"))
        return self._deliver(run, wanted.approval_id)

    def decide_approval(self, decided: DecideApproval, by: UUID, now: datetime) -> None:
        """Settle what the agent asked, in the name of a user.

        Raises:
            Refusal: APPROVAL_NOT_FOUND, or APPROVAL_OVER: someone else was faster, or it is too late.
        """
        if over := self.decided.get(decided.approval_id):
            who = f" by user {over.decided_by}" if over.decided_by else ""
            raise Refusal(Code.APPROVAL_OVER, f"Approval {over.approval_id} was {over.decision} already{who}.")
        approval = self.run and self.run.approvals.get(decided.approval_id)
        if self.run is None or approval is None:
            raise Refusal(Code.APPROVAL_NOT_FOUND, f"There is no approval {decided.approval_id}.")
        if now >= approval.asked.expires_at:
            raise Refusal(Code.APPROVAL_OVER, f"Approval {decided.approval_id} has expired.")
        alike = self.run.open_for(approval.asked.tool_name) if decided.remember == "session" else [approval]
        self._record_all([each.decided(decided.decision, by, decided.message, decided.remember) for each in alike])

    def deliver_decision(self, run_id: UUID, attempt: int, approval_id: UUID, now: datetime) -> Ruling | None:
        """Give the worker what was decided; None if nothing is, and there is still time.

        Raises:
            Refusal: RUN_OVER, or APPROVAL_NOT_FOUND.
        """
        run = self._worked_on(run_id, attempt)
        approval = run.approvals.get(approval_id)
        if approval is None:
            raise Refusal(Code.APPROVAL_NOT_FOUND, f"No agent waits for approval {approval_id}.")
        if approval.ruling is None and now >= approval.asked.expires_at:
            self.record(approval.expired("Nobody answered in time."))
        return self._deliver(run, approval_id) if approval.ruling else None

    def _deliver(self, run: Run, approval_id: UUID) -> Ruling:
        decided = self.decided[approval_id]
        self.record(DecisionDelivered(approval_id=approval_id, run_id=run.id))
        return Ruling(decision=decided.decision, message=decided.message)

    def _worked_on(self, run_id: UUID, attempt: int) -> Run:
        run = self._going(run_id)
        if run.attempt != attempt:
            raise Refusal(Code.RUN_OVER, f"Another worker has run {run_id}.")
        return run

    def _record_all(self, facts: Sequence[SessionFact]) -> None:
        for fact in facts:
            self.record(fact)

    def _going(self, run_id: UUID) -> Run:
        if self.run is None or self.run.id != run_id:
            raise Refusal(Code.RUN_OVER, f"Run {run_id} is over.")
        return self.run

    def apply(self, fact: SessionFact) -> None:  # noqa: C901  one case a fact
        """Fold one fact."""
        match fact:
            case SessionCreated():
                self.user_id, self.mode = fact.user_id, fact.mode
            case RunRequested():
                self.run = Run(fact.run_id)
                self.messages = fact.sequence_number
            case RunStarted():
                run = self._going(fact.run_id)
                run.started, run.attempt = True, fact.attempt
            case MessageRecorded():
                self.messages = fact.sequence_number
            case ToolCallStarted():
                self._going(fact.run_id).tool_calls[fact.tool_use_id] = fact.tool_call_id
            case ToolCallEnded():
                self._going(fact.run_id).tool_calls.pop(fact.tool_use_id, None)
            case ApprovalRequested():
                self._going(fact.run_id).wait_for(fact)
            case ApprovalDecided():
                tool_name = self._going(fact.run_id).settle(fact)
                self.decided[fact.approval_id] = fact
                if fact.remember == "session":
                    self.remembered[tool_name] = Ruling(decision=fact.decision, message=fact.message)
            case DecisionDelivered():
                self._going(fact.run_id).hand_over(fact.approval_id)
            case RunCompleted() | RunFailed():
                self.run = None
            case SessionDeleted():
                self.deleted = True
            case _:
                assert_never(fact)
