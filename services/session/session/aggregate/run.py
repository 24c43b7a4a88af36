"""The decisions of a Session about its runs: the active one, and those that wait."""

from typing import assert_never
from uuid import UUID

from contracts.refusals import Code, Refusal
from contracts.session.quota import Allowance
from contracts.session.release import RunContinued, RunReleased, RunResumed
from contracts.session.run import (
    RunCancelled,
    RunCompleted,
    RunEvent,
    RunFailed,
    RunQueued,
    RunRequested,
    RunStarted,
    UsageRecorded,
)
from contracts.session.settling import OutcomesUnknown
from contracts.session.values import CancelReason, Json, OnBusy, ReleaseReason, Usage

from session.aggregate.active_run import Run
from session.aggregate.queue import BUDGET_REACHED, requested
from session.aggregate.state import State

ALLOWED, NOTHING = Allowance(), Usage()
INTERRUPTED = "The run has lost its worker or its agent too often, or without progress."
MAX_UNBILLED_RUNS = 20
"""The number of cancelled or interrupted runs, the newest, whose usage is still recorded if it is reported later."""

MAX_CANCELLED_IN_ADVANCE = 20
"""The number of runs, the newest, that are kept because they were cancelled before they were submitted. Each attempt of
an execution has a session of its own, with one run."""


class Running(State):
    """The runs of a session, of which at most one is active; commands for a run that is over are refused.

    The events that end a run also expire its open approvals. `start_next` requests the next run, in the same append. So
    between two commands queries wait only while a run is active, the session is paused, or the quotas of its owner do
    not allow another run.
    """

    def submit_query(
        self,
        run_id: UUID,
        message_id: UUID,
        message: str,
        on_busy: OnBusy = "reject",
        allowance: Allowance = ALLOWED,
    ) -> None:
        """Submit a query, which starts a run, or waits until the quotas of the session's owner allow one.

        If another run is active or waits, `enqueue` makes the query wait, and `interrupt` cancels an active run and
        goes before all waiting queries if a run may start. In a paused session it can only be enqueued.

        Raises:
            Refusal: SESSION_NOT_READY, SESSION_ARCHIVED, BUDGET_EXCEEDED, QUOTA_EXCEEDED, SESSION_PAUSED, QUEUE_FULL;
                SESSION_BUSY if another run is active or waits; RUN_OVER if the run was cancelled in advance.
        """
        self.check_ready()
        if run_id in self.cancelled_in_advance:
            raise Refusal(Code.RUN_OVER, f"Run {run_id} was cancelled before it was submitted.")
        self._check_budget(allowance)
        query = RunQueued(run_id=run_id, message_id=message_id, message=message)
        if on_busy == "enqueue" and (self.run or self.queue.waiting or self.queue.paused):
            self.record(self.queue.enqueue(query))
            return
        if self.queue.paused:
            raise Refusal(Code.SESSION_PAUSED, "The session is paused: resume it, or enqueue the query.")
        may_start = allowance.may_start
        if on_busy == "interrupt":
            may_start = allowance.slot_is_free  # the run that is cancelled makes room, and does not leave it to others
            if self.run:
                self._cancel(self.run.id, "interrupted")
        else:
            self._check_not_busy()
        self.record(requested(query, self.messages + 1) if may_start else self.queue.enqueue(query))

    def start_next(self, allowance: Allowance = ALLOWED) -> None:
        """Start the first waiting query's run if no run is active and the session is not paused.

        Without budget it fails, and so do those behind it.
        """
        while not self.run and (event := self.queue.next_event(self.messages + 1, allowance)):
            self.record(event)

    @property
    def could_start_next(self) -> bool:
        """Whether `start_next` starts a run if the quotas allow it."""
        return bool(self.queue.waiting and not self.run and not self.queue.paused)

    def start_run(self, run_id: UUID, model: str | None = None, lost: Usage = NOTHING, *, died: bool = False) -> None:
        """Start the run on a worker, or continue one whose worker is dead, or has lost its agent, which has `died`.

        What was `lost` with that worker is added to its usage. If the agent was only waiting for approvals, it has to
        make its calls again. `model` is what its usage is attributed to. A released run starts once its approvals are
        decided, not for an event before that.

        Raises:
            Refusal: RUN_OVER, RUN_TAKEN.
        """
        run = self._active_run(run_id)
        if run.released and not run.awaits_worker:
            raise Refusal(Code.RUN_TAKEN, f"Run {run_id} waits for approvals without a worker.")
        if run.started and not run.may_continue:
            self.end_run(run_id, lost, Code.RUN_INTERRUPTED, INTERRUPTED)
            return
        if run.only_awaits_approval:
            self._record_all(run.calls_to_repeat())
        usage = run.used + lost if lost != NOTHING else None
        reason, attempt = run.resume_reason(died=died), run.attempt + 1
        self.record(RunStarted(run_id=run_id, attempt=attempt, model=model, usage=usage))
        if reason:
            self.record(RunResumed(run_id=run_id, attempt=attempt, reason=reason))

    def end_run(
        self,
        run_id: UUID,
        usage: Usage,
        error_code: Code | None = None,
        error_detail: str = "",
        structured_output: Json = None,
        attempt: int | None = None,
    ) -> None:
        """End the run, successfully or with an error.

        `attempt` is that of the worker which ends the run; without one, the run has lost its worker. If the run was
        ended without its agent before, only its usage is recorded.

        Raises:
            Refusal: RUN_OVER, RUN_TAKEN.
        """
        if attempt and self.record_usage(run_id, usage, attempt):
            return
        run = self._active_run(run_id) if attempt is None else self._run_of_worker(run_id, attempt)
        self._record_all(run.events_before_end())
        total = run.used + usage
        if error_code is None:
            self.record(RunCompleted(run_id=run_id, usage=total, structured_output=structured_output))
        else:
            self.record(RunFailed(run_id=run_id, error_code=error_code, error_detail=error_detail, usage=total))

    def release_run(self, run_id: UUID, usage: Usage, attempt: int, reason: ReleaseReason = "approval") -> None:
        """Release a run whose agent has ended while it only waited for approvals, or for a `handover`.

        Another worker is requested at once unless approvals have to be decided first. A run that did more than wait,
        and is not handed over, is interrupted. If it was ended meanwhile, only its usage is recorded.

        Raises:
            Refusal: RUN_OVER, RUN_TAKEN.
        """
        if self.record_usage(run_id, usage, attempt):
            return
        run = self._run_of_worker(run_id, attempt)
        if run.only_awaits_approval or reason == "handover":
            self.record(RunReleased(run_id=run_id, usage=run.used + usage, reason=reason))
            self._continue_released()
        else:
            self.end_run(run_id, usage, Code.RUN_INTERRUPTED, INTERRUPTED, attempt=attempt)

    def record_usage(self, run_id: UUID, usage: Usage, attempt: int) -> bool:
        """Record what a run had used when it was ended without its agent; return whether that was not known yet."""
        is_new = self.unbilled.get(run_id) == attempt and usage != Usage()
        if is_new:
            self.record(UsageRecorded(run_id=run_id, usage=usage))
        return is_new

    def has_open_run(self, run_id: UUID) -> bool:
        """Return whether a run waits or is active."""
        return run_id in self.queue.waiting or (self.run is not None and self.run.id == run_id)

    def cancel_run(self, run_id: UUID) -> None:
        """Cancel a waiting or active run.

        Raises:
            Refusal: RUN_OVER.
        """
        if run_id not in self.queue.waiting:
            self._active_run(run_id)
        self._cancel(run_id, "requested")

    def cancel_in_advance(self, run_id: UUID) -> None:
        """Cancel a run that was not submitted yet, so that it never will be. Records nothing if that was done."""
        if run_id not in self.cancelled_in_advance:
            self.record(RunCancelled(run_id=run_id, reason="requested", usage=Usage()))

    def interrupt(self) -> None:
        """Cancel the active run.

        Raises:
            Refusal: NOTHING_TO_INTERRUPT.
        """
        if self.run is None:
            raise Refusal(Code.NOTHING_TO_INTERRUPT, "The session has no active run.")
        self._cancel(self.run.id, "interrupted")

    def _cancel(self, run_id: UUID, reason: CancelReason) -> None:
        usage = Usage()
        if self.run and self.run.id == run_id:
            usage = self.run.used
            self._record_all(self.run.events_before_end())
        self.record(RunCancelled(run_id=run_id, reason=reason, usage=usage))

    def _check_budget(self, allowance: Allowance) -> None:
        if self.queue.budget_spent:
            raise Refusal(Code.BUDGET_EXCEEDED, BUDGET_REACHED)
        if allowance.refused:
            raise allowance.refused.refusal()

    def _check_not_busy(self) -> None:
        if self.run or self.queue.waiting:
            busy = f"with run {self.run.id}" if self.run else "with queued runs"
            how = 'Wait for it, or send "on_busy": "enqueue" or "interrupt".'
            raise Refusal(Code.SESSION_BUSY, f"The session is busy {busy}. {how}")

    def apply_run(self, event: RunEvent) -> None:
        """Fold one event of a run, or of the queue."""
        match event:
            case RunQueued():
                self.queue.apply_queued(event)
            case RunRequested():
                self.queue.apply_removed(event.run_id)
                self.run = Run(event.run_id)
                self.messages = event.sequence_number
            case RunStarted():
                self._active_run(event.run_id).apply_start(event)
            case RunReleased():
                self._active_run(event.run_id).apply_release(event)
            case RunContinued() | RunResumed():
                pass  # what counts is the start by a worker
            case OutcomesUnknown():
                self._active_run(event.run_id).uncertain.apply_unknown(event.calls)
            case RunCompleted() | RunFailed() | RunCancelled():
                self._apply_end(event)
            case UsageRecorded():
                self.unbilled.pop(event.run_id, None)
                self.queue.spent_usd += event.usage.cost_usd
            case _:
                assert_never(event)

    def _apply_end(self, event: RunCompleted | RunFailed | RunCancelled) -> None:
        is_active = self.run is not None and self.run.id == event.run_id
        if not is_active and event.run_id not in self.queue.waiting:
            self.cancelled_in_advance = [*self.cancelled_in_advance, event.run_id][-MAX_CANCELLED_IN_ADVANCE:]
            return
        if self.run and is_active:
            if self.run.started and not self.run.released and event.usage == self.run.used:
                self.unbilled[event.run_id] = self.run.attempt
                for oldest in list(self.unbilled)[:-MAX_UNBILLED_RUNS]:
                    del self.unbilled[oldest]
            self.run = None
        self.queue.apply_removed(event.run_id)
        self.queue.spent_usd += event.usage.cost_usd
