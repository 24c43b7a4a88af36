from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from contracts.identity.events import (
    PasswordSet,
    RefreshTokenIssued,
    TokenFamilyRevoked,
    UserEvent,
    UserLoggedIn,
    UserRegistered,
)
from contracts.refusals import Code, Refusal
from contracts.samples import FAMILY, SESSION, USER
from eventing.state import codec_of
from hypothesis import given
from hypothesis import strategies as st
from identity.aggregate import GRACE, MAX_LIVE_FAMILIES, MOST_FAMILIES, REMEMBERED, RefreshTokenHash, User

NOW = datetime(2026, 11, 25, 9, tzinfo=UTC)
FAMILY_ID, OTHER = UUID(FAMILY), UUID(SESSION)
ISSUED = RefreshTokenIssued(family_id=FAMILY_ID, token_hash="first", expires_at=NOW + timedelta(days=7))
NEXT = RefreshTokenHash("second", NOW + timedelta(days=7))
LATER = NOW + GRACE + timedelta(seconds=1)
REVOKED = TokenFamilyRevoked(family_id=FAMILY_ID, reason="logout")


def after(*events: UserEvent) -> User:
    user = User(UUID(USER))
    for event in (UserRegistered.example(), PasswordSet.example(), *events):
        user.apply(event)
    return user


def test_registering_keeps_the_password_apart_from_what_is_published() -> None:
    user = User(UUID(USER))
    user.register("ada@example.com", "ada", "Ada Lovelace", "user", "hash")
    assert user.pending == [UserRegistered.example(), PasswordSet(password_hash="hash")]
    assert [event.published for event in user.pending] == [True, False]


def test_a_login_opens_a_family() -> None:
    user = after()
    user.log_in(FAMILY_ID, RefreshTokenHash("first", ISSUED.expires_at), NOW)
    assert user.pending == [UserLoggedIn(family_id=FAMILY_ID), ISSUED.model_copy(update={"issued_at": NOW})]


def test_a_login_drops_families_that_expired() -> None:
    user = after(ISSUED)
    user.log_in(OTHER, NEXT, NOW + timedelta(days=8))
    assert user.pending[0] == TokenFamilyRevoked(family_id=FAMILY_ID, reason="expired")
    assert set(user.families) == {OTHER}


def test_a_login_too_many_ends_the_one_that_was_not_refreshed_for_longest() -> None:
    user = after()
    for number in range(MOST_FAMILIES):
        user.log_in(UUID(int=number), RefreshTokenHash(f"{number}", NEXT.expires_at), NOW)
    assert user.refresh(UUID(int=0), "0", NEXT, NOW)
    user.pending.clear()
    user.log_in(FAMILY_ID, NEXT, NOW)
    assert user.pending[0] == TokenFamilyRevoked(family_id=UUID(int=1), reason="logout")
    assert len(user.families) == MOST_FAMILIES


def test_an_account_does_not_grow_with_its_logins() -> None:
    user, sizes = after(), list[int]()
    for number in range(3 * MOST_FAMILIES):
        user.log_in(UUID(int=number), NEXT, NOW)
        sizes.append(len(codec_of(User).dump(user)))
    assert sizes[-1] == sizes[2 * MOST_FAMILIES]


def following(number: int) -> RefreshTokenHash:
    return RefreshTokenHash(f"next {number}", NEXT.expires_at)


def test_the_newest_refresh_token_is_traded() -> None:
    user = after(ISSUED)
    assert user.refresh(FAMILY_ID, "first", NEXT, NOW)
    assert user.families[FAMILY_ID].live == {"second": NEXT.expires_at}


def test_a_refresh_token_that_was_just_used_is_traded_again_and_both_successors_are_good() -> None:
    user = after(ISSUED)
    assert user.refresh(FAMILY_ID, "first", NEXT, NOW)
    assert user.refresh(FAMILY_ID, "first", following(1), NOW + GRACE)
    assert user.refresh(FAMILY_ID, "second", following(2), LATER)
    assert user.refresh(FAMILY_ID, "next 1", following(3), LATER)


def test_a_refresh_token_that_comes_back_late_revokes_its_family() -> None:
    user = after(ISSUED)
    user.refresh(FAMILY_ID, "first", NEXT, NOW)
    assert not user.refresh(FAMILY_ID, "first", NEXT, LATER)
    assert user.pending[-1] == TokenFamilyRevoked(family_id=FAMILY_ID, reason="reuse")


def test_repetitions_do_not_prolong_the_time_for_repetitions() -> None:
    user = after(ISSUED)
    user.refresh(FAMILY_ID, "first", following(1), NOW)
    user.refresh(FAMILY_ID, "first", following(2), NOW + GRACE)
    assert not user.refresh(FAMILY_ID, "first", following(3), LATER)


def test_a_token_that_an_earlier_release_replaced_is_used_for_long() -> None:
    user = after(ISSUED, ISSUED.model_copy(update={"token_hash": "second"}))
    assert not user.refresh(FAMILY_ID, "first", NEXT, NOW)


def test_a_token_that_is_forgotten_but_proven_revokes_its_family() -> None:
    user = after(ISSUED)
    assert not user.refresh(FAMILY_ID, "forgotten", NEXT, NOW, proven=True)
    assert user.pending[-1] == TokenFamilyRevoked(family_id=FAMILY_ID, reason="reuse")


def test_a_word_that_never_was_a_token_ends_nothing() -> None:
    user = after(ISSUED)
    with pytest.raises(Refusal, match=Code.INVALID_REFRESH_TOKEN):
        user.refresh(FAMILY_ID, "made up", NEXT, NOW)
    assert user.pending == []
    assert user.refresh(FAMILY_ID, "first", NEXT, NOW)


def test_what_is_remembered_of_a_family_is_bounded() -> None:
    user = after(ISSUED)
    for number in range(2 * MAX_LIVE_FAMILIES):
        user.refresh(FAMILY_ID, "first", following(number), NOW)
    for number in range(MAX_LIVE_FAMILIES, 2 * MAX_LIVE_FAMILIES + 2 * REMEMBERED):
        user.refresh(FAMILY_ID, f"next {number}", following(number + MAX_LIVE_FAMILIES), NOW)
    family = user.families[FAMILY_ID]
    assert (len(family.live), len(family.used)) == (MAX_LIVE_FAMILIES, REMEMBERED)


@pytest.mark.parametrize(("events", "now"), [((), NOW), ((ISSUED, REVOKED), NOW), ((ISSUED,), NOW + timedelta(days=8))])
def test_no_token_is_traded_in_a_family_that_is_unknown_revoked_or_expired(
    events: tuple[UserEvent, ...], now: datetime
) -> None:
    with pytest.raises(Refusal, match=Code.INVALID_REFRESH_TOKEN):
        after(*events).refresh(FAMILY_ID, "first", NEXT, now)


def test_logging_out_revokes_the_family() -> None:
    user = after(ISSUED)
    user.log_out(FAMILY_ID)
    assert user.pending == [REVOKED]


def test_logging_out_twice_changes_nothing() -> None:
    user = after(ISSUED, REVOKED)
    user.log_out(FAMILY_ID)
    assert user.pending == []


@given(st.lists(st.tuples(st.sampled_from(["in", "out", "refresh"]), st.integers(0, 3), st.integers(0, 20))))
def test_replay_equals_live(acts: list[tuple[str, int, int]]) -> None:
    live = after()
    for act, family, day in acts:
        family_id, now = UUID(int=family), NOW + timedelta(days=day)
        known = live.families.get(family_id)
        if act == "in":
            live.log_in(family_id, RefreshTokenHash(f"{day}", now + timedelta(days=7)), now)
        elif act == "out":
            live.log_out(family_id)
        elif known and known.expires_at > now:
            good = [token for token, until in known.live.items() if until > now]
            live.refresh(family_id, (good if day % 2 else [*known.used, *good])[0], NEXT, now)
    again, restored = after(*live.pending), User(live.id)
    codec_of(User).restore(restored, live.version, NOW, codec_of(User).dump(live))
    assert again.families == restored.families == live.families
    assert [*again.families] == [*restored.families] == [*live.families]
