"""The decisions of a session about runs that another agent goes on with."""

from decimal import Decimal

import pytest
from contracts.refusals import Code
from contracts.session import SessionEvent
from contracts.session.release import RunContinued, RunReleased, RunResumed
from contracts.session.run import RunFailed, RunStarted
from contracts.session.values import ResumeReason, Usage
from session.aggregate import Session
from session.aggregate.active_run import MAX_ATTEMPTS, MAX_IDLE_ATTEMPTS

from services.session.tests.test_aggregate_approvals import APPROVED, PENDING, RUN_ID, RUNNING, after

USED = Usage(input_tokens=5, cost_usd=Decimal("0.5"))
HANDED_OVER = RunReleased(run_id=RUN_ID, usage=USED, reason="handover")
CONTINUED = RunContinued(run_id=RUN_ID)


def started(attempt: int, reason: ResumeReason | None) -> list[SessionEvent]:
    """Return the events of a start by a worker."""
    resumed = [RunResumed(run_id=RUN_ID, attempt=attempt, reason=reason)] if reason else []
    return [RunStarted(run_id=RUN_ID, attempt=attempt), *resumed]


def start(*events: SessionEvent, died: bool = False) -> Session:
    """Return a session, after these events of its run, in which a worker has started it."""
    session = after(*RUNNING, *events)
    session.start_run(RUN_ID, died=died)
    return session


def test_a_run_that_is_handed_over_requests_another_worker() -> None:
    session = after(*RUNNING)
    session.release_run(RUN_ID, USED, 1, "handover")
    assert session.pending == [HANDED_OVER, CONTINUED]


def test_a_run_that_is_handed_over_while_it_waits_needs_the_decision_first() -> None:
    session = after(*RUNNING, PENDING)
    session.release_run(RUN_ID, USED, 1, "handover")
    assert session.pending == [HANDED_OVER]


@pytest.mark.parametrize(
    ("events", "died", "reason"),
    [
        ((), False, "lost"),
        ((), True, "agent_died"),
        ((HANDED_OVER, CONTINUED), False, "handover"),
        ((PENDING, RunReleased(run_id=RUN_ID, usage=USED), APPROVED, CONTINUED), False, None),
    ],
)
def test_the_next_agent_has_a_reason(events: tuple[SessionEvent, ...], died: bool, reason: ResumeReason | None) -> None:
    assert [event for event in start(*events, died=died).pending if isinstance(event, RunStarted | RunResumed)] == (
        started(2, reason)
    )


def test_a_run_is_lost_again_after_a_handover() -> None:
    assert start(HANDED_OVER, CONTINUED, *started(2, "handover")).pending == started(3, "lost")


def test_handovers_are_no_lost_workers() -> None:
    handovers = [
        each for n in range(MAX_ATTEMPTS + 1) for each in (HANDED_OVER, CONTINUED, *started(n + 2, "handover"))
    ]
    assert start(*handovers).pending == started(MAX_ATTEMPTS + 3, "lost")


@pytest.mark.parametrize(("decided", "ends"), [((APPROVED,), True), ((), False)], ids=["decided", "undecided"])
def test_a_run_that_waits_may_lose_workers_without_progress(decided: tuple[SessionEvent, ...], *, ends: bool) -> None:
    lost = [event for n in range(2, MAX_IDLE_ATTEMPTS + 1) for event in started(n, "lost")]
    session = start(PENDING, *decided, *lost)
    assert (session.run is None) == ends


def test_a_run_without_progress_ends_as_interrupted() -> None:
    lost = [event for n in range(2, MAX_IDLE_ATTEMPTS + 1) for event in started(n, "agent_died")]
    [failed] = start(*lost, died=True).pending
    assert isinstance(failed, RunFailed)
    assert failed.error_code is Code.RUN_INTERRUPTED
