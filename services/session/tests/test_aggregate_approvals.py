"""The decisions of a session about approvals."""

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
from contracts.session.values import ApprovalOutcome, SdkOptions, Usage
from eventing.testing import refused
from session.aggregate import Session
from session.aggregate.active_run import MAX_ATTEMPTS

CREATED, REQUESTED, STARTED = SessionCreated.example(), RunRequested.example(), RunStarted.example()
RUNNING = (CREATED, REQUESTED, STARTED)
PENDING, DENIED, DELIVERED = ApprovalRequested.example(), ApprovalDecided.example(), DecisionDelivered.example()
APPROVED = ApprovalDecided.model_validate(ApprovalDecided.sample | {"decision": "approved", "message": ""})
RESTARTED = RunStarted.model_validate(RunStarted.sample | {"attempt": 2})
REQUEST, DENY = RequestApproval.example(), DecideApproval.example()
RUN_ID, ID, OTHER = PENDING.run_id, UUID(APPROVAL), UUID(MESSAGE)
IN_TIME, TOO_LATE = PENDING.expires_at - timedelta(seconds=1), PENDING.expires_at


def after(*events: SessionEvent) -> Session:
    session = Session(UUID(SESSION))
    for event in events:
        session.apply(event)
    return session


def request(**changed: Any) -> RequestApproval:
    return RequestApproval.model_validate(RequestApproval.sample | changed)


def test_an_approval_is_requested_for_an_undecided_tool() -> None:
    session = after(*RUNNING, MessageRecorded.example(), ToolCallStarted.example())
    assert session.request_approval(REQUEST) is None
    assert session.pending == [PENDING]


def test_an_approval_may_be_requested_before_its_tool_call_is_recorded() -> None:
    session = after(*RUNNING)
    session.request_approval(REQUEST)
    assert session.pending == [PENDING.model_copy(update={"tool_call_id": None})]


def test_a_non_interactive_session_denies_and_records_nothing() -> None:
    created = SessionCreated.model_validate(SessionCreated.sample | {"mode": "non_interactive"})
    session = after(created, REQUESTED, STARTED)
    outcome = session.request_approval(REQUEST)
    assert (outcome and outcome.decision, session.pending) == ("denied", [])


@pytest.mark.parametrize(
    ("allowed", "reason"),
    [
        ([], "`Read` is not in `allowed_tools`"),
        (["Read(/etc/**)"], "`allowed_tools` does not cover this call of `Read`"),
    ],
)
def test_a_denial_without_people_says_which_tool_is_not_allowed(allowed: list[str], reason: str) -> None:
    options = SdkOptions(allowed_tools=allowed)
    session = after(CREATED.model_copy(update={"mode": "non_interactive", "sdk_options": options}), REQUESTED, STARTED)
    outcome = session.request_approval(REQUEST)
    assert outcome
    assert outcome.reason == f"{reason}, and nobody can approve calls in a non-interactive session."


@pytest.mark.parametrize(("decided", "status"), [(APPROVED, "interrupted"), (DENIED, "denied")])
def test_a_call_that_was_denied_before_a_restart_ends_as_denied(decided: ApprovalDecided, status: str) -> None:
    session = after(*RUNNING, MessageRecorded.example(), ToolCallStarted.example(), PENDING, decided)
    session.start_run(RUN_ID)
    assert [event.status for event in session.pending if isinstance(event, ToolCallEnded)] == [status]


@pytest.mark.parametrize("decided", [APPROVED, DENIED])
def test_a_remembered_decision_applies_to_any_input_of_the_tool(decided: ApprovalDecided) -> None:
    session = after(*RUNNING, PENDING, decided.model_copy(update={"remember": "session"}), DELIVERED)
    outcome = session.request_approval(request(approval_id=MESSAGE, tool_input={"file_path": "/workspace/b"}))
    assert outcome == ApprovalOutcome(decision=decided.decision, message=decided.message)
    assert session.pending == []


def test_without_remember_approval_is_requested_again() -> None:
    session = after(*RUNNING, PENDING, APPROVED, DELIVERED)
    assert session.request_approval(request(approval_id=MESSAGE)) is None


def test_a_decision_is_recorded_with_the_user_who_made_it() -> None:
    session = after(*RUNNING, PENDING)
    session.decide_approval(DENY, UUID(USER), IN_TIME)
    assert session.pending == [DENIED]


def test_a_remembered_decision_settles_pending_approvals_of_the_tool() -> None:
    session = after(*RUNNING, PENDING, PENDING.model_copy(update={"approval_id": OTHER}))
    session.decide_approval(DENY.model_copy(update={"remember": "session"}), UUID(USER), IN_TIME)
    assert [event.approval_id for event in session.pending if isinstance(event, ApprovalDecided)] == [ID, OTHER]


def test_a_remembered_decision_does_not_settle_overdue_approvals() -> None:
    late = PENDING.model_copy(update={"approval_id": OTHER, "expires_at": IN_TIME})
    session = after(*RUNNING, PENDING, late)
    session.decide_approval(DENY.model_copy(update={"remember": "session"}), UUID(USER), IN_TIME)
    assert [event.approval_id for event in session.pending if isinstance(event, ApprovalDecided)] == [ID]


def test_a_second_decision_is_refused_and_names_the_first() -> None:
    session = after(*RUNNING, PENDING, DENIED)
    detail = refused(Code.APPROVAL_OVER, lambda: session.decide_approval(DENY, OTHER, IN_TIME))
    assert f"already denied by user {USER}" in detail


def test_a_decision_after_the_expiry_time_is_refused() -> None:
    refused(Code.APPROVAL_OVER, lambda: after(*RUNNING, PENDING).decide_approval(DENY, OTHER, TOO_LATE))


@pytest.mark.parametrize("events", [RUNNING, (*RUNNING, PENDING, DENIED, RunCompleted.example())])
def test_an_approval_of_no_active_run_cannot_be_decided(events: tuple[SessionEvent, ...]) -> None:
    refused(Code.APPROVAL_OVER, lambda: after(*events).decide_approval(DENY, OTHER, IN_TIME))


def test_an_approval_cannot_be_decided_after_delivery() -> None:
    session = after(*RUNNING, PENDING, DENIED, DELIVERED)
    detail = refused(Code.APPROVAL_OVER, lambda: session.decide_approval(DENY, OTHER, IN_TIME))
    assert f"already denied by user {USER}" in detail


def test_no_decision_is_delivered_while_an_approval_is_pending() -> None:
    session = after(*RUNNING, PENDING)
    assert (session.deliver_decisions(RUN_ID, 1, [ID]), session.pending) == (None, [])


def test_a_decision_is_delivered_once() -> None:
    session = after(*RUNNING, PENDING, DENIED)
    for _ in range(2):  # the reply to the first delivery may have been lost
        outcomes = session.deliver_decisions(RUN_ID, 1, [ID])
        assert outcomes == [ApprovalOutcome(decision="denied", message=DENIED.message)]
    assert session.pending == [DELIVERED]


def test_a_decision_delivered_to_an_earlier_worker_is_not_redelivered() -> None:
    session = after(*RUNNING, PENDING, DENIED, DELIVERED, RESTARTED)
    refused(Code.APPROVAL_NOT_FOUND, lambda: session.deliver_decisions(RUN_ID, 2, [ID]))


def test_decisions_are_delivered_together_or_not_at_all() -> None:
    session = after(*RUNNING, PENDING, DENIED, PENDING.model_copy(update={"approval_id": OTHER}))
    assert (session.deliver_decisions(RUN_ID, 1, [OTHER, ID]), session.pending) == (None, [])
    session.expire_approval(OTHER)
    outcomes = session.deliver_decisions(RUN_ID, 1, [OTHER, ID])
    assert [outcome.decision for outcome in outcomes or []] == ["expired", "denied"]
    assert [type(event) for event in session.pending] == [ApprovalDecided, DecisionDelivered, DecisionDelivered]


@pytest.mark.parametrize("events", [[*RUNNING, PENDING, DENIED], [*RUNNING]])
def test_only_a_pending_approval_expires(events: list[SessionEvent]) -> None:
    session = after(*events)
    session.expire_approval(ID)
    assert session.pending == []


def test_the_expiry_of_an_approval_is_delivered() -> None:
    session = after(*RUNNING, PENDING)
    session.expire_approval(ID)
    outcomes = session.deliver_decisions(RUN_ID, 1, [ID])
    expired, delivered = session.pending
    assert isinstance(expired, ApprovalDecided)
    assert outcomes == [ApprovalOutcome(decision="expired", message=expired.message)]
    assert (expired.decided_by, delivered) == (None, DELIVERED)


def test_ending_a_run_expires_its_approvals_in_the_same_append() -> None:
    session = after(*RUNNING, PENDING)
    session.end_run(RUN_ID, Usage(), Code.RUN_TIMEOUT, "")
    assert [type(event) for event in session.pending] == [ApprovalDecided, RunFailed]
    assert isinstance(session.pending[0], ApprovalDecided)
    assert (session.pending[0].approval_id, session.pending[0].decision) == (ID, "expired")


def test_deleting_a_session_expires_its_approvals() -> None:
    session = after(*RUNNING, PENDING)
    session.delete()
    assert [type(event) for event in session.pending] == [ApprovalDecided, RunCancelled, SessionDeleted]


QUEUED = RunQueued(run_id=OTHER, message_id=OTHER, message="Next.")
CANCELS: list[Callable[[Session], None]] = [lambda s: s.cancel_run(RUN_ID), lambda s: s.interrupt()]


@pytest.mark.parametrize("cancel", CANCELS, ids=["cancelled", "interrupted"])
def test_cancelling_a_run_expires_its_approvals_and_starts_the_next(
    cancel: Callable[[Session], None],
) -> None:
    session = after(*RUNNING, ToolCallStarted.example(), PENDING, QUEUED)
    cancel(session)
    session.start_next()
    expired, ended, cancelled, requested = session.pending
    assert isinstance(expired, ApprovalDecided)
    assert isinstance(ended, ToolCallEnded)
    assert isinstance(cancelled, RunCancelled)
    assert isinstance(requested, RunRequested)
    assert (expired.approval_id, expired.decision, expired.decided_by) == (ID, "expired", None)
    assert (ended.status, cancelled.run_id, requested.run_id) == ("interrupted", RUN_ID, OTHER)
    refused(Code.APPROVAL_OVER, lambda: session.decide_approval(DENY, UUID(USER), IN_TIME))


@pytest.mark.parametrize("decided", [(), (APPROVED,)], ids=["undecided", "decided, not delivered"])
def test_a_run_that_only_waits_is_continued_by_another_worker(decided: tuple[ApprovalDecided, ...]) -> None:
    session = after(*RUNNING, ToolCallStarted.example(), PENDING, *decided)
    session.start_run(RUN_ID)
    ended, started, _resumed = session.pending
    assert isinstance(ended, ToolCallEnded)
    assert (ended.status, started) == ("interrupted", RESTARTED)


ANOTHER_CALL = ToolCallStarted.example().model_copy(update={"tool_use_id": "toolu_2"})
MORE_THAN_WAITING: list[tuple[SessionEvent, ...]] = [
    (ToolCallStarted.example(), PENDING, APPROVED, DELIVERED),
    (ANOTHER_CALL, PENDING),
    (PENDING.model_copy(update={"tool_call_id": None}),),
]


@pytest.mark.parametrize("events", MORE_THAN_WAITING, ids=["delivered", "another call", "call not recorded"])
def test_the_calls_of_a_run_that_did_more_than_wait_are_left_open(events: tuple[SessionEvent, ...]) -> None:
    session = after(*RUNNING, *events)
    session.start_run(RUN_ID)
    assert session.pending[0] == RESTARTED


def test_a_run_is_interrupted_after_too_many_attempts() -> None:
    session = after(*RUNNING, PENDING)
    for _ in range(MAX_ATTEMPTS - 1):
        session.start_run(RUN_ID)
    assert session.run
    session.start_run(RUN_ID)
    assert session.run is None


LATE: list[Callable[[Session], object]] = [
    lambda s: s.request_approval(request(approval_id=MESSAGE)),
    lambda s: s.deliver_decisions(RUN_ID, 1, [ID]),
]


@pytest.mark.parametrize("late", LATE)
def test_commands_of_a_replaced_worker_are_refused(late: Callable[[Session], object]) -> None:
    refused(Code.RUN_TAKEN, lambda: late(after(*RUNNING, PENDING, RESTARTED, APPROVED)))


def test_an_earlier_approval_settles_the_same_call_once() -> None:
    session = after(*RUNNING, PENDING, RESTARTED, APPROVED, DELIVERED)
    outcome = session.request_approval(request(attempt=2, approval_id=MESSAGE))
    assert outcome == ApprovalOutcome(decision="approved")
    assert [type(event) for event in session.pending] == [ApprovalRequested, ApprovalDecided, DecisionDelivered]
    assert session.deliver_decisions(RUN_ID, 2, [UUID(MESSAGE)]) == [outcome]
    assert session.request_approval(request(attempt=2, approval_id=USER)) is None


def test_an_earlier_approval_does_not_settle_a_different_call() -> None:
    session = after(*RUNNING, PENDING, RESTARTED, APPROVED, DELIVERED)
    assert session.request_approval(request(attempt=2, approval_id=MESSAGE, tool_input={})) is None
