from typing import Any, cast
from uuid import UUID

import pytest
from contracts.messages import Accepted, Actor, Faulted, Message, Page, Query, Refused, reply_adapter, result_type
from contracts.refusals import Code, Refusal
from pydantic import ValidationError

ADA, BOB = UUID(int=1), UUID(int=2)


class Count(Query[int]):
    subject = "qry.test.count"
    sample = {}


class CountTwice(Count):
    """A question of a question: answered alike."""


def test_a_question_is_answered_with_the_type_of_its_base() -> None:
    assert result_type(CountTwice) is int


def test_a_question_without_an_answer_type_is_a_fault() -> None:
    with pytest.raises(TypeError, match="Query does not say"):
        result_type(cast(Any, Query))


@pytest.mark.parametrize(
    "reply", [Accepted[int](result=7), Refused(code=Code.SESSION_BUSY, detail="Later."), Faulted(detail="Down.")]
)
def test_a_reply_comes_through_the_wire_unchanged(reply: Message) -> None:
    assert reply_adapter(int).validate_json(reply.model_dump_json()) == reply


def test_a_result_of_another_type_is_not_a_reply() -> None:
    with pytest.raises(ValidationError):
        reply_adapter(int).validate_json('{"kind": "accepted", "result": "seven"}')


def test_a_result_of_nothing_is_a_reply() -> None:
    assert reply_adapter(None).validate_json('{"kind": "accepted", "result": null}') == Accepted[None](result=None)


def test_a_code_that_this_side_does_not_know_is_not_a_reply() -> None:
    with pytest.raises(ValidationError):
        reply_adapter(int).validate_json('{"kind": "refused", "code": "UNHEARD_OF", "detail": ""}')


def test_a_refusal_tells_its_code_and_its_detail() -> None:
    assert str(Refusal(Code.SESSION_BUSY, "Later.")) == "SESSION_BUSY: Later."


def test_a_page_has_no_negative_total() -> None:
    with pytest.raises(ValidationError, match="total"):
        Page[int](items=[], total=-1)


@pytest.mark.parametrize(("role", "sees"), [("admin", True), ("user", False), ("viewer", False)])
def test_only_an_administrator_sees_what_belongs_to_others(role: Any, sees: bool) -> None:
    assert Actor(user_id=ADA, role=role).may_see(BOB) is sees


def test_everyone_sees_what_is_theirs() -> None:
    assert Actor(user_id=ADA, role="viewer").may_see(ADA)
