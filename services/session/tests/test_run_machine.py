"""A state machine test of runs: one at a time, none stuck, each accepted query ends once and in order."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

from contracts.refusals import Code, Refusal
from contracts.samples import SESSION, USER
from contracts.session import SessionEvent
from contracts.session.approval import (
    ApprovalDecided,
    ApprovalRequested,
    DecideApproval,
    DecisionDelivered,
    RequestApproval,
)
from contracts.session.conversation import MessageRecorded, RecordMessage, RecordToolResult
from contracts.session.quota import Allowance
from contracts.session.run import RunCancelled, RunCompleted, RunFailed, RunQueued, RunRequested, RunStarted
from contracts.session.values import ApprovalOutcome, OnBusy, Remember, SdkOptions, TextBlock, ToolUseBlock, Usage
from eventing.store.state import codec_of
from eventing.testing.specification import replayed
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from runtime.clock import new_id, now
from session.aggregate import Session
from session.aggregate.queue import MAX_QUEUE_LENGTH

IN_TIME = RequestApproval.example().expires_at - timedelta(seconds=1)
SOME = st.integers(min_value=0, max_value=1000)
ATTEMPT = st.sampled_from([1, 1, 1, 2])
COSTS = st.sampled_from([Decimal(0), Decimal("0.01"), Decimal("0.4")])


class Runs(RuleBasedStateMachine):
    """Users and workers that know only the accepted and the requested runs; some of their commands are late."""

    session: Session
    allowance = Allowance()
    """Whether the quotas of the owner allow a run."""

    @initialize(budget=st.sampled_from([None, 1.0]))
    def create(self, budget: float | None) -> None:
        self.session = Session(UUID(SESSION))
        self.session.create(UUID(USER), "one", "interactive", SdkOptions(max_budget_usd=budget))

    @rule(on_busy=st.sampled_from(["reject", "enqueue", "enqueue", "enqueue", "interrupt"]))
    def submit(self, on_busy: OnBusy) -> None:
        self.attempt(lambda: self.session.submit_query(new_id(), new_id(), "?", on_busy, self.allowance))

    @rule(some=SOME)
    def start_a_requested_run_maybe_again(self, some: int) -> None:
        self.attempt(lambda: self.session.start_run(self.some_run(self.requested, some)))

    @rule(some=SOME, attempt=ATTEMPT, tool=st.booleans())
    def record_message(self, some: int, attempt: int, tool: bool) -> None:
        run_id = self.some_run(self.requested, some)
        call = ToolUseBlock(id=str(run_id), tool_call_id=new_id(), name="T", input={})
        blocks = [call] if tool else [TextBlock(text="x")]
        changed = {"run_id": run_id, "attempt": attempt, "message_id": new_id(), "blocks": blocks}
        message = RecordMessage.example().model_copy(update=changed)
        self.work(run_id, attempt, lambda: self.session.record_message(message))

    @rule(some=SOME, attempt=ATTEMPT)
    def record_tool_result(self, some: int, attempt: int) -> None:
        run_id = self.some_run(self.requested, some)
        changed = {"run_id": run_id, "attempt": attempt, "tool_use_id": str(run_id)}
        result = RecordToolResult.example().model_copy(update=changed)
        self.work(run_id, attempt, lambda: self.session.record_tool_result(result))

    @rule(some=SOME, attempt=ATTEMPT)
    def request_approval(self, some: int, attempt: int) -> None:
        run_id = self.some_run(self.requested, some)
        changed = {"run_id": run_id, "attempt": attempt, "approval_id": new_id(), "tool_use_id": str(run_id)}
        request = RequestApproval.example().model_copy(update=changed)
        self.work(run_id, attempt, lambda: self.session.request_approval(request))

    @rule(some=SOME, attempt=ATTEMPT, number=st.integers(min_value=1, max_value=2))
    def deliver_maybe_again(self, some: int, attempt: int, number: int) -> None:
        approval = self.some_approval(some)
        if approval:
            ids = [event.approval_id for event in self.approvals if event.run_id == approval.run_id][-number:]
            outcomes = self.deliver(approval.run_id, attempt, ids)
            delivered = [event.approval_id for event in self.events if isinstance(event, DecisionDelivered)]
            assert outcomes is None or set(ids) <= set(delivered)
            before = len(self.events)
            assert self.deliver(approval.run_id, attempt, ids) == outcomes
            assert len(self.events) == before

    def deliver(self, run_id: UUID, attempt: int, ids: list[UUID]) -> list[ApprovalOutcome] | None:
        results: list[list[ApprovalOutcome] | None] = []
        self.work(run_id, attempt, lambda: results.append(self.session.deliver_decisions(run_id, attempt, ids)))
        return results[0] if results else None

    @rule(some=SOME, remember=st.sampled_from(["once", "once", "once", "session"]))
    def decide(self, some: int, remember: Remember) -> None:
        approval = self.some_approval(some)
        if approval:
            changed = {"approval_id": approval.approval_id, "decision": "approved", "remember": remember}
            decided = DecideApproval.example().model_copy(update=changed)
            self.attempt(lambda: self.session.decide_approval(decided, UUID(USER), IN_TIME))

    @rule(some=SOME)
    def expire(self, some: int) -> None:
        approval = self.some_approval(some)
        if approval:
            self.attempt(lambda: self.session.expire_approval(approval.approval_id))

    @rule(some=SOME, cost=COSTS, code=st.sampled_from([None, Code.MODEL_ERROR]), attempt=st.none() | ATTEMPT)
    def end(self, some: int, cost: Decimal, code: Code | None, attempt: int | None) -> None:
        usage, run_id, before = Usage(cost_usd=cost), self.some_run(self.requested, some), self.ended
        holder = self.attempt_of(run_id)
        self.attempt(lambda: self.session.end_run(run_id, usage, code, attempt=attempt))
        assert self.ended == before or attempt in (None, holder)

    @rule(some=SOME)
    def cancel(self, some: int) -> None:
        self.attempt(lambda: self.session.cancel_run(self.some_run(self.accepted, some)))

    @rule()
    def interrupt(self) -> None:
        self.attempt(self.session.interrupt)

    @rule()
    def pause(self) -> None:
        self.attempt(self.session.pause)

    @rule()
    def resume(self) -> None:
        self.attempt(self.session.resume)

    @rule(slot_is_free=st.booleans(), is_next=st.booleans())
    def change_allowance(self, slot_is_free: bool, is_next: bool) -> None:
        self.allowance = Allowance(slot_is_free=slot_is_free, is_next=is_next)
        self.attempt(lambda: None)

    @precondition(lambda self: len(self.session.pending) > 20)
    @rule()
    def delete(self) -> None:
        self.attempt(self.session.delete)

    @invariant()
    def at_most_one_run_is_active(self) -> None:
        assert len(self.active) <= 1

    @invariant()
    def a_run_is_queued_only_behind_others_or_in_a_pause(self) -> None:
        waiting = set(self.accepted) - set(self.requested) - set(self.ended)
        assert not waiting or self.active or self.session.queue.paused or not self.allowance.may_start
        assert len(waiting) <= MAX_QUEUE_LENGTH

    @invariant()
    def every_run_is_accepted_before_it_ends_once(self) -> None:
        assert max(Counter(self.ended).values(), default=0) <= 1
        assert max(Counter(self.requested).values(), default=0) <= 1
        assert set(self.ended) <= set(self.accepted)

    @invariant()
    def an_approval_is_decided_once_and_ends_with_its_run(self) -> None:
        decided = Counter(event.approval_id for event in self.events if isinstance(event, ApprovalDecided))
        assert max(decided.values(), default=0) <= 1
        assert all(approval.run_id in self.active for approval in self.approvals if approval.approval_id not in decided)

    @invariant()
    def queued_runs_start_in_order(self) -> None:
        queued = [event.run_id for event in self.events if isinstance(event, RunQueued)]
        started = [run_id for run_id in self.requested if run_id in queued]
        assert started == [run_id for run_id in queued if run_id in started]

    @invariant()
    def messages_are_numbered_without_gaps(self) -> None:
        numbers = [event.sequence_number for event in self.events if isinstance(event, RunRequested | MessageRecorded)]
        assert numbers == [*range(1, len(numbers) + 1)]

    def teardown(self) -> None:
        """Finish all requested runs: then every query holder ended, and a replay equals the live state."""
        if not self.session.deleted:
            self.session.resume()
            self.session.start_next()
            while self.active:
                [run_id] = self.active
                self.session.end_run(run_id, Usage())
                self.session.start_next()
        assert sorted(self.ended) == sorted(self.accepted)
        again = replayed(self.session)
        restored = Session(again.id)
        codec_of(Session).restore(restored, again.version, now(), codec_of(Session).dump(again))
        assert {**vars(restored), "modified_on": again.modified_on} == vars(again)
        for live in (self.session, again):
            live.pending.clear()
        assert {**vars(again), "version": 0} == {**vars(self.session), "version": 0, "modified_on": again.modified_on}

    @property
    def events(self) -> list[SessionEvent]:
        return self.session.pending

    @property
    def accepted(self) -> list[UUID]:
        return [*dict.fromkeys(event.run_id for event in self.events if isinstance(event, RunQueued | RunRequested))]

    @property
    def requested(self) -> list[UUID]:
        return [event.run_id for event in self.events if isinstance(event, RunRequested)]

    @property
    def ended(self) -> list[UUID]:
        return [event.run_id for event in self.events if isinstance(event, RunCompleted | RunFailed | RunCancelled)]

    @property
    def approvals(self) -> list[ApprovalRequested]:
        return [event for event in self.events if isinstance(event, ApprovalRequested)]

    @property
    def active(self) -> set[UUID]:
        return set(self.requested) - set(self.ended)

    def some_approval(self, some: int) -> ApprovalRequested | None:
        return self.approvals[-1 - some % min(len(self.approvals), 4)] if self.approvals else None

    def some_run(self, runs: list[UUID], some: int) -> UUID:
        # Counted from the end, so that commands for the current run are as likely as late ones.
        return runs[-1 - some % min(len(runs), 4)] if runs else new_id()

    def attempt_of(self, run_id: UUID) -> int:
        """Return the attempt of the worker that holds the run, 0 if there is none."""
        started = [event.attempt for event in self.events if isinstance(event, RunStarted) and event.run_id == run_id]
        return started[-1] if started and run_id in self.active else 0

    def work(self, run_id: UUID, attempt: int, act: Callable[[], object]) -> None:
        """Act as a worker; one that does not hold the run must change nothing."""
        holder, before = self.attempt_of(run_id), len(self.events)
        self.attempt(act)
        assert len(self.events) == before or holder == attempt

    def attempt(self, act: Callable[[], object]) -> None:
        before = len(self.events)
        if self.session.deleted:  # a deleted session is never loaded
            return
        try:
            act()
        except Refusal:
            assert len(self.events) == before
        if self.session.could_start_next and not self.session.deleted:
            self.session.start_next(self.allowance)


Runs.TestCase.settings = settings(stateful_step_count=50)
TestRuns = Runs.TestCase
