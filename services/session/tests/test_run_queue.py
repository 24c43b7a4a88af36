"""Runs that wait for their turn, are cancelled, interrupted and paused."""

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

CREATED, REQUESTED, STARTED = SessionCreated.example(), RunRequested.example(), RunStarted.example()
PAUSED, RESUMED = SessionPaused(), SessionResumed()
COMPLETED = RunCompleted(run_id=REQUESTED.run_id, usage=Usage())
RUN_ID = REQUESTED.run_id
TWO, THREE = new_id(), new_id()


def session(*events: SessionEvent) -> Given[Session]:
    return Given(Session(UUID(SESSION)), CREATED, *events)


def queued(run_id: UUID) -> RunQueued:
    return RunQueued(run_id=run_id, message_id=UUID(MESSAGE), message="Hello")


def requested(run_id: UUID, number: int = 2) -> RunRequested:
    return RunRequested(run_id=run_id, message_id=UUID(MESSAGE), sequence_number=number, message="Hello")


def cancelled(run_id: UUID, reason: CancelReason = "requested") -> RunCancelled:
    return RunCancelled(run_id=run_id, reason=reason, usage=Usage())


def ask(on_busy: OnBusy, run_id: UUID = THREE) -> Callable[[Session], None]:
    return lambda s: s.submit_query(run_id, UUID(MESSAGE), "Hello", on_busy)


@pytest.mark.parametrize("on_busy", ["reject", "enqueue", "interrupt"])
def test_a_query_to_an_idle_session_is_requested_at_once(on_busy: OnBusy) -> None:
    session().when(ask(on_busy)).then(requested(THREE, 1))


def test_a_query_waits_behind_the_run_that_is_going() -> None:
    session(REQUESTED).when(ask("enqueue")).then(queued(THREE))


def test_a_full_queue_takes_no_query() -> None:
    full = [queued(new_id()) for _ in range(MAX_QUEUE_LENGTH)]
    session(REQUESTED, *full).when(ask("enqueue")).refused(Code.QUEUE_FULL)


def test_the_run_that_ends_lets_the_first_that_waits_begin() -> None:
    given = session(REQUESTED, STARTED, MessageRecorded.example(), queued(TWO), queued(THREE))
    given.when(lambda s: s.end_run(RUN_ID, Usage())).then(COMPLETED, requested(TWO, 3))


def test_a_run_that_fails_lets_the_next_begin_too() -> None:
    failed = RunFailed(run_id=RUN_ID, error_code=Code.MODEL_ERROR, error_detail="529", usage=Usage())
    session(REQUESTED, STARTED, queued(TWO)).when(lambda s: s.end_run(RUN_ID, Usage(), Code.MODEL_ERROR, "529")).then(
        failed, requested(TWO)
    )


def test_an_interrupting_query_ends_the_run_that_is_going_and_goes_before_those_that_wait() -> None:
    given = session(REQUESTED, STARTED, queued(TWO))
    given.when(ask("interrupt")).then(cancelled(RUN_ID, "interrupted"), requested(THREE))


def test_a_run_that_goes_is_cancelled_with_its_tool_calls_and_the_next_begins() -> None:
    called = ToolCallStarted.example()
    ended = ToolCallEnded.model_validate(
        ToolCallEnded.sample | {"status": "interrupted", "tool_output": None, "duration_ms": None}
    )
    given = session(REQUESTED, STARTED, called, queued(TWO))
    given.when(lambda s: s.cancel_run(RUN_ID)).then(ended, cancelled(RUN_ID), requested(TWO))


def test_a_run_that_waits_is_cancelled_without_a_turn() -> None:
    session(REQUESTED, queued(TWO), queued(THREE)).when(lambda s: s.cancel_run(TWO)).then(cancelled(TWO))


@pytest.mark.parametrize("end", [COMPLETED, cancelled(RUN_ID)])
def test_a_run_that_is_over_is_not_cancelled(end: SessionEvent) -> None:
    session(REQUESTED, end).when(lambda s: s.cancel_run(RUN_ID)).refused(Code.RUN_OVER)


def test_what_comes_for_a_cancelled_run_is_refused() -> None:
    given = session(REQUESTED, STARTED, cancelled(RUN_ID), requested(TWO))
    given.when(lambda s: s.end_run(RUN_ID, Usage())).refused(Code.RUN_OVER)


RICH = SessionCreated.model_validate(SessionCreated.sample | {"sdk_options": {"max_budget_usd": 0.3}})
USED = Usage(cost_usd=Decimal("0.3"))


def test_of_a_cancelled_run_is_taken_down_what_it_used() -> None:
    given = session(REQUESTED, STARTED, cancelled(RUN_ID), requested(TWO))
    given.when(lambda s: s.end_run(RUN_ID, USED, attempt=1)).then(UsageRecorded(run_id=RUN_ID, usage=USED))


def test_what_a_replaced_worker_used_in_a_cancelled_run_is_not_taken_for_all_of_it() -> None:
    again = RunStarted.model_validate(RunStarted.sample | {"attempt": 2})
    given = session(REQUESTED, STARTED, again, cancelled(RUN_ID))
    given.when(lambda s: s.end_run(RUN_ID, USED, attempt=1)).refused(Code.RUN_OVER)


@pytest.mark.parametrize(
    "ended", [(STARTED, cancelled(RUN_ID), UsageRecorded(run_id=RUN_ID, usage=USED)), (cancelled(RUN_ID),)]
)
def test_what_a_cancelled_run_used_is_taken_down_once_and_only_if_it_began(ended: tuple[SessionEvent, ...]) -> None:
    session(REQUESTED, *ended).when(lambda s: s.end_run(RUN_ID, USED, attempt=1)).refused(Code.RUN_OVER)


def test_what_a_cancelled_run_used_counts_against_the_budget() -> None:
    events = [RICH, REQUESTED, STARTED, cancelled(RUN_ID), UsageRecorded(run_id=RUN_ID, usage=USED)]
    Given(Session(UUID(SESSION)), *events).when(ask("reject")).refused(Code.BUDGET_EXCEEDED)


def test_interrupting_ends_the_run_that_is_going() -> None:
    session(REQUESTED, STARTED).when(lambda s: s.interrupt()).then(cancelled(RUN_ID, "interrupted"))


def test_there_is_nothing_to_interrupt_where_no_run_is_going() -> None:
    session(PAUSED, queued(TWO)).when(lambda s: s.interrupt()).refused(Code.NOTHING_TO_INTERRUPT)


def test_pausing_leaves_the_run_that_is_going() -> None:
    session(REQUESTED, STARTED).when(lambda s: s.pause()).then(PAUSED)


def test_in_a_paused_session_no_run_follows_the_one_that_ends() -> None:
    session(REQUESTED, queued(TWO), PAUSED).when(lambda s: s.end_run(RUN_ID, Usage())).then(COMPLETED)


@pytest.mark.parametrize("on_busy", ["reject", "interrupt"])
@pytest.mark.parametrize("going", [[], [REQUESTED]])
def test_a_paused_session_takes_no_query_that_cannot_wait(on_busy: OnBusy, going: list[SessionEvent]) -> None:
    session(*going, PAUSED).when(ask(on_busy)).refused(Code.SESSION_PAUSED)


def test_in_a_paused_session_a_query_waits() -> None:
    session(PAUSED).when(ask("enqueue")).then(queued(THREE))


def test_resuming_goes_on_with_what_waits() -> None:
    session(PAUSED, queued(TWO), queued(THREE)).when(lambda s: s.resume()).then(RESUMED, requested(TWO, 1))


def test_resuming_while_the_run_of_before_still_goes_begins_no_second_one() -> None:
    session(REQUESTED, PAUSED, queued(TWO)).when(lambda s: s.resume()).then(RESUMED)


def test_pausing_twice_and_resuming_what_is_not_paused_change_nothing() -> None:
    session(PAUSED).when(lambda s: s.pause()).then()
    session().when(lambda s: s.resume()).then()


def test_deleting_ends_the_run_that_is_going_and_those_that_wait() -> None:
    ends = [cancelled(run_id, "session_deleted") for run_id in (RUN_ID, TWO, THREE)]
    given = session(REQUESTED, STARTED, queued(TWO), queued(THREE))
    given.when(lambda s: s.delete()).then(*ends, SessionDeleted(user_id=UUID(USER)))


def spent(amount: str) -> list[SessionEvent]:
    usage = Usage(cost_usd=Decimal(amount))
    return [RICH, REQUESTED, STARTED, RunCompleted(run_id=RUN_ID, usage=usage)]


def test_a_query_within_the_budget_of_the_session_is_taken() -> None:
    Given(Session(UUID(SESSION)), *spent("0.29")).when(ask("reject")).then(requested(THREE))


@pytest.mark.parametrize("on_busy", ["reject", "enqueue", "interrupt"])
def test_a_session_that_used_its_budget_up_takes_no_query(on_busy: OnBusy) -> None:
    Given(Session(UUID(SESSION)), *spent("0.3")).when(ask(on_busy)).refused(Code.BUDGET_EXCEEDED)


def test_those_that_wait_fail_when_the_run_before_them_used_the_budget_up() -> None:
    usage = Usage(cost_usd=Decimal("0.5"))
    session = Session(UUID(SESSION))
    Given(session, RICH, REQUESTED, STARTED, queued(TWO), queued(THREE))
    session.end_run(RUN_ID, usage)
    assert [(f.run_id, f.error_code) for f in session.pending if isinstance(f, RunFailed)] == [
        (TWO, Code.BUDGET_EXCEEDED),
        (THREE, Code.BUDGET_EXCEEDED),
    ]


@pytest.mark.parametrize("on_busy", ["reject", "enqueue", "interrupt"])
@pytest.mark.parametrize("before", [[], [PAUSED]])
def test_a_session_that_is_archived_or_still_copied_takes_no_query(on_busy: OnBusy, before: list[SessionEvent]) -> None:
    session(*before, ArchiveRequested.example()).when(ask(on_busy)).refused(Code.SESSION_ARCHIVED)
    session(*before, SessionForked.example()).when(ask(on_busy)).refused(Code.SESSION_NOT_READY)


def test_an_archived_session_is_neither_paused_nor_resumed() -> None:
    session(ArchiveRequested.example()).when(lambda s: s.pause()).refused(Code.SESSION_ARCHIVED)
    session(PAUSED, ArchiveRequested.example()).when(lambda s: s.resume()).refused(Code.SESSION_ARCHIVED)


def test_a_session_in_which_queries_wait_is_neither_forked_nor_archived() -> None:
    session(PAUSED, queued(TWO)).when(lambda s: s.archive(THREE, "gzip")).refused(Code.SESSION_BUSY)
    session(PAUSED, queued(TWO)).when(lambda s: s.check_idle()).refused(Code.SESSION_BUSY)
