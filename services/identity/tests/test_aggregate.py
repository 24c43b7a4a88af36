from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from contracts.identity import UserEvent
from contracts.identity.login import RefreshTokenIssued, TokenFamilyRevoked, UserLoggedIn
from contracts.identity.password import PasswordSet
from contracts.identity.user import UserRegistered
from contracts.refusals import Code, Refusal
from contracts.samples import FAMILY, SESSION, USER
from eventing.store.state import codec_of
from hypothesis import given
from hypothesis import strategies as st
from identity.aggregate import MAX_FAMILIES, User
from identity.aggregate.token_family import MAX_LIVE_TOKENS, MAX_USED_TOKENS, REUSE_GRACE_PERIOD, RefreshTokenHash

NOW = datetime(2026, 11, 25, 9, tzinfo=UTC)
FAMILY_ID, OTHER = UUID(FAMILY), UUID(SESSION)
ISSUED = RefreshTokenIssued(family_id=FAMILY_ID, token_hash="first", expires_at=NOW + timedelta(days=7))
NEXT = RefreshTokenHash("second", NOW + timedelta(days=7))
LATER = NOW + REUSE_GRACE_PERIOD + timedelta(seconds=1)
REVOKED = TokenFamilyRevoked(family_id=FAMILY_ID, reason="logout")


def after(*events: UserEvent) -> User:
    user = User(UUID(USER))
    for event in (UserRegistered.example(), PasswordSet.example(), *events):
        user.apply(event)
    return user


def test_the_password_hash_is_in_an_event_that_is_not_published() -> None:
    user = User(UUID(USER))
    user.register("ada@example.com", "ada", "Ada Lovelace", "user", "hash")
    assert user.pending == [UserRegistered.example(), PasswordSet(password_hash="hash")]
    assert [event.published for event in user.pending] == [True, False]


def test_a_login_opens_a_family() -> None:
    user = after()
    user.log_in(FAMILY_ID, RefreshTokenHash("first", ISSUED.expires_at), NOW)
    assert user.pending == [UserLoggedIn(family_id=FAMILY_ID), ISSUED.model_copy(update={"issued_at": NOW})]


def test_a_login_revokes_expired_families() -> None:
    user = after(ISSUED)
    user.log_in(OTHER, NEXT, NOW + timedelta(days=8))
    assert user.pending[0] == TokenFamilyRevoked(family_id=FAMILY_ID, reason="expired")
    assert set(user.families) == {OTHER}


def test_a_login_above_the_limit_revokes_the_stalest_family() -> None:
    user = after()
    for number in range(MAX_FAMILIES):
        user.log_in(UUID(int=number), RefreshTokenHash(f"{number}", NEXT.expires_at), NOW)
    assert user.refresh(UUID(int=0), "0", NEXT, NOW)
    user.pending.clear()
    user.log_in(FAMILY_ID, NEXT, NOW)
    assert user.pending[0] == TokenFamilyRevoked(family_id=UUID(int=1), reason="logout")
    assert len(user.families) == MAX_FAMILIES


def test_the_size_of_an_account_is_bounded() -> None:
    user, sizes = after(), list[int]()
    for number in range(3 * MAX_FAMILIES):
        user.log_in(UUID(int=number), NEXT, NOW)
        sizes.append(len(codec_of(User).dump(user)))
    assert sizes[-1] == sizes[2 * MAX_FAMILIES]


def following(number: int) -> RefreshTokenHash:
    return RefreshTokenHash(f"next {number}", NEXT.expires_at)


def test_the_newest_refresh_token_is_exchanged() -> None:
    user = after(ISSUED)
    assert user.refresh(FAMILY_ID, "first", NEXT, NOW)
    assert user.families[FAMILY_ID].live == {"second": NEXT.expires_at}


def test_a_token_repeated_within_the_grace_period_is_exchanged_again() -> None:
    user = after(ISSUED)
    assert user.refresh(FAMILY_ID, "first", NEXT, NOW)
    assert user.refresh(FAMILY_ID, "first", following(1), NOW + REUSE_GRACE_PERIOD)
    assert user.refresh(FAMILY_ID, "second", following(2), LATER)
    assert user.refresh(FAMILY_ID, "next 1", following(3), LATER)


def test_reuse_after_the_grace_period_revokes_the_family() -> None:
    user = after(ISSUED)
    user.refresh(FAMILY_ID, "first", NEXT, NOW)
    assert not user.refresh(FAMILY_ID, "first", NEXT, LATER)
    assert user.pending[-1] == TokenFamilyRevoked(family_id=FAMILY_ID, reason="reuse")


def test_repetitions_do_not_extend_the_grace_period() -> None:
    user = after(ISSUED)
    user.refresh(FAMILY_ID, "first", following(1), NOW)
    user.refresh(FAMILY_ID, "first", following(2), NOW + REUSE_GRACE_PERIOD)
    assert not user.refresh(FAMILY_ID, "first", following(3), LATER)


def test_a_token_that_an_earlier_release_replaced_has_no_grace_period() -> None:
    user = after(ISSUED, ISSUED.model_copy(update={"token_hash": "second"}))
    assert not user.refresh(FAMILY_ID, "first", NEXT, NOW)


def test_reuse_of_a_forgotten_token_with_the_family_secret_is_detected() -> None:
    user = after(ISSUED)
    assert not user.refresh(FAMILY_ID, "forgotten", NEXT, NOW, has_family_secret=True)
    assert user.pending[-1] == TokenFamilyRevoked(family_id=FAMILY_ID, reason="reuse")


def test_an_unknown_token_is_refused_and_revokes_nothing() -> None:
    user = after(ISSUED)
    with pytest.raises(Refusal, match=Code.INVALID_REFRESH_TOKEN):
        user.refresh(FAMILY_ID, "unknown", NEXT, NOW)
    assert user.pending == []
    assert user.refresh(FAMILY_ID, "first", NEXT, NOW)


def test_the_remembered_tokens_of_a_family_are_bounded() -> None:
    user = after(ISSUED)
    for number in range(2 * MAX_LIVE_TOKENS):
        user.refresh(FAMILY_ID, "first", following(number), NOW)
    for number in range(MAX_LIVE_TOKENS, 2 * MAX_LIVE_TOKENS + 2 * MAX_USED_TOKENS):
        user.refresh(FAMILY_ID, f"next {number}", following(number + MAX_LIVE_TOKENS), NOW)
    family = user.families[FAMILY_ID]
    assert (len(family.live), len(family.used)) == (MAX_LIVE_TOKENS, MAX_USED_TOKENS)


@pytest.mark.parametrize(("events", "now"), [((), NOW), ((ISSUED, REVOKED), NOW), ((ISSUED,), NOW + timedelta(days=8))])
def test_a_token_of_an_unknown_revoked_or_expired_family_is_refused(
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
def test_replay_and_snapshot_restore_the_same_state(actions: list[tuple[str, int, int]]) -> None:
    live = after()
    for action, family, day in actions:
        family_id, now = UUID(int=family), NOW + timedelta(days=day)
        known = live.families.get(family_id)
        if action == "in":
            live.log_in(family_id, RefreshTokenHash(f"{day}", now + timedelta(days=7)), now)
        elif action == "out":
            live.log_out(family_id)
        elif known and known.expires_at > now:
            valid = [token for token, expires_at in known.live.items() if expires_at > now]
            live.refresh(family_id, (valid if day % 2 else [*known.used, *valid])[0], NEXT, now)
    replayed, restored = after(*live.pending), User(live.id)
    codec_of(User).restore(restored, live.version, NOW, codec_of(User).dump(live))
    assert replayed.families == restored.families == live.families
    assert [*replayed.families] == [*restored.families] == [*live.families]
