"""What a session decides about approvals."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from contracts.refusals import Code
from contracts.samples import APPROVAL, MESSAGE, SESSION, USER
from contracts.session import SessionEvent
from contracts.session.approval import (
    ApprovalDecided,
    ApprovalRequested,
    DecideApproval,
    DecisionDelivered,
    RequestApproval,
)
from contracts.session.conversation import MessageRecorded, ToolCallEnded, ToolCallStarted
from contracts.session.run import RunCancelled, RunCompleted, RunFailed, RunQueued, RunRequested, RunStarted
from contracts.session.session import SessionCreated, SessionDeleted
from contracts.session.values import ApprovalOutcome, Usage
from eventing.testing import refused
from session.aggregate import Session
from session.aggregate.active_run import MAX_ATTEMPTS

CREATED, REQUESTED, STARTED = SessionCreated.example(), RunRequested.example(), RunStarted.example()
BEGUN = (CREATED, REQUESTED, STARTED)
ASKED, DENIED, DELIVERED = ApprovalRequested.example(), ApprovalDecided.example(), DecisionDelivered.example()
APPROVED = ApprovalDecided.model_validate(ApprovalDecided.sample | {"decision": "approved", "message": ""})
AGAIN = RunStarted.model_validate(RunStarted.sample | {"attempt": 2})
WANTED, DENY = RequestApproval.example(), DecideApproval.example()
RUN_ID, ID, OTHER = ASKED.run_id, UUID(APPROVAL), UUID(MESSAGE)
IN_TIME, TOO_LATE = ASKED.expires_at - timedelta(seconds=1), ASKED.expires_at


def after(*events: SessionEvent) -> Session:
    session = Session(UUID(SESSION))
    for event in events:
        session.apply(event)
    return session


def wanted(**changed: Any) -> RequestApproval:
    return RequestApproval.model_validate(RequestApproval.sample | changed)


def test_a_tool_call_that_nothing_settles_is_asked_for() -> None:
    session = after(*BEGUN, MessageRecorded.example(), ToolCallStarted.example())
    assert session.request_approval(WANTED) is None
    assert session.pending == [ASKED]


def test_an_approval_may_be_asked_for_before_its_tool_call_is_recorded() -> None:
    session = after(*BEGUN)
    session.request_approval(WANTED)
    assert session.pending == [ASKED.model_copy(update={"tool_call_id": None})]


def test_in_a_session_that_is_not_interactive_it_is_denied_and_nothing_recorded() -> None:
    created = SessionCreated.model_validate(SessionCreated.sample | {"mode": "non_interactive"})
    session = after(created, REQUESTED, STARTED)
    ruling = session.request_approval(WANTED)
    assert (ruling and ruling.decision, session.pending) == ("denied", [])


@pytest.mark.parametrize("decided", [APPROVED, DENIED])
def test_a_remembered_tool_is_settled_whatever_its_input(decided: ApprovalDecided) -> None:
    session = after(*BEGUN, ASKED, decided.model_copy(update={"remember": "session"}), DELIVERED)
    ruling = session.request_approval(wanted(approval_id=MESSAGE, tool_input={"file_path": "/workspace/b"}))
    assert ruling == ApprovalOutcome(decision=decided.decision, message=decided.message)
    assert session.pending == []


def test_a_tool_that_is_not_remembered_is_asked_for_again() -> None:
    session = after(*BEGUN, ASKED, APPROVED, DELIVERED)
    assert session.request_approval(wanted(approval_id=MESSAGE)) is None


def test_a_decision_is_recorded_with_who_made_it() -> None:
    session = after(*BEGUN, ASKED)
    session.decide_approval(DENY, UUID(USER), IN_TIME)
    assert session.pending == [DENIED]


def test_a_decision_for_the_session_settles_what_else_waits_for_this_tool() -> None:
    session = after(*BEGUN, ASKED, ASKED.model_copy(update={"approval_id": OTHER}))
    session.decide_approval(DENY.model_copy(update={"remember": "session"}), UUID(USER), IN_TIME)
    assert [f.approval_id for f in session.pending if isinstance(f, ApprovalDecided)] == [ID, OTHER]


def test_a_decision_for_the_session_settles_nothing_that_is_out_of_time() -> None:
    late = ASKED.model_copy(update={"approval_id": OTHER, "expires_at": IN_TIME})
    session = after(*BEGUN, ASKED, late)
    session.decide_approval(DENY.model_copy(update={"remember": "session"}), UUID(USER), IN_TIME)
    assert [f.approval_id for f in session.pending if isinstance(f, ApprovalDecided)] == [ID]


def test_who_comes_second_is_told_how_and_by_whom_it_was_decided() -> None:
    session = after(*BEGUN, ASKED, DENIED)
    told = refused(Code.APPROVAL_OVER, lambda: session.decide_approval(DENY, OTHER, IN_TIME))
    assert f"already denied by user {USER}" in told


def test_who_comes_too_late_is_refused() -> None:
    refused(Code.APPROVAL_OVER, lambda: after(*BEGUN, ASKED).decide_approval(DENY, OTHER, TOO_LATE))


@pytest.mark.parametrize("events", [BEGUN, (*BEGUN, ASKED, DENIED, RunCompleted.example())])
def test_an_approval_that_is_not_of_the_run_that_is_going_is_over(events: tuple[SessionEvent, ...]) -> None:
    refused(Code.APPROVAL_OVER, lambda: after(*events).decide_approval(DENY, OTHER, IN_TIME))


def test_an_approval_whose_decision_was_delivered_is_over() -> None:
    session = after(*BEGUN, ASKED, DENIED, DELIVERED)
    told = refused(Code.APPROVAL_OVER, lambda: session.decide_approval(DENY, OTHER, IN_TIME))
    assert f"already denied by user {USER}" in told


def test_nothing_is_delivered_while_an_approval_is_pending() -> None:
    session = after(*BEGUN, ASKED)
    assert (session.deliver_decisions(RUN_ID, 1, [ID]), session.pending) == (None, [])


def test_a_decision_is_delivered_once() -> None:
    session = after(*BEGUN, ASKED, DENIED)
    for _ in range(2):  # the worker may not have heard the answer
        rulings = session.deliver_decisions(RUN_ID, 1, [ID])
        assert rulings == [ApprovalOutcome(decision="denied", message=DENIED.message)]
    assert session.pending == [DELIVERED]


def test_a_decision_that_was_delivered_to_a_worker_before_is_not_delivered_again() -> None:
    session = after(*BEGUN, ASKED, DENIED, DELIVERED, AGAIN)
    refused(Code.APPROVAL_NOT_FOUND, lambda: session.deliver_decisions(RUN_ID, 2, [ID]))


def test_decisions_are_delivered_together_or_not_at_all() -> None:
    session = after(*BEGUN, ASKED, DENIED, ASKED.model_copy(update={"approval_id": OTHER}))
    assert (session.deliver_decisions(RUN_ID, 1, [OTHER, ID]), session.pending) == (None, [])
    session.expire_approval(OTHER)
    rulings = session.deliver_decisions(RUN_ID, 1, [OTHER, ID])
    assert [ruling.decision for ruling in rulings or []] == ["expired", "denied"]
    assert [type(f) for f in session.pending] == [ApprovalDecided, DecisionDelivered, DecisionDelivered]


@pytest.mark.parametrize("events", [[*BEGUN, ASKED, DENIED], [*BEGUN]])
def test_only_a_pending_approval_expires(events: list[SessionEvent]) -> None:
    session = after(*events)
    session.expire_approval(ID)
    assert session.pending == []


def test_an_expired_approval_is_delivered() -> None:
    session = after(*BEGUN, ASKED)
    session.expire_approval(ID)
    rulings = session.deliver_decisions(RUN_ID, 1, [ID])
    expired, delivered = session.pending
    assert isinstance(expired, ApprovalDecided)
    assert rulings == [ApprovalOutcome(decision="expired", message=expired.message)]
    assert (expired.decided_by, delivered) == (None, DELIVERED)


def test_a_run_that_ends_lets_its_approvals_expire_in_the_same_append() -> None:
    session = after(*BEGUN, ASKED)
    session.end_run(RUN_ID, Usage(), Code.RUN_TIMEOUT, "")
    assert [type(f) for f in session.pending] == [ApprovalDecided, RunFailed]
    assert isinstance(session.pending[0], ApprovalDecided)
    assert (session.pending[0].approval_id, session.pending[0].decision) == (ID, "expired")


def test_a_deleted_session_lets_its_approvals_expire() -> None:
    session = after(*BEGUN, ASKED)
    session.delete()
    assert [type(f) for f in session.pending] == [ApprovalDecided, RunCancelled, SessionDeleted]


WAITING = RunQueued(run_id=OTHER, message_id=OTHER, message="Next.")
CANCELS: list[Callable[[Session], None]] = [lambda s: s.cancel_run(RUN_ID), lambda s: s.interrupt()]


@pytest.mark.parametrize("cancel", CANCELS, ids=["cancelled", "interrupted"])
def test_a_run_called_off_lets_its_approvals_expire_and_the_next_begin_in_the_same_append(
    cancel: Callable[[Session], None],
) -> None:
    session = after(*BEGUN, ToolCallStarted.example(), ASKED, WAITING)
    cancel(session)
    expired, ended, cancelled, requested = session.pending
    assert isinstance(expired, ApprovalDecided)
    assert isinstance(ended, ToolCallEnded)
    assert isinstance(cancelled, RunCancelled)
    assert isinstance(requested, RunRequested)
    assert (expired.approval_id, expired.decision, expired.decided_by) == (ID, "expired", None)
    assert (ended.status, cancelled.run_id, requested.run_id) == ("interrupted", RUN_ID, OTHER)
    refused(Code.APPROVAL_OVER, lambda: session.decide_approval(DENY, UUID(USER), IN_TIME))


@pytest.mark.parametrize("decided", [(), (APPROVED,)], ids=["undecided", "decided, not delivered"])
def test_a_run_that_only_waits_goes_on_with_another_worker(decided: tuple[ApprovalDecided, ...]) -> None:
    session = after(*BEGUN, ToolCallStarted.example(), ASKED, *decided)
    session.start_run(RUN_ID)
    ended, started = session.pending
    assert isinstance(ended, ToolCallEnded)
    assert (ended.status, started) == ("interrupted", AGAIN)


def test_a_run_whose_agent_was_told_is_interrupted() -> None:
    session = after(*BEGUN, ToolCallStarted.example(), ASKED, APPROVED, DELIVERED)
    session.start_run(RUN_ID)
    assert isinstance(session.pending[-1], RunFailed)


def test_a_run_that_does_something_else_while_it_waits_is_interrupted() -> None:
    session = after(*BEGUN, ToolCallStarted.example().model_copy(update={"tool_use_id": "toolu_2"}), ASKED)
    session.start_run(RUN_ID)
    assert isinstance(session.pending[-1], RunFailed)


def test_a_run_that_asked_before_its_call_was_recorded_is_interrupted() -> None:
    session = after(*BEGUN, ASKED.model_copy(update={"tool_call_id": None}))  # an earlier call may not be recorded
    session.start_run(RUN_ID)
    assert isinstance(session.pending[-1], RunFailed)


def test_a_run_that_lost_too_many_workers_is_interrupted() -> None:
    session = after(*BEGUN, ASKED)
    for _ in range(MAX_ATTEMPTS - 1):
        session.start_run(RUN_ID)
    assert session.run
    session.start_run(RUN_ID)
    assert session.run is None


LATE: list[Callable[[Session], object]] = [
    lambda s: s.request_approval(wanted(approval_id=MESSAGE)),
    lambda s: s.deliver_decisions(RUN_ID, 1, [ID]),
]


@pytest.mark.parametrize("late", LATE)
def test_a_worker_that_was_replaced_is_refused(late: Callable[[Session], object]) -> None:
    refused(Code.RUN_TAKEN, lambda: late(after(*BEGUN, ASKED, AGAIN, APPROVED)))


def test_what_was_approved_for_an_agent_before_settles_the_same_call_once() -> None:
    session = after(*BEGUN, ASKED, AGAIN, APPROVED, DELIVERED)
    ruling = session.request_approval(wanted(attempt=2, approval_id=MESSAGE))
    assert ruling == ApprovalOutcome(decision="approved")
    assert [type(f) for f in session.pending] == [ApprovalRequested, ApprovalDecided, DecisionDelivered]
    assert session.deliver_decisions(RUN_ID, 2, [UUID(MESSAGE)]) == [ruling]
    assert session.request_approval(wanted(attempt=2, approval_id=USER)) is None


def test_what_was_approved_for_an_agent_before_settles_no_other_call() -> None:
    session = after(*BEGUN, ASKED, AGAIN, APPROVED, DELIVERED)
    assert session.request_approval(wanted(attempt=2, approval_id=MESSAGE, tool_input={})) is None
