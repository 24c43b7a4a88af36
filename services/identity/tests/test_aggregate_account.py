"""The aggregate `User`: roles, disabling, passwords and API keys."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from contracts.identity import UserEvent
from contracts.identity.api_key import ApiKeyCreated, ApiKeyRevoked, ApiKeySecretSet
from contracts.identity.login import RefreshTokenIssued, TokenFamilyRevoked
from contracts.identity.password import PasswordChanged, PasswordResetIssued, PasswordSet
from contracts.identity.user import QuotasChanged, RoleChanged, UserDisabled, UserEnabled, UserRegistered
from contracts.identity.values import Quotas, Scope
from contracts.refusals import Code, Refusal
from contracts.samples import API_KEY, FAMILY, RESET, SESSION, USER
from eventing.store.state import codec_of
from identity.aggregate import MAX_API_KEYS, PasswordReset, User
from identity.aggregate.token_family import RefreshTokenHash

NOW = datetime(2026, 11, 25, 9, tzinfo=UTC)
ADA, ADMIN, OTHER = UUID(USER), UUID(SESSION), UUID(int=7)
FAMILY_ID, KEY_ID = UUID(FAMILY), UUID(API_KEY)
ISSUED = RefreshTokenIssued(family_id=FAMILY_ID, token_hash="first", expires_at=NOW + timedelta(days=7))
OTHER_ISSUED = ISSUED.model_copy(update={"family_id": OTHER})
RESET_ISSUED = PasswordResetIssued(reset_id=UUID(RESET), expires_at=NOW + timedelta(hours=1))
TOKEN = RefreshTokenHash("next", NOW + timedelta(days=7))


def after(*events: UserEvent, registered: UserEvent | None = None) -> User:
    user = User(ADA)
    for event in (registered or UserRegistered.example(), *events):
        user.apply(event)
    return user


def service_account() -> User:
    return after(registered=UserRegistered.example().model_copy(update={"is_service_account": True}))


def key(number: int = 0, scopes: list[Scope] | None = None, expires_at: datetime | None = None) -> ApiKeyCreated:
    key_id = UUID(int=KEY_ID.int + number)
    return ApiKeyCreated(key_id=key_id, name="CI", scopes=scopes or ["read"], expires_at=expires_at)


def test_a_changed_role_is_recorded() -> None:
    user = after()
    user.change_role("viewer")
    assert (user.pending, user.role) == ([RoleChanged(role="viewer")], "viewer")


def test_the_same_role_changes_nothing() -> None:
    user = after()
    user.change_role("user")
    assert user.pending == []


def test_quotas_that_are_not_named_stay() -> None:
    user = after(QuotasChanged(quotas=Quotas(concurrent_runs=3, storage_bytes=9)))
    user.change_quotas(Quotas(storage_bytes=None, sessions_per_month=4))
    assert user.pending == [QuotasChanged(quotas=Quotas(concurrent_runs=3, sessions_per_month=4))]


def test_the_same_quotas_change_nothing() -> None:
    user = after(QuotasChanged(quotas=Quotas(concurrent_runs=3)))
    user.change_quotas(Quotas(concurrent_runs=3, storage_bytes=None))
    assert user.pending == []


def test_disabling_revokes_all_token_families() -> None:
    user = after(ISSUED, OTHER_ISSUED)
    user.disable()
    revoked = [TokenFamilyRevoked(family_id=family_id, reason="disabled") for family_id in (FAMILY_ID, OTHER)]
    assert user.pending == [UserDisabled(), *revoked]


def test_disabling_and_enabling_twice_changes_nothing() -> None:
    user = after(UserDisabled())
    user.disable()
    assert user.pending == []
    user.enable()
    user.enable()
    assert user.pending == [UserEnabled()]


def test_a_disabled_user_cannot_log_in() -> None:
    user = after(UserDisabled())
    with pytest.raises(Refusal, match=Code.ACCOUNT_DISABLED):
        user.log_in(FAMILY_ID, TOKEN, NOW)


def test_logging_out_everywhere_revokes_all_token_families() -> None:
    user = after(ISSUED, OTHER_ISSUED)
    user.log_out_everywhere()
    assert user.families == {}


def test_a_changed_password_keeps_only_the_login_it_is_changed_from() -> None:
    user = after(ISSUED, OTHER_ISSUED)
    user.change_password("hash", FAMILY_ID)
    revoked = TokenFamilyRevoked(family_id=OTHER, reason="password_changed")
    assert user.pending == [PasswordChanged(), PasswordSet(password_hash="hash"), revoked]


def test_a_reset_sets_the_password_and_ends_all_logins() -> None:
    user = after(ISSUED, RESET_ISSUED)
    user.reset_password(UUID(RESET), "hash", NOW)
    assert user.pending[:2] == [PasswordChanged(reset_id=UUID(RESET)), PasswordSet(password_hash="hash")]
    assert user.families == {}


@pytest.mark.parametrize(
    ("events", "reset_id", "now"),
    [
        ((), RESET, NOW),
        ((RESET_ISSUED,), API_KEY, NOW),
        ((RESET_ISSUED,), RESET, NOW + timedelta(hours=1)),
        ((RESET_ISSUED, PasswordChanged(reset_id=UUID(RESET))), RESET, NOW),
        ((RESET_ISSUED, RESET_ISSUED.model_copy(update={"reset_id": OTHER})), RESET, NOW),
    ],
    ids=["never issued", "another token", "expired", "used", "replaced"],
)
def test_a_reset_token_that_is_not_valid_is_refused(
    events: tuple[UserEvent, ...], reset_id: str, now: datetime
) -> None:
    user = after(*events)
    with pytest.raises(Refusal, match=Code.INVALID_RESET_TOKEN):
        user.reset_password(UUID(reset_id), "hash", now)
    assert user.pending == []


def test_a_service_account_has_no_password_to_reset() -> None:
    with pytest.raises(Refusal, match=Code.NO_PASSWORD):
        service_account().issue_password_reset(PasswordReset(UUID(RESET), NOW))


def test_the_hash_of_a_key_is_in_an_event_that_is_not_published() -> None:
    user = after()
    user.create_api_key(key(), "hash", ADA, NOW)
    assert user.pending == [key(), ApiKeySecretSet(key_id=KEY_ID, secret_hash="hash")]
    assert [event.published for event in user.pending] == [True, False]


def test_an_administrator_cannot_create_a_key_of_a_person() -> None:
    with pytest.raises(Refusal, match=Code.NOT_OWNER):
        after().create_api_key(key(), "hash", ADMIN, NOW)


def test_an_administrator_can_create_a_key_of_a_service_account() -> None:
    user = service_account()
    user.create_api_key(key(), "hash", ADMIN, NOW)
    assert user.api_keys == {KEY_ID: None}


def test_the_scope_admin_is_for_administrators() -> None:
    with pytest.raises(Refusal, match=Code.ADMINS_ONLY):
        after().create_api_key(key(scopes=["admin"]), "hash", ADA, NOW)
    user = after(RoleChanged(role="admin"))
    user.create_api_key(key(scopes=["admin"]), "hash", ADA, NOW)
    assert KEY_ID in user.api_keys


def test_the_number_of_keys_is_limited() -> None:
    user = after(*map(key, range(MAX_API_KEYS)))
    with pytest.raises(Refusal, match=Code.TOO_MANY_API_KEYS):
        user.create_api_key(key(MAX_API_KEYS), "hash", ADA, NOW)


def test_expired_keys_make_room_for_new_ones() -> None:
    user = after(key(expires_at=NOW), *map(key, range(1, MAX_API_KEYS)))
    user.create_api_key(key(MAX_API_KEYS), "hash", ADA, NOW)
    assert user.pending[0] == ApiKeyRevoked(key_id=KEY_ID)
    assert len(user.api_keys) == MAX_API_KEYS


def test_a_key_is_revoked_once() -> None:
    user = after(key())
    user.revoke_api_key(KEY_ID)
    assert user.pending == [ApiKeyRevoked(key_id=KEY_ID)]
    with pytest.raises(Refusal, match=Code.API_KEY_NOT_FOUND):
        user.revoke_api_key(KEY_ID)


def test_a_snapshot_restores_keys_reset_and_state() -> None:
    user, restored = after(key(expires_at=NOW), RESET_ISSUED, UserDisabled()), User(ADA)
    codec_of(User).restore(restored, 4, NOW, codec_of(User).dump(user))
    assert (restored.api_keys, restored.reset, restored.is_active) == (user.api_keys, user.reset, False)
