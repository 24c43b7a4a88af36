from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from contracts.messages import Actor, Credential
from hypothesis import given
from hypothesis import strategies as st
from runtime import clock
from runtime.bus.envelope import Envelope, plain_address

ACTORS = st.builds(Actor, user_id=st.uuids(), role=st.sampled_from(["admin", "user", "viewer"]))
ENVELOPES = st.builds(
    Envelope,
    message_id=st.uuids(),
    correlation_id=st.text(min_size=1),
    causation_id=st.none() | st.uuids(),
    actor=st.none() | ACTORS,
    traceparent=st.none() | st.just("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    deadline=st.none() | st.datetimes(timezones=st.just(UTC)),
    client_address=st.none() | st.ip_addresses().map(str),
    credential=st.none() | st.builds(Credential, kind=st.sampled_from(["login", "api_key"]), id=st.uuids()),
    expected_versions=st.lists(st.integers(min_value=1), max_size=3).map(tuple),
    wants_version=st.booleans(),
)
KEY = Credential(kind="api_key", id=UUID(int=3))
ADA = Actor(user_id=UUID(int=1), role="user")


@given(ENVELOPES)
def test_an_envelope_survives_a_round_trip_through_headers(envelope: Envelope) -> None:
    assert Envelope.from_headers(envelope.headers()) == envelope


@pytest.mark.parametrize(
    "headers",
    [
        None,
        {"correlation-id": "a"},
        {"ce-id": "no uuid"},
        {"ce-id": str(UUID(int=1)), "causation-id": "no uuid"},
        {"ce-id": str(UUID(int=1)), "actor": "somebody"},
        {"ce-id": str(UUID(int=1)), "actor": f"{UUID(int=2)} emperor"},
        {"ce-id": str(UUID(int=1)), "client-address": "somewhere"},
        {"ce-id": str(UUID(int=1)), "client-address": "192.0.2.1, 192.0.2.2"},
        {"ce-id": str(UUID(int=1)), "credential": f"password {UUID(int=2)}"},
        {"ce-id": str(UUID(int=1)), "credential": "api_key"},
        {"ce-id": str(UUID(int=1)), "deadline": "soon"},
        {"ce-id": str(UUID(int=1)), "deadline": "2026-11-25T09:00:00"},
    ],
)
def test_invalid_headers_are_rejected(headers: Any) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  with different messages
        Envelope.from_headers(headers)


def test_a_message_without_a_correlation_id_uses_its_own_id() -> None:
    assert Envelope.from_headers({"ce-id": str(UUID(int=1))}).correlation_id == str(UUID(int=1))


def test_a_new_chain_uses_the_id_of_its_first_message() -> None:
    first = Envelope.begin(actor=ADA)
    assert (first.correlation_id, first.causation_id, first.actor) == (str(first.message_id), None, ADA)


def test_a_caused_message_keeps_correlation_id_and_actor() -> None:
    first = Envelope.begin(correlation_id="story", actor=ADA).within(5)
    then = first.follow()
    assert (then.correlation_id, then.causation_id, then.actor) == ("story", first.message_id, ADA)


def test_a_caused_message_has_a_new_id_and_no_deadline() -> None:
    first = Envelope.begin().within(5)
    assert first.follow().message_id != first.message_id
    assert first.follow().deadline is None


@given(ENVELOPES)
def test_what_a_message_expects_does_not_count_for_those_that_follow(first: Envelope) -> None:
    assert (first.follow().expected_versions, first.follow().wants_version) == ((), False)


def test_a_deadline_changes_nothing_else() -> None:
    envelope = Envelope.begin(correlation_id="story", actor=ADA).follow()
    assert Envelope.from_headers(envelope.within(5).headers() | {"deadline": "2026-11-25T09:00:00Z"}) == Envelope(
        envelope.message_id, "story", envelope.causation_id, ADA, None, datetime(2026, 11, 25, 9, tzinfo=UTC)
    )


def test_a_message_expires_at_its_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    envelope = Envelope.begin().within(5)
    assert envelope.deadline
    for seconds, expired in ((-1, False), (1, True)):
        at = envelope.deadline + timedelta(seconds=seconds)
        monkeypatch.setattr(clock, "now", lambda at=at: at)
        assert envelope.expired is expired


def test_a_message_without_a_deadline_never_expires() -> None:
    assert not Envelope.begin().expired


def test_ids_sort_by_time_of_creation() -> None:
    ids = [clock.new_id() for _ in range(100)]
    assert ids == sorted(ids)
    assert {new.version for new in ids} == {7}


def test_a_caused_message_keeps_the_client_of_the_request() -> None:
    first = Envelope.begin(actor=ADA, client_address="192.0.2.1", credential=KEY)
    then = first.follow()
    assert (then.client_address, then.credential) == ("192.0.2.1", KEY)


def test_what_is_done_for_another_user_keeps_only_the_address() -> None:
    first = Envelope.begin(actor=ADA, client_address="192.0.2.1", credential=KEY)
    then = first.on_behalf_of(Actor(user_id=UUID(int=2), role="user"))
    assert (then.client_address, then.credential) == ("192.0.2.1", None)


def test_what_a_service_does_later_has_no_client() -> None:
    later = Envelope.begin(actor=ADA, client_address="192.0.2.1", credential=KEY).without_client()
    assert (later.actor, later.client_address, later.credential) == (ADA, None, None)


@pytest.mark.parametrize(
    ("text", "address"),
    [("192.0.2.1", "192.0.2.1"), ("2001:DB8:0::1", "2001:db8::1"), ("fe80::1%eth0\r\nactor: x", "fe80::1")],
)
def test_an_address_is_written_in_its_usual_form(text: str, address: str) -> None:
    assert plain_address(text) == address
