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
    """A subclass of a query, with the same result type."""


def test_a_query_has_the_result_type_of_its_base() -> None:
    assert result_type(CountTwice) is int


def test_a_query_without_a_result_type_is_an_error() -> None:
    with pytest.raises(TypeError, match="Query has no result type"):
        result_type(cast(Any, Query))


@pytest.mark.parametrize(
    "reply", [Accepted[int](result=7), Refused(code=Code.SESSION_BUSY, detail="Later."), Faulted(detail="Down.")]
)
def test_a_reply_survives_serialization(reply: Message) -> None:
    assert reply_adapter(int).validate_json(reply.model_dump_json()) == reply


def test_a_reply_with_a_result_of_another_type_is_invalid() -> None:
    with pytest.raises(ValidationError):
        reply_adapter(int).validate_json('{"kind": "accepted", "result": "seven"}')


def test_a_reply_may_have_no_result() -> None:
    assert reply_adapter(None).validate_json('{"kind": "accepted", "result": null}') == Accepted[None](result=None)


def test_a_reply_with_an_unknown_code_is_invalid() -> None:
    with pytest.raises(ValidationError):
        reply_adapter(int).validate_json('{"kind": "refused", "code": "NO_SUCH_CODE", "detail": ""}')


def test_the_text_of_a_refusal_has_its_code_and_detail() -> None:
    assert str(Refusal(Code.SESSION_BUSY, "Later.")) == "SESSION_BUSY: Later."


def test_a_page_with_a_negative_total_is_invalid() -> None:
    with pytest.raises(ValidationError, match="total"):
        Page[int](items=[], total=-1)


@pytest.mark.parametrize(("role", "sees"), [("admin", True), ("user", False), ("viewer", False)])
def test_only_administrators_see_resources_of_other_users(role: Any, sees: bool) -> None:
    assert Actor(user_id=ADA, role=role).may_see(BOB) is sees


def test_every_user_sees_their_own_resources() -> None:
    assert Actor(user_id=ADA, role="viewer").may_see(ADA)


def test_an_unknown_time_to_wait_is_omitted_for_earlier_releases() -> None:
    assert "retry_after" not in Refused(code=Code.SESSION_BUSY, detail="Later.").model_dump_json()
    refused = Refused(code=Code.ACCOUNT_LOCKED, detail="Later.", retry_after=7)
    assert Refused.model_validate_json(refused.model_dump_json()) == refused
