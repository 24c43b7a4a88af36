"""Requests to the URL of a trigger: signatures, and the variables in their bodies."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from contracts.refusals import Code
from contracts.samples import TASK, TRIGGER
from contracts.task_scheduler.trigger import FireTrigger
from eventing.testing import refused
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook
from task_scheduler import webhook
from task_scheduler.webhook import MAX_BODY_BYTES, TOLERANCE, is_authentic, new_secret, variables_of

NOW = datetime(2026, 11, 26, 9, tzinfo=UTC)
SECRET, OTHER = new_secret(), new_secret()


def request(body: bytes = b"{}", secret: str = SECRET, at: datetime = NOW, **changed: str) -> FireTrigger:
    """Return a request as a sender with `secret` signs it, with some headers changed afterwards."""
    signature = Webhook(secret).sign("msg_1", at, body.decode(errors="replace"))
    headers = {"webhook_id": "msg_1", "webhook_timestamp": f"{at.timestamp():.0f}", "webhook_signature": signature}
    ids = {"task_id": UUID(TASK), "trigger_id": UUID(TRIGGER)}
    return FireTrigger.model_validate({**ids, **headers, **changed, "body": base64.b64encode(body)})


def test_a_secret_has_32_random_bytes() -> None:
    assert len({new_secret() for _ in range(9)}) == 9
    assert len(base64.b64decode(SECRET.removeprefix("whsec_"), validate=True)) == 32


@pytest.mark.parametrize("secrets", [(SECRET, None), (SECRET, OTHER), (OTHER, SECRET)])
def test_a_request_signed_with_a_valid_secret_is_authentic(secrets: tuple[str | None, str | None]) -> None:
    assert is_authentic(request(), *secrets, NOW)


@pytest.mark.parametrize("secrets", [(None, None), (OTHER, None), (OTHER, OTHER)])
def test_a_request_signed_with_another_secret_is_refused(secrets: tuple[str | None, str | None]) -> None:
    assert not is_authentic(request(), *secrets, NOW)


ARABIC_DIGITS = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")
SIGNATURE = request().webhook_signature


@pytest.mark.parametrize(
    "changed",
    [
        {"webhook_id": "msg_2"},
        {"webhook_id": ""},
        {"webhook_timestamp": f"{NOW.timestamp() + 1:.0f}"},
        {"webhook_timestamp": ""},
        {"webhook_timestamp": "now"},
        {"webhook_timestamp": f"{NOW.timestamp():.1f}"},
        {"webhook_timestamp": f"-{NOW.timestamp():.0f}"},
        {"webhook_timestamp": "9" * 400},
        {"webhook_timestamp": f"{NOW.timestamp():.0f}".translate(ARABIC_DIGITS)},
        {"webhook_signature": ""},
        {"webhook_signature": "v1,"},
        {"webhook_signature": "v1"},
        {"webhook_signature": SIGNATURE.replace("v1,", "v2,")},
        {"webhook_signature": SIGNATURE.removeprefix("v1,")},
        {"webhook_signature": SIGNATURE[:-2]},
        {"webhook_signature": f"v1,{base64.b64encode(bytes(32)).decode()}"},
        {"webhook_signature": "v1,ÿ"},
    ],
)
def test_a_request_with_forged_headers_is_refused(changed: dict[str, str]) -> None:
    assert not is_authentic(request().model_copy(update=changed), SECRET, OTHER, NOW)


def test_a_request_with_another_body_is_refused() -> None:
    forged = request(b'{"a": 1}').model_copy(update={"body": b'{"a": 2}'})
    assert not is_authentic(forged, SECRET, None, NOW)


def test_one_of_several_signatures_suffices() -> None:
    assert is_authentic(request(webhook_signature=f"v1a,x v1,eA== {SIGNATURE}"), SECRET, None, NOW)


@pytest.mark.parametrize("distance", [TOLERANCE, -TOLERANCE])
def test_a_request_within_the_tolerance_is_authentic(distance: timedelta) -> None:
    assert is_authentic(request(at=NOW + distance), SECRET, None, NOW)


@pytest.mark.parametrize("distance", [TOLERANCE, -TOLERANCE])
def test_a_request_outside_the_tolerance_is_refused(distance: timedelta) -> None:
    at = NOW + distance * 1.01
    assert not is_authentic(request(at=at), SECRET, None, NOW)


def test_an_unknown_trigger_takes_the_same_two_signatures(monkeypatch: pytest.MonkeyPatch) -> None:
    signed: list[str] = []

    class Counting(Webhook):
        def sign(self, msg_id: str, timestamp: datetime, data: str) -> str:
            signed.append(msg_id)
            return super().sign(msg_id, timestamp, data)

    monkeypatch.setattr(webhook, "Webhook", Counting)
    for secrets in ((None, None), (SECRET, None), (SECRET, OTHER)):
        is_authentic(request(webhook_timestamp="?"), *secrets, NOW)
    assert len(signed) == 6


def test_members_become_variables_and_the_whole_is_the_payload() -> None:
    payload = {"größe": [1], "ref": None, "not a name": 2, "": 3}
    assert variables_of(request(json.dumps(payload).encode())) == {"größe": [1], "ref": None, "payload": payload}


def test_a_member_cannot_replace_the_payload() -> None:
    assert variables_of(request(b'{"payload": 1}')) == {"payload": {"payload": 1}}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'"text"',
        b"null",
        b"{",
        b"{}{}",
        b'{"a": NaN}',
        b'{"a": 1e999}',
        b'{"a": "\\u0000"}',
        b'{"\\\\\\u0000": 1}',
        b'{"a": "\\ud800"}',
        b'{"a": "\xff"}',
        b'{"a": ' + b"1" * 5000 + b"}",
        b'{"a":' * 65 + b"1" + b"}" * 65,
        b"[" * 60_000,
        b'{"a":' * 10_000,
        b'{"a": "' + b"x" * MAX_BODY_BYTES + b'"}',
        '{"a": 1}'.encode("utf-16"),
    ],
)
def test_a_body_that_is_no_bounded_json_object_is_refused(body: bytes) -> None:
    refused(Code.WEBHOOK_BODY_INVALID, lambda: variables_of(request(body)))


def test_a_long_webhook_id_is_refused() -> None:
    detail = refused(Code.WEBHOOK_BODY_INVALID, lambda: variables_of(request(webhook_id="x" * 257)))
    assert "webhook-id" in detail


def test_the_text_of_an_escape_is_no_nul() -> None:
    assert variables_of(request(rb'{"a": "\\u0000"}'))["a"] == r"\u0000"


def json_objects() -> st.SearchStrategy[Any]:
    """Return objects of the values that JSON has, in PostgreSQL's text."""
    texts = st.text(st.characters(exclude_characters="\0", codec="utf-8"))
    values = st.recursive(st.none() | st.booleans() | st.integers() | texts, lambda x: st.lists(x, max_size=3))
    return st.dictionaries(texts, values, max_size=5)


@given(json_objects())
def test_any_other_object_is_the_payload(payload: dict[str, Any]) -> None:
    assert variables_of(request(json.dumps(payload).encode()))["payload"] == payload
