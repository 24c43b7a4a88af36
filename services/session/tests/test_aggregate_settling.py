"""The decisions of a session about the tool calls of a worker that was lost."""

from typing import Any
from uuid import UUID

import pytest
from contracts.refusals import Code
from contracts.samples import USER
from contracts.session import SessionEvent
from contracts.session.approval import ApprovalDecided, ApprovalRequested, DecideApproval, DecisionDelivered
from contracts.session.conversation import ToolCallEnded, ToolCallStarted
from contracts.session.release import RunContinued
from contracts.session.settling import LostCall, OutcomesUnknown, Settled, SettleRun, StoredResult
from contracts.session.values import AfterCrash, Decision, Mode, SdkOptions, Usage
from eventing.testing import refused
from runtime.clock import new_id
from session.aggregate import Session
from session.aggregate.settling import MAX_ASKED

from services.session.tests.test_aggregate_approvals import CREATED, IN_TIME, REQUESTED, RUN_ID, STARTED, after, request
from services.session.tests.test_aggregate_releases import CALL, RESTARTED

TOOL = CALL[1]
LOST = LostCall(tool_use_id=TOOL.tool_use_id, tool_name=TOOL.tool_name, tool_input=TOOL.tool_input)
BEGUN = REQUESTED, STARTED, *CALL


def settle(session: Session, attempt: int = 2, **changed: Any) -> Settled:
    about: dict[str, Any] = {"run_id": RUN_ID, "attempt": attempt, "results": [], "unknown": [LOST]}
    return session.settle_run(SettleRun.example().model_copy(update=about | changed))


def session_with(after_crash: AfterCrash | None, mode: Mode = "interactive", *events: SessionEvent) -> Session:
    created = CREATED.model_copy(update={"mode": mode, "sdk_options": SdkOptions(after_crash=after_crash)})
    return after(created, *BEGUN, *(events or (RESTARTED,)))


def lost_call(number: int) -> LostCall:
    """Return another call, with an input of its own."""
    return LostCall(tool_use_id=f"toolu_{number}", tool_name=TOOL.tool_name, tool_input={"n": number})


def more_calls() -> list[ToolCallStarted]:
    """Return the events of one call more than people are asked about, beside the first one."""
    changes = [{"tool_use_id": f"toolu_{n}", "tool_call_id": new_id()} for n in range(2, MAX_ASKED + 2)]
    return [TOOL.model_copy(update=change) for change in changes]


def statuses(session: Session) -> list[str]:
    """Return the statuses with which tool calls have ended."""
    return [event.status for event in session.pending if isinstance(event, ToolCallEnded)]


def decide(session: Session, decision: Decision) -> None:
    [asked] = [event for event in session.pending if isinstance(event, ApprovalRequested)]
    about = {"approval_id": asked.approval_id, "decision": decision, "remember": "session", "message": ""}
    session.decide_approval(DecideApproval.example().model_copy(update=about), UUID(USER), IN_TIME)


@pytest.mark.parametrize(("is_error", "status"), [(False, "success"), (True, "error"), (None, "interrupted")])
def test_the_calls_of_a_lost_worker_end_as_they_did(is_error: bool | None, status: str) -> None:
    session = session_with(None)
    found = [] if is_error is None else [StoredResult(tool_use_id="toolu_1", output={"n": 1}, is_error=is_error)]
    assert settle(session, results=found, unknown=[]) == Settled(outlook="continues")
    [ended] = session.pending
    assert isinstance(ended, ToolCallEnded)
    assert (ended.status, ended.tool_output) == (status, {"n": 1} if found else None)


def test_a_replaced_worker_settles_nothing() -> None:
    session = session_with(None)
    refused(Code.RUN_TAKEN, lambda: settle(session, attempt=1))


@pytest.mark.parametrize(
    ("after_crash", "mode", "outlook"),
    [
        (None, "interactive", "waits"),
        (None, "forked", "waits"),
        (None, "non_interactive", "ends"),
        ("ask", "non_interactive", "ends"),
        ("ask", "interactive", "waits"),
        ("end", "interactive", "ends"),
        ("continue", "interactive", "continues"),
        ("continue", "non_interactive", "continues"),
    ],
)
def test_options_and_mode_decide_what_becomes_of_a_run(
    after_crash: AfterCrash | None, mode: Mode, outlook: str
) -> None:
    session = session_with(after_crash, mode)
    settled = settle(session)
    assert (settled.outlook, settled.uncertain) == (outlook, [LOST.key])
    assert settled.unknown == ([] if outlook == "waits" else ["toolu_1"])
    assert statuses(session) == ([] if outlook == "waits" else ["unknown"])


@pytest.mark.parametrize("after_crash", ["ask", "continue", "end"])
def test_settling_again_records_nothing_and_says_the_same(after_crash: AfterCrash) -> None:
    session = session_with(after_crash)
    settled, recorded = settle(session), len(session.pending)
    assert (settle(session), len(session.pending)) == (settled, recorded)


def test_calls_beyond_those_that_people_are_asked_about_stay_unknown() -> None:
    session = session_with("ask", "interactive", *more_calls(), RESTARTED)
    lost = [LOST, *(lost_call(n) for n in range(2, MAX_ASKED + 2))]
    settled = settle(session, unknown=lost)
    assert settled.unknown == [lost[-1].tool_use_id]
    assert settle(session, unknown=lost) == settled


def test_the_question_is_about_the_call_and_ends_it_once_it_is_decided() -> None:
    session = session_with("ask")
    settle(session)
    unknown, asked = session.pending
    assert isinstance(unknown, OutcomesUnknown)
    assert isinstance(asked, ApprovalRequested)
    assert (asked.kind, asked.tool_call_id, asked.tool_input) == ("outcome", TOOL.tool_call_id, TOOL.tool_input)
    decide(session, "denied")
    assert statuses(session) == ["unknown"]


def test_a_decision_about_an_outcome_is_never_remembered() -> None:
    session = session_with("ask")
    settle(session)
    decide(session, "approved")
    assert session.remembered == {}


def test_a_run_that_was_released_to_ask_continues_after_the_decision() -> None:
    session = session_with("ask")
    settle(session)
    session.release_run(RUN_ID, Usage(), 2)
    decide(session, "approved")
    assert isinstance(session.pending[-1], RunContinued)


@pytest.mark.parametrize(("decision", "uncertain"), [("approved", []), ("denied", [LOST.key]), ("expired", [LOST.key])])
def test_only_an_approved_call_may_be_repeated(decision: Decision, uncertain: list[UUID]) -> None:
    session = session_with("ask")
    settle(session)
    if decision == "expired":
        [asked] = [event for event in session.pending if isinstance(event, ApprovalRequested)]
        session.expire_approval(asked.approval_id)
    else:
        decide(session, decision)
    assert settle(session).uncertain == uncertain
    outcome = session.request_approval(request(attempt=2, kind="outcome"))
    assert (outcome is None) == (decision == "approved")


@pytest.mark.parametrize("lost_again", [False, True])
def test_a_call_whose_input_was_cut_is_known_by_its_key(*, lost_again: bool) -> None:
    session, cut = session_with("ask"), LOST.model_copy(update={"tool_input": {"truncated": True}})
    settle(session, unknown=[cut])
    if lost_again:
        session.start_run(RUN_ID)
    assert statuses(session) == []
    decide(session, "denied")
    attempt = 3 if lost_again else 2
    assert settle(session, attempt, unknown=[cut]).uncertain == [LOST.key]
    outcome = session.request_approval(request(attempt=attempt, kind="outcome"))
    assert outcome
    assert outcome.decision == "denied"


def test_an_approved_repetition_needs_no_second_approval() -> None:
    session = session_with("ask")
    settle(session)
    decide(session, "approved")
    session.start_run(RUN_ID)
    [asked] = [event for event in session.pending if isinstance(event, ApprovalRequested)]
    session.deliver_decisions(RUN_ID, 3, [asked.approval_id])
    outcome = session.request_approval(request(attempt=3))
    assert outcome
    assert outcome.decision == "approved"


@pytest.mark.parametrize(("mode", "asks"), [("interactive", True), ("non_interactive", False)])
def test_a_repetition_asks_or_is_denied_where_nobody_can_be_asked(mode: Mode, asks: bool) -> None:
    session = session_with("continue", mode)
    settle(session)
    outcome = session.request_approval(request(attempt=2, kind="outcome"))
    assert (outcome is None) == asks


def test_a_call_that_waited_for_approval_had_not_begun() -> None:
    asked = ApprovalRequested.example()
    session = session_with("end", "interactive", asked, RESTARTED)
    assert settle(session) == Settled(outlook="waits")


def test_the_question_of_a_server_is_withdrawn() -> None:
    asked = ApprovalRequested.example().model_copy(update={"kind": "elicitation", "tool_use_id": ""})
    session = session_with("end", "interactive", asked, RESTARTED)
    settle(session, unknown=[])
    assert [type(event) for event in session.pending[:2]] == [ApprovalDecided, DecisionDelivered]


def test_an_outcome_stays_unknown_if_the_run_is_cancelled_meanwhile() -> None:
    session = session_with("ask")
    settle(session)
    session.cancel_run(RUN_ID)
    assert statuses(session) == ["unknown"]


def test_a_call_that_is_not_in_progress_is_not_lost() -> None:
    session = session_with("end")
    other = LOST.model_copy(update={"tool_use_id": "toolu_9"})
    assert settle(session, unknown=[other]) == Settled(outlook="continues")
