"""Questions of MCP servers: approvals with a form."""

from typing import Any
from uuid import UUID

import pytest
from contracts.refusals import Code
from contracts.samples import APPROVAL, USER
from contracts.session.approval import ApprovalDecided, ApprovalRequested, DecideApproval, RequestApproval
from contracts.session.values import ApprovalOutcome
from eventing.testing import refused
from session.aggregate import Session
from session.aggregate.form import check_content

from services.session.tests.test_aggregate_approvals import IN_TIME, RUNNING, STARTED, after

FORM: dict[str, Any] = {
    "type": "object",
    "properties": {
        "colour": {"type": "string"},
        "size": {"type": "string", "enum": ["S", "M"]},
        "count": {"type": "integer"},
        "ratio": {"type": "number"},
        "shiny": {"type": "boolean"},
        "tags": {"type": "array"},
    },
    "required": ["colour"],
}
QUESTION: dict[str, Any] = {"kind": "elicitation", "tool_name": "mcp__lab", "tool_use_id": "", "form": FORM}
ASKED = ApprovalRequested.model_validate(ApprovalRequested.sample | QUESTION | {"tool_call_id": None})
TOOL = ApprovalRequested.model_validate(ApprovalRequested.sample | {"approval_id": USER, "tool_name": "mcp__lab"})
RED = {"colour": "red"}


def decide(session: Session, **changed: Any) -> ApprovalDecided:
    sample = {"approval_id": APPROVAL, "decision": "approved", "content": RED}
    session.decide_approval(DecideApproval.model_validate(sample | changed), UUID(USER), IN_TIME)
    [decided] = session.pending
    assert isinstance(decided, ApprovalDecided)
    return decided


def test_a_question_is_an_approval_with_a_form() -> None:
    session = after(*RUNNING)
    session.request_approval(RequestApproval.model_validate(RequestApproval.sample | QUESTION))
    assert session.pending == [ASKED]


def test_an_approval_of_a_question_contains_the_input() -> None:
    assert decide(after(*RUNNING, ASKED)).content == RED


def test_a_denied_question_has_no_input() -> None:
    assert decide(after(*RUNNING, ASKED), decision="denied").content is None


def test_the_input_is_delivered_to_the_worker() -> None:
    session = after(*RUNNING, ASKED)
    session.apply(decide(session))
    outcome = session.deliver_decisions(ASKED.run_id, STARTED.attempt, [ASKED.approval_id])
    assert outcome == [ApprovalOutcome(decision="approved", content={"colour": "red"})]


def test_an_answer_is_never_remembered() -> None:
    assert decide(after(*RUNNING, ASKED), remember="session").remember == "once"


def test_a_remembered_decision_about_a_tool_does_not_answer_a_question() -> None:
    session = after(*RUNNING, TOOL, ASKED)
    decided = decide(session, approval_id=USER, remember="session", content=None)
    assert decided.approval_id == UUID(USER)
    session.apply(decided)
    again = RequestApproval.model_validate(RequestApproval.sample | QUESTION | {"approval_id": USER})
    assert session.request_approval(again) is None


def test_an_answer_without_a_required_field_is_refused() -> None:
    session = after(*RUNNING, ASKED)
    assert refused(Code.FORM_INVALID, lambda: decide(session, content=None))


@pytest.mark.parametrize(
    "content", [{"size": "M"}, {"count": 1}, {"ratio": 1}, {"ratio": 0.5}, {"shiny": False}, {"tags": ["a"]}, {}]
)
def test_input_that_fits_the_form_is_accepted(content: dict[str, Any]) -> None:
    check_content(FORM, RED | content)


@pytest.mark.parametrize(
    "content",
    [
        {"colour": 1},
        {"size": "L"},
        {"count": 0.5},
        {"count": True},
        {"ratio": "1"},
        {"shiny": 1},
        {"tags": "a"},
        {"x": 1},
    ],
)
def test_input_that_does_not_fit_the_form_is_refused(content: dict[str, Any]) -> None:
    assert refused(Code.FORM_INVALID, lambda: check_content(FORM, RED | content))


@pytest.mark.parametrize("form", [None, {}, {"properties": 1, "required": 2}, {"properties": {"a": 1}}])
def test_a_form_that_is_not_valid_accepts_no_input_at_all(form: Any) -> None:
    check_content(form, None)
