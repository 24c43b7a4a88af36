"""The queue of runs: cancellation, interruption, pause and budget."""

from collections.abc import Callable
from decimal import Decimal
from uuid import UUID

import pytest
from contracts.refusals import Code
from contracts.samples import MESSAGE, SESSION, USER
from contracts.session import SessionEvent
from contracts.session.archive import ArchiveRequested
from contracts.session.conversation import MessageRecorded, ToolCallEnded, ToolCallStarted
from contracts.session.fork import SessionForked
from contracts.session.quota import Allowance
from contracts.session.run import (
    RunCancelled,
    RunCompleted,
    RunFailed,
    RunQueued,
    RunRequested,
    RunStarted,
    UsageRecorded,
)
from contracts.session.session import SessionCreated, SessionDeleted, SessionPaused, SessionResumed
from contracts.session.values import CancelReason, OnBusy, Usage
from eventing.testing.specification import Given
from runtime.clock import new_id
from session.aggregate import Session
from session.aggregate.queue import MAX_QUEUE_LENGTH
from session.aggregate.run import ALLOWED, MAX_CANCELLED_IN_ADVANCE

CREATED, REQUESTED, STARTED = SessionCreated.example(), RunRequested.example(), RunStarted.example()
PAUSED, RESUMED = SessionPaused(), SessionResumed()
COMPLETED = RunCompleted(run_id=REQUESTED.run_id, usage=Usage())
RUN_ID = REQUESTED.run_id
TWO, THREE = new_id(), new_id()


def then_next(act: Callable[[Session], None], allowance: Allowance = ALLOWED) -> Callable[[Session], None]:
    """Return what handlers do: act on the session, and start its next run."""

    def both(session: Session) -> None:
        act(session)
        session.start_next(allowance)

    return both


def session(*events: SessionEvent) -> Given[Session]:
    return Given(Session(UUID(SESSION)), CREATED, *events)


def queued(run_id: UUID) -> RunQueued:
    return RunQueued(run_id=run_id, message_id=UUID(MESSAGE), message="Hello")


def requested(run_id: UUID, number: int = 2) -> RunRequested:
    return RunRequested(run_id=run_id, message_id=UUID(MESSAGE), sequence_number=number, message="Hello")


def cancelled(run_id: UUID, reason: CancelReason = "requested") -> RunCancelled:
    return RunCancelled(run_id=run_id, reason=reason, usage=Usage())


def submit(on_busy: OnBusy, run_id: UUID = THREE) -> Callable[[Session], None]:
    return lambda s: s.submit_query(run_id, UUID(MESSAGE), "Hello", on_busy)


@pytest.mark.parametrize("on_busy", ["reject", "enqueue", "interrupt"])
def test_a_run_that_was_cancelled_in_advance_is_refused(on_busy: OnBusy) -> None:
    session(cancelled(THREE)).when(submit(on_busy)).refused(Code.RUN_OVER)


def test_a_run_is_cancelled_in_advance_once() -> None:
    session().when(lambda s: s.cancel_in_advance(TWO)).then(cancelled(TWO))
    session(cancelled(TWO)).when(lambda s: s.cancel_in_advance(TWO)).then()


def test_a_run_that_was_cancelled_in_advance_leaves_the_active_one_alone() -> None:
    session(REQUESTED, STARTED, cancelled(TWO)).when(lambda s: s.end_run(RUN_ID, Usage(), attempt=1)).then(COMPLETED)


def test_the_number_of_runs_that_are_cancelled_in_advance_is_bounded() -> None:
    many = [cancelled(new_id()) for _ in range(MAX_CANCELLED_IN_ADVANCE + 1)]
    session(*many).when(submit("reject", many[0].run_id)).then(requested(many[0].run_id, 1))


@pytest.mark.parametrize("on_busy", ["reject", "enqueue", "interrupt"])
def test_a_query_to_an_idle_session_is_requested_immediately(on_busy: OnBusy) -> None:
    session().when(submit(on_busy)).then(requested(THREE, 1))


def test_a_query_is_queued_behind_the_active_run() -> None:
    session(REQUESTED).when(submit("enqueue")).then(queued(THREE))


def test_a_full_queue_refuses_a_query() -> None:
    full = [queued(new_id()) for _ in range(MAX_QUEUE_LENGTH)]
    session(REQUESTED, *full).when(submit("enqueue")).refused(Code.QUEUE_FULL)


def test_ending_a_run_starts_the_first_queued_run() -> None:
    given = session(REQUESTED, STARTED, MessageRecorded.example(), queued(TWO), queued(THREE))
    given.when(then_next(lambda s: s.end_run(RUN_ID, Usage()))).then(COMPLETED, requested(TWO, 3))


def test_a_failed_run_starts_the_next_one_too() -> None:
    failed = RunFailed(run_id=RUN_ID, error_code=Code.MODEL_ERROR, error_detail="529", usage=Usage())
    end = then_next(lambda s: s.end_run(RUN_ID, Usage(), Code.MODEL_ERROR, "529"))
    session(REQUESTED, STARTED, queued(TWO)).when(end).then(failed, requested(TWO))


def test_an_interrupting_query_cancels_the_run_and_skips_the_queue() -> None:
    given = session(REQUESTED, STARTED, queued(TWO))
    given.when(submit("interrupt")).then(cancelled(RUN_ID, "interrupted"), requested(THREE))


def test_cancelling_a_run_ends_its_tool_calls_and_starts_the_next() -> None:
    called = ToolCallStarted.example()
    ended = ToolCallEnded.model_validate(
        ToolCallEnded.sample | {"status": "interrupted", "tool_output": None, "duration_ms": None}
    )
    given = session(REQUESTED, STARTED, called, queued(TWO))
    given.when(then_next(lambda s: s.cancel_run(RUN_ID))).then(ended, cancelled(RUN_ID), requested(TWO))


def test_a_queued_run_can_be_cancelled() -> None:
    session(REQUESTED, queued(TWO), queued(THREE)).when(lambda s: s.cancel_run(TWO)).then(cancelled(TWO))


@pytest.mark.parametrize("end", [COMPLETED, cancelled(RUN_ID)])
def test_an_ended_run_cannot_be_cancelled(end: SessionEvent) -> None:
    session(REQUESTED, end).when(lambda s: s.cancel_run(RUN_ID)).refused(Code.RUN_OVER)


def test_commands_for_a_cancelled_run_are_refused() -> None:
    given = session(REQUESTED, STARTED, cancelled(RUN_ID), requested(TWO))
    given.when(lambda s: s.end_run(RUN_ID, Usage())).refused(Code.RUN_OVER)


WITH_BUDGET = SessionCreated.model_validate(SessionCreated.sample | {"sdk_options": {"max_budget_usd": 0.3}})
USAGE = Usage(cost_usd=Decimal("0.3"))


def test_the_usage_of_a_cancelled_run_is_recorded() -> None:
    given = session(REQUESTED, STARTED, cancelled(RUN_ID), requested(TWO))
    given.when(lambda s: s.end_run(RUN_ID, USAGE, attempt=1)).then(UsageRecorded(run_id=RUN_ID, usage=USAGE))


def test_usage_reported_by_a_replaced_worker_is_refused() -> None:
    again = RunStarted.model_validate(RunStarted.sample | {"attempt": 2})
    given = session(REQUESTED, STARTED, again, cancelled(RUN_ID))
    given.when(lambda s: s.end_run(RUN_ID, USAGE, attempt=1)).refused(Code.RUN_OVER)


@pytest.mark.parametrize(
    "ended", [(STARTED, cancelled(RUN_ID), UsageRecorded(run_id=RUN_ID, usage=USAGE)), (cancelled(RUN_ID),)]
)
def test_usage_is_recorded_once_and_only_for_a_started_run(ended: tuple[SessionEvent, ...]) -> None:
    session(REQUESTED, *ended).when(lambda s: s.end_run(RUN_ID, USAGE, attempt=1)).refused(Code.RUN_OVER)


def test_the_usage_of_a_cancelled_run_counts_against_the_budget() -> None:
    events = [WITH_BUDGET, REQUESTED, STARTED, cancelled(RUN_ID), UsageRecorded(run_id=RUN_ID, usage=USAGE)]
    Given(Session(UUID(SESSION)), *events).when(submit("reject")).refused(Code.BUDGET_EXCEEDED)


def test_interrupting_cancels_the_active_run() -> None:
    session(REQUESTED, STARTED).when(lambda s: s.interrupt()).then(cancelled(RUN_ID, "interrupted"))


def test_interrupting_without_an_active_run_is_refused() -> None:
    session(PAUSED, queued(TWO)).when(lambda s: s.interrupt()).refused(Code.NOTHING_TO_INTERRUPT)


def test_pausing_does_not_end_the_active_run() -> None:
    session(REQUESTED, STARTED).when(lambda s: s.pause()).then(PAUSED)


def test_a_paused_session_starts_no_queued_run() -> None:
    session(REQUESTED, queued(TWO), PAUSED).when(lambda s: s.end_run(RUN_ID, Usage())).then(COMPLETED)


@pytest.mark.parametrize("on_busy", ["reject", "interrupt"])
@pytest.mark.parametrize("active", [[], [REQUESTED]])
def test_a_paused_session_refuses_a_query_that_cannot_wait(on_busy: OnBusy, active: list[SessionEvent]) -> None:
    session(*active, PAUSED).when(submit(on_busy)).refused(Code.SESSION_PAUSED)


def test_a_paused_session_queues_a_query() -> None:
    session(PAUSED).when(submit("enqueue")).then(queued(THREE))


def test_resuming_starts_the_first_queued_run() -> None:
    given = session(PAUSED, queued(TWO), queued(THREE))
    given.when(then_next(lambda s: s.resume())).then(RESUMED, requested(TWO, 1))


def test_resuming_during_a_run_starts_no_second_run() -> None:
    session(REQUESTED, PAUSED, queued(TWO)).when(then_next(lambda s: s.resume())).then(RESUMED)


def test_pausing_and_resuming_are_idempotent() -> None:
    session(PAUSED).when(lambda s: s.pause()).then()
    session().when(lambda s: s.resume()).then()


def test_deleting_cancels_the_active_run_and_the_queued_ones() -> None:
    ends = [cancelled(run_id, "session_deleted") for run_id in (RUN_ID, TWO, THREE)]
    given = session(REQUESTED, STARTED, queued(TWO), queued(THREE))
    given.when(lambda s: s.delete()).then(*ends, SessionDeleted(user_id=UUID(USER)))


def spent(amount: str) -> list[SessionEvent]:
    usage = Usage(cost_usd=Decimal(amount))
    return [WITH_BUDGET, REQUESTED, STARTED, RunCompleted(run_id=RUN_ID, usage=usage)]


def test_a_query_within_the_budget_is_accepted() -> None:
    Given(Session(UUID(SESSION)), *spent("0.29")).when(submit("reject")).then(requested(THREE))


@pytest.mark.parametrize("on_busy", ["reject", "enqueue", "interrupt"])
def test_a_session_that_spent_its_budget_refuses_a_query(on_busy: OnBusy) -> None:
    Given(Session(UUID(SESSION)), *spent("0.3")).when(submit(on_busy)).refused(Code.BUDGET_EXCEEDED)


def test_queued_runs_fail_once_the_budget_is_spent() -> None:
    usage = Usage(cost_usd=Decimal("0.5"))
    session = Session(UUID(SESSION))
    Given(session, WITH_BUDGET, REQUESTED, STARTED, queued(TWO), queued(THREE))
    session.end_run(RUN_ID, usage)
    session.start_next()
    assert [(event.run_id, event.error_code) for event in session.pending if isinstance(event, RunFailed)] == [
        (TWO, Code.BUDGET_EXCEEDED),
        (THREE, Code.BUDGET_EXCEEDED),
    ]


@pytest.mark.parametrize("on_busy", ["reject", "enqueue", "interrupt"])
@pytest.mark.parametrize("before", [[], [PAUSED]])
def test_a_session_being_archived_or_copied_refuses_a_query(on_busy: OnBusy, before: list[SessionEvent]) -> None:
    session(*before, ArchiveRequested.example()).when(submit(on_busy)).refused(Code.SESSION_ARCHIVED)
    session(*before, SessionForked.example()).when(submit(on_busy)).refused(Code.SESSION_NOT_READY)


def test_a_session_being_archived_can_be_neither_paused_nor_resumed() -> None:
    session(ArchiveRequested.example()).when(lambda s: s.pause()).refused(Code.SESSION_ARCHIVED)
    session(PAUSED, ArchiveRequested.example()).when(lambda s: s.resume()).refused(Code.SESSION_ARCHIVED)


def test_a_session_with_queued_runs_is_neither_forked_nor_archived() -> None:
    session(PAUSED, queued(TWO)).when(lambda s: s.archive(THREE, "gzip")).refused(Code.SESSION_BUSY)
    session(PAUSED, queued(TWO)).when(lambda s: s.check_idle()).refused(Code.SESSION_BUSY)
