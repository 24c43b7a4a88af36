"""Session: one conversation with an agent, the run that is going in it, if any, and those that wait."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, assert_never
from uuid import UUID

from contracts.refusals import Code, Refusal
from contracts.session.approvals import (
    ApprovalDecided,
    ApprovalRequested,
    DecideApproval,
    DecisionDelivered,
    RequestApproval,
)
from contracts.session.events import (
    MessageRecorded,
    RunCancelled,
    RunCompleted,
    RunFailed,
    RunQueued,
    RunRequested,
    RunStarted,
    SessionCreated,
    SessionDeleted,
    SessionFact,
    SessionPaused,
    SessionResumed,
    ToolCallEnded,
    ToolCallStarted,
)
from contracts.session.values import Block, CancelReason, Mode, OnBusy, Ruling, SdkOptions, Usage
from eventing.aggregate import Aggregate

from session.aggregate.queue import NO_MONEY_LEFT, Queue, requested
from session.aggregate.run import Run

NOBODY_TO_ASK = "Nobody is asked in a session that is not interactive."


class Session(Aggregate[SessionFact]):
    """At most one run goes at a time; what comes for a run that is over is refused.

    A run that ends lets its open approvals expire and the next run begin in the same breath: between two commands runs
    wait only behind one that is going, or in a session that is paused.
    """

    user_id: UUID

    def __init__(self, id: UUID) -> None:  # noqa: A002  the field's name
        super().__init__(id)
        self.deleted = False
        self.messages = 0
        self.run: Run | None = None
        self.queue = Queue()
        self.over: set[UUID] = set()
        self.mode: Mode = "interactive"
        self.remembered: dict[str, Ruling] = {}
        self.decided: dict[UUID, ApprovalDecided] = {}

    @property
    def owner(self) -> UUID:
        """Who opened it."""
        return self.user_id

    def create(self, user_id: UUID, name: str, mode: Mode, sdk_options: SdkOptions) -> None:
        """Open the session for a user."""
        self.record(SessionCreated(user_id=user_id, name=name, mode=mode, sdk_options=sdk_options))

    def submit_query(self, run_id: UUID, message_id: UUID, message: str, on_busy: OnBusy = "reject") -> None:
        """Ask the agent something; an `enqueue` waits for its turn, an `interrupt` goes before all that wait.

        Raises:
            Refusal: BUDGET_EXCEEDED, SESSION_PAUSED, SESSION_BUSY when another run is going, QUEUE_FULL.
        """
        if self.queue.money_used_up:
            raise Refusal(Code.BUDGET_EXCEEDED, NO_MONEY_LEFT)
        query = RunQueued(run_id=run_id, message_id=message_id, message=message)
        if on_busy == "enqueue" and (self.run or self.queue.paused):
            self.record(self.queue.take(query))
            return
        if self.queue.paused:
            raise Refusal(Code.SESSION_PAUSED, "The session is paused: resume it, or enqueue the query.")
        if self.run and on_busy == "reject":
            raise Refusal(Code.SESSION_BUSY, f"The session is busy with run {self.run.id}.")
        if self.run:
            self._cancel(self.run.id, "interrupted")
        self.record(requested(query, self.messages + 1))

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
        run = self._going(run_id)
        number = self.messages + 1
        said = MessageRecorded(run_id=run_id, message_id=message_id, sequence_number=number, blocks=blocks, model=model)
        self.record(said)
        self._record_all(run.calls(blocks))

    def record_tool_result(
        self, run_id: UUID, tool_use_id: str, output: dict[str, Any], is_error: bool, duration_ms: int
    ) -> None:
        """Take down how a tool call ended; one that is not under way is ignored.

        Raises:
            Refusal: RUN_OVER.
        """
        if ended := self._going(run_id).returned(tool_use_id, output, is_error, duration_ms):
            self.record(ended)

    def end_run(self, run_id: UUID, usage: Usage, error_code: Code | None = None, error_detail: str = "") -> None:
        """End the run, with an answer or with an error, and what was open in it; the next one follows.

        Raises:
            Refusal: RUN_OVER.
        """
        self._record_all(self._going(run_id).ending())
        if error_code is None:
            self.record(RunCompleted(run_id=run_id, usage=usage))
        else:
            self.record(RunFailed(run_id=run_id, error_code=error_code, error_detail=error_detail, usage=usage))
        self._go_on()

    def cancel_run(self, run_id: UUID) -> None:
        """End a run that waits or goes; the next one follows.

        Raises:
            Refusal: RUN_OVER, RUN_NOT_FOUND.
        """
        if run_id in self.over:
            raise Refusal(Code.RUN_OVER, f"Run {run_id} is over.")
        if run_id not in self.queue.waiting and not (self.run and self.run.id == run_id):
            raise Refusal(Code.RUN_NOT_FOUND, f"There is no run {run_id} in session {self.id}.")
        self._cancel(run_id, "requested")
        self._go_on()

    def interrupt(self) -> None:
        """End the run that is going; the next one follows.

        Raises:
            Refusal: NOTHING_TO_INTERRUPT.
        """
        if self.run is None:
            raise Refusal(Code.NOTHING_TO_INTERRUPT, "No run is going in the session.")
        self._cancel(self.run.id, "interrupted")
        self._go_on()

    def pause(self) -> None:
        """Let no further run begin; nothing happens when that is so already."""
        if not self.queue.paused:
            self.record(SessionPaused())

    def resume(self) -> None:
        """Let runs begin again, those that wait first; nothing happens when the session is not paused."""
        if self.queue.paused:
            self.record(SessionResumed())
            self._go_on()

    def delete(self) -> None:
        """End the session for good, the run that is going, and those that wait."""
        for run_id in [*([self.run.id] if self.run else []), *self.queue.waiting]:
            self._cancel(run_id, "session_deleted")
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
        self._record_all(run.request(wanted))
        return self._deliver(run, wanted.approval_id)

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
        return self._deliver(run, approval_id)

    def _deliver(self, run: Run, approval_id: UUID) -> Ruling | None:
        decided = run.approvals[approval_id].ruling
        if decided is None:
            return None
        self.record(DecisionDelivered(approval_id=approval_id, run_id=run.id))
        return Ruling(decision=decided.decision, message=decided.message)

    def _cancel(self, run_id: UUID, reason: CancelReason) -> None:
        if self.run and self.run.id == run_id:
            self._record_all(self.run.ending())
        self.record(RunCancelled(run_id=run_id, reason=reason, usage=Usage()))

    def _go_on(self) -> None:
        while not self.run and (turn := self.queue.turn(self.messages + 1)):
            self.record(turn)

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

    def _ended(self, run_id: UUID, usage: Usage) -> None:
        if self.run and self.run.id == run_id:
            self.run = None
        self.queue.leave(run_id)
        self.queue.spent_usd += usage.cost_usd
        self.over.add(run_id)

    def apply(self, fact: SessionFact) -> None:  # noqa: C901  one case a fact
        """Fold one fact."""
        match fact:
            case SessionCreated():
                self.user_id, self.mode = fact.user_id, fact.mode
                self.queue.allow(fact.sdk_options.max_budget_usd)
            case RunQueued():
                self.queue.join(fact)
            case RunRequested():
                self.queue.leave(fact.run_id)
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
            case RunCompleted() | RunFailed() | RunCancelled():
                self._ended(fact.run_id, fact.usage)
            case SessionPaused():
                self.queue.paused = True
            case SessionResumed():
                self.queue.paused = False
            case SessionDeleted():
                self.deleted = True
            case _:
                assert_never(fact)
