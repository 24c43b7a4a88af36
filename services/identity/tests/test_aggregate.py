from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from contracts.identity.events import (
    PasswordSet,
    RefreshTokenIssued,
    TokenFamilyRevoked,
    UserFact,
    UserLoggedIn,
    UserRegistered,
)
from contracts.refusals import Code, Refusal
from contracts.samples import FAMILY, SESSION, USER
from hypothesis import given
from hypothesis import strategies as st
from identity.aggregate import Family, User

NOW = datetime(2026, 11, 25, 9, tzinfo=UTC)
FAMILY_ID, OTHER = UUID(FAMILY), UUID(SESSION)
ISSUED = RefreshTokenIssued(family_id=FAMILY_ID, token_hash="first", expires_at=NOW + timedelta(days=7))
NEXT = Family("second", NOW + timedelta(days=7))
REVOKED = TokenFamilyRevoked(family_id=FAMILY_ID, reason="logout")


def after(*facts: UserFact) -> User:
    user = User(UUID(USER))
    for fact in (UserRegistered.example(), PasswordSet.example(), *facts):
        user.apply(fact)
    return user


def test_registering_keeps_the_password_apart_from_what_is_published() -> None:
    user = User(UUID(USER))
    user.register("ada@example.com", "ada", "Ada Lovelace", "user", "hash")
    assert user.pending == [UserRegistered.example(), PasswordSet(password_hash="hash")]
    assert [fact.published for fact in user.pending] == [True, False]


def test_a_login_opens_a_family() -> None:
    user = after()
    user.log_in(FAMILY_ID, Family("first", ISSUED.expires_at), NOW)
    assert user.pending == [UserLoggedIn(family_id=FAMILY_ID), ISSUED]


def test_a_login_drops_families_that_expired() -> None:
    user = after(ISSUED)
    user.log_in(OTHER, NEXT, NOW + timedelta(days=8))
    assert user.pending[0] == TokenFamilyRevoked(family_id=FAMILY_ID, reason="expired")
    assert set(user.families) == {OTHER}


def test_the_newest_refresh_token_is_traded() -> None:
    user = after(ISSUED)
    assert user.refresh(FAMILY_ID, "first", NEXT, NOW)
    assert user.families[FAMILY_ID] == NEXT


def test_a_used_refresh_token_revokes_its_family() -> None:
    user = after(ISSUED)
    user.refresh(FAMILY_ID, "first", NEXT, NOW)
    assert not user.refresh(FAMILY_ID, "first", NEXT, NOW)
    assert user.pending[-1] == TokenFamilyRevoked(family_id=FAMILY_ID, reason="reuse")


@pytest.mark.parametrize(("facts", "now"), [((), NOW), ((ISSUED, REVOKED), NOW), ((ISSUED,), NOW + timedelta(days=8))])
def test_no_token_is_traded_in_a_family_that_is_unknown_revoked_or_expired(
    facts: tuple[UserFact, ...], now: datetime
) -> None:
    with pytest.raises(Refusal, match=Code.INVALID_REFRESH_TOKEN):
        after(*facts).refresh(FAMILY_ID, "first", NEXT, now)


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
            live.log_in(family_id, Family(f"{day}", now + timedelta(days=7)), now)
        elif act == "out":
            live.log_out(family_id)
        elif known and known.expires_at > now:
            live.refresh(family_id, known.token_hash if day % 2 else "stolen", NEXT, now)
    assert after(*live.pending).families == live.families
