"""The decisions of a session about runs that are released while they wait for approvals."""

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from contracts.refusals import Code
from contracts.samples import MESSAGE, USER
from contracts.session import SessionEvent
from contracts.session.conversation import MessageRecorded, ToolCallEnded, ToolCallStarted
from contracts.session.release import RunContinued, RunReleased
from contracts.session.run import RunCancelled, RunCompleted, RunFailed, RunStarted, UsageRecorded
from contracts.session.values import Usage
from eventing.testing import refused
from session.aggregate import Session
from session.aggregate.active_run import MAX_ATTEMPTS, MAX_GRANTED

from services.session.tests.test_aggregate_approvals import (
    APPROVED,
    DELIVERED,
    DENIED,
    DENY,
    ID,
    IN_TIME,
    OTHER,
    PENDING,
    REQUEST,
    RUN_ID,
    RUNNING,
    after,
)

CALL = MessageRecorded.example(), ToolCallStarted.example()
ANOTHER_CALL = ToolCallStarted.example().model_copy(update={"tool_use_id": "toolu_2"})
WAITING = (*RUNNING, *CALL, PENDING)
USED, MORE = Usage(duration_ms=10, input_tokens=5, cost_usd=Decimal("0.5")), Usage(input_tokens=2, output_tokens=1)
RELEASED, CONTINUED = RunReleased(run_id=RUN_ID, usage=USED), RunContinued(run_id=RUN_ID)
SECOND = PENDING.model_copy(update={"approval_id": OTHER, "tool_use_id": "toolu_2"})
RESTARTED = RunStarted(run_id=RUN_ID, attempt=2)
CONTINUING = (*WAITING, RELEASED, APPROVED, CONTINUED, ToolCallEnded.example(), RESTARTED)


def without_calls(session: Session) -> list[SessionEvent]:
    """Return the recorded events except the ends of tool calls."""
    return [event for event in session.pending if not isinstance(event, ToolCallEnded)]


def test_a_run_that_only_waits_is_released() -> None:
    session = after(*WAITING)
    session.release_run(RUN_ID, USED, 1)
    assert session.pending == [RELEASED]


def test_a_released_run_has_no_worker() -> None:
    session = after(*WAITING, RELEASED)
    refused(Code.RUN_TAKEN, lambda: session.request_approval(REQUEST))
    refused(Code.RUN_TAKEN, lambda: session.deliver_decisions(RUN_ID, 1, [ID]))
    refused(Code.RUN_TAKEN, lambda: session.release_run(RUN_ID, USED, 1))
    refused(Code.RUN_TAKEN, lambda: session.end_run(RUN_ID, USED, attempt=1))


def test_a_decision_continues_a_released_run() -> None:
    session = after(*WAITING, RELEASED)
    session.decide_approval(DENY, UUID(USER), IN_TIME)
    assert session.pending == [DENIED, CONTINUED]


def test_an_expired_approval_continues_a_released_run_once() -> None:
    session = after(*WAITING, RELEASED)
    session.expire_approval(ID)
    session.expire_approval(ID)
    assert [event for event in session.pending if isinstance(event, RunContinued)] == [CONTINUED]


def test_a_released_run_waits_until_all_its_approvals_are_decided() -> None:
    session = after(*WAITING, SECOND, RELEASED)
    session.decide_approval(DENY, UUID(USER), IN_TIME)
    assert session.pending == [DENIED]
    session.expire_approval(OTHER)
    assert session.pending[-1] == CONTINUED


def test_a_released_run_does_not_start_before_its_approvals_are_decided() -> None:
    session = after(*WAITING, RELEASED)
    refused(Code.RUN_TAKEN, lambda: session.start_run(RUN_ID))


def test_a_run_is_continued_at_once_if_it_was_decided_before_its_release() -> None:
    session = after(*WAITING, APPROVED)
    session.release_run(RUN_ID, USED, 1)
    assert session.pending == [RELEASED, CONTINUED]


def test_a_decision_continues_no_run_that_has_its_worker() -> None:
    session = after(*WAITING)
    session.decide_approval(DENY, UUID(USER), IN_TIME)
    assert session.pending == [DENIED]


@pytest.mark.parametrize("more", [(DENIED, DELIVERED), (ANOTHER_CALL,)])
def test_a_run_that_did_more_than_wait_is_interrupted(more: tuple[Any, ...]) -> None:
    session = after(*WAITING, *more)
    session.release_run(RUN_ID, USED, 1)
    [*_, ended] = session.pending
    assert isinstance(ended, RunFailed)
    assert (ended.error_code, ended.usage) == (Code.RUN_INTERRUPTED, USED)


def test_a_released_run_continues_on_a_new_worker_with_the_decision() -> None:
    session = after(*WAITING, RELEASED, APPROVED, CONTINUED)
    session.start_run(RUN_ID)
    assert without_calls(session) == [RESTARTED]
    assert session.deliver_decisions(RUN_ID, 2, [ID])
    assert session.request_approval(REQUEST.model_copy(update={"attempt": 2, "approval_id": UUID(MESSAGE)}))


def test_the_usage_of_a_run_is_that_of_all_its_agents() -> None:
    session = after(*CONTINUING)
    session.end_run(RUN_ID, MORE, attempt=2)
    assert [event for event in session.pending if isinstance(event, RunCompleted)] == [
        RunCompleted(run_id=RUN_ID, usage=USED + MORE)
    ]


def test_a_second_release_adds_to_the_usage() -> None:
    session = after(*CONTINUING, DELIVERED, PENDING)
    session.release_run(RUN_ID, MORE, 2)
    assert session.pending == [RunReleased(run_id=RUN_ID, usage=USED + MORE)]


def test_a_cancelled_run_has_the_usage_of_its_released_agents() -> None:
    session = after(*WAITING, RELEASED)
    session.cancel_run(RUN_ID)
    assert session.pending[-1] == RunCancelled(run_id=RUN_ID, reason="requested", usage=USED)


def test_the_last_agent_of_a_cancelled_run_reports_its_usage_later() -> None:
    session = after(*CONTINUING)
    session.cancel_run(RUN_ID)
    session.end_run(RUN_ID, MORE, attempt=2)
    assert session.pending[-1] == UsageRecorded(run_id=RUN_ID, usage=MORE)


def test_a_run_that_is_cancelled_before_its_release_keeps_its_usage() -> None:
    session = after(*WAITING)
    session.cancel_run(RUN_ID)
    session.release_run(RUN_ID, USED, 1)
    assert session.pending[-1] == UsageRecorded(run_id=RUN_ID, usage=USED)


def test_the_costs_of_released_agents_count_towards_the_budget_once() -> None:
    session = after(*CONTINUING, RunCompleted(run_id=RUN_ID, usage=USED + MORE))
    assert session.queue.spent_usd == USED.cost_usd


def test_releases_do_not_use_up_the_attempts_of_a_run() -> None:
    events = list[SessionEvent](WAITING)
    for attempt in range(2, 2 * MAX_ATTEMPTS):
        events += [RELEASED, APPROVED, CONTINUED, RunStarted(run_id=RUN_ID, attempt=attempt), DELIVERED, PENDING]
    session = after(*events)
    session.start_run(RUN_ID)
    assert RunStarted(run_id=RUN_ID, attempt=2 * MAX_ATTEMPTS) in session.pending


def test_a_run_that_is_released_often_keeps_its_newest_grants() -> None:
    events = list[SessionEvent](WAITING)
    for attempt in range(2, MAX_GRANTED + 4):
        another = PENDING.model_copy(update={"tool_input": {"command": f"echo {attempt}"}})
        events += [RELEASED, APPROVED, CONTINUED, RunStarted(run_id=RUN_ID, attempt=attempt), DELIVERED, another]
    session = after(*events)
    assert session.run
    assert len(session.run.granted) == MAX_GRANTED
    assert session.run.granted[-1].request.tool_input == {"command": f"echo {MAX_GRANTED + 2}"}


def test_an_approval_of_a_released_run_still_expires_in_time() -> None:
    session = after(*WAITING, RELEASED)
    refused(Code.APPROVAL_OVER, lambda: session.decide_approval(DENY, UUID(USER), IN_TIME + timedelta(days=1)))
