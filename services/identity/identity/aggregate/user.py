"""The aggregate `User`: an account with the token families of its logins, its API keys and its bus users."""

from datetime import datetime
from typing import assert_never
from uuid import UUID

from contracts.identity import UserEvent
from contracts.identity.api_key import ApiKeyCreated, ApiKeyEvent, ApiKeyRevoked, ApiKeySecretSet
from contracts.identity.bus_user import BusUserCreated, BusUserEvent, BusUserReplayed, BusUserRevoked
from contracts.identity.login import LoginEvent, RefreshTokenIssued, RevocationReason, TokenFamilyRevoked, UserLoggedIn
from contracts.identity.password import PasswordChanged, PasswordEvent, PasswordResetIssued, PasswordSet
from contracts.identity.user import AccountEvent, QuotasChanged, RoleChanged, UserDisabled, UserEnabled, UserRegistered
from contracts.identity.values import Quotas, Role
from contracts.refusals import Code, Refusal, not_found
from eventing.aggregate import Aggregate

from identity.aggregate.bus_user import check_creation
from identity.aggregate.password_reset import PasswordReset
from identity.aggregate.token_family import RefreshTokenHash, TokenFamily

MAX_FAMILIES = 100
"""Token families of one user. A further login revokes the family that was refreshed least recently."""
MAX_API_KEYS = 50
"""API keys of one user that have not expired."""


class User(Aggregate[UserEvent]):
    """An account. `families` holds the token families that are not revoked, least recently refreshed first.

    `api_keys` maps the API keys that are not revoked to their expiry; `bus_users` are not revoked either.
    """

    missing = Code.USER_NOT_FOUND

    role: Role
    is_active: bool
    is_service_account: bool
    quotas: Quotas
    families: dict[UUID, TokenFamily]
    reset: PasswordReset | None
    api_keys: dict[UUID, datetime | None]
    bus_users: list[UUID]

    def __init__(self, id: UUID) -> None:
        super().__init__(id)
        self.is_active, self.is_service_account, self.quotas = True, False, Quotas()
        self.families, self.reset, self.api_keys, self.bus_users = {}, None, {}, []

    @property
    def owner(self) -> UUID:
        """Return the user itself: accounts have no other owner."""
        return self.id

    def register(self, email: str, username: str, full_name: str | None, role: Role, password_hash: str) -> None:
        """Create the account."""
        self.record(UserRegistered(email=email, username=username, full_name=full_name, role=role))
        self.record(PasswordSet(password_hash=password_hash))

    def register_service_account(self, email: str, username: str, full_name: str | None, role: Role) -> None:
        """Create the account of a program, which has no password."""
        self.record(
            UserRegistered(email=email, username=username, full_name=full_name, role=role, is_service_account=True)
        )

    def change_role(self, role: Role) -> None:
        """Change the role; do nothing if the account has it."""
        if role != self.role:
            self.record(RoleChanged(role=role))

    def change_quotas(self, quotas: Quotas) -> None:
        """Change the quotas that are set in `quotas`, even to None; do nothing if the account has them."""
        changed = self.quotas.model_copy(update={name: getattr(quotas, name) for name in quotas.model_fields_set})
        if changed != self.quotas:
            self.record(QuotasChanged(quotas=changed))

    def disable(self) -> None:
        """Disable the account and revoke its token families; do nothing if it is disabled."""
        if self.is_active:
            self.record(UserDisabled())
            self._revoke_families("disabled")

    def enable(self) -> None:
        """Enable the account; do nothing if it is not disabled."""
        if not self.is_active:
            self.record(UserEnabled())

    def log_in(self, family_id: UUID, first: RefreshTokenHash, now: datetime) -> None:
        """Open a token family. Revoke expired families and, above `MAX_FAMILIES`, the least recently refreshed ones.

        Raises:
            Refusal: ACCOUNT_DISABLED.
        """
        if not self.is_active:
            raise Refusal(Code.ACCOUNT_DISABLED, "The account is disabled. Ask an administrator to enable it.")
        for expired in [known for known, family in self.families.items() if family.expires_at <= now]:
            self.record(TokenFamilyRevoked(family_id=expired, reason="expired"))
        while len(self.families) >= MAX_FAMILIES:
            self.log_out(next(iter(self.families)))
        self.record(UserLoggedIn(family_id=family_id))
        self._issue(family_id, first, None, now)

    def refresh(
        self,
        family_id: UUID,
        presented: str,
        replacement: RefreshTokenHash,
        now: datetime,
        *,
        has_family_secret: bool = False,
    ) -> bool:
        """Exchange the refresh token with the hash `presented` for its `replacement`.

        A token that was first used within `REUSE_GRACE_PERIOD` is exchanged again; its other successors stay valid.

        Returns:
            False if the family was revoked instead, because the token was used before: somebody has a copy of it. The
            same holds for a token that is no longer remembered if it contains the secret of the family.

        Raises:
            Refusal: INVALID_REFRESH_TOKEN; the family is revoked, expired or unknown, or never had this token.
        """
        family = self.families.get(family_id)
        if family is None or not family.knows(presented, now, has_family_secret=has_family_secret):
            raise Refusal(Code.INVALID_REFRESH_TOKEN, "The refresh token is not valid. Log in again.")
        if not family.accepts(presented, now):
            self.record(TokenFamilyRevoked(family_id=family_id, reason="reuse"))
            return False
        self._issue(family_id, replacement, presented, now)
        return True

    def log_out(self, family_id: UUID) -> None:
        """Revoke a token family; do nothing if it is not open."""
        if family_id in self.families:
            self.record(TokenFamilyRevoked(family_id=family_id, reason="logout"))

    def log_out_everywhere(self) -> None:
        """Revoke all token families."""
        self._revoke_families("logout_all")

    def change_password(self, password_hash: str, family_id: UUID) -> None:
        """Set another password, and revoke all token families except the one that it is changed from."""
        self._set_password(password_hash, None)
        self._revoke_families("password_changed", family_id)

    def issue_password_reset(self, reset: PasswordReset) -> None:
        """Allow the password to be reset once; an earlier reset can no longer be used.

        Raises:
            Refusal: NO_PASSWORD; it is a service account.
        """
        if self.is_service_account:
            raise Refusal(Code.NO_PASSWORD, "A service account has no password. Create an API key for it.")
        self.record(PasswordResetIssued(reset_id=reset.id, expires_at=reset.expires_at))

    def check_password_reset(self, reset_id: UUID, now: datetime) -> None:
        """Check that the password can be reset with this id.

        Raises:
            Refusal: INVALID_RESET_TOKEN; it was used, has expired, was replaced, or never existed.
        """
        if self.reset is None or self.reset.id != reset_id or self.reset.expires_at <= now:
            raise Refusal(Code.INVALID_RESET_TOKEN, "The reset token is not valid. Ask an administrator for a new one.")

    def reset_password(self, reset_id: UUID, password_hash: str, now: datetime) -> None:
        """Set a new password, and revoke all token families. Raises as `check_password_reset` does."""
        self.check_password_reset(reset_id, now)
        self._set_password(password_hash, reset_id)
        self._revoke_families("password_changed")

    def create_api_key(self, created: ApiKeyCreated, secret_hash: str, by: UUID, now: datetime) -> None:
        """Create an API key. Remove those that have expired.

        Raises:
            Refusal: NOT_OWNER if the key of a person is created by somebody else, even an administrator; ADMINS_ONLY
                if the scope `admin` is requested for another role; TOO_MANY_API_KEYS.
        """
        if by != self.id and not self.is_service_account:
            raise Refusal(Code.NOT_OWNER, "Only service accounts can get API keys from an administrator.")
        if "admin" in created.scopes and self.role != "admin":
            raise Refusal(Code.ADMINS_ONLY, "The scope `admin` is for accounts with the role `admin`.")
        for expired in [known for known, expires_at in self.api_keys.items() if expires_at and expires_at <= now]:
            self.record(ApiKeyRevoked(key_id=expired))
        if len(self.api_keys) >= MAX_API_KEYS:
            detail = f"The account has {MAX_API_KEYS} API keys, which is the limit. Revoke one first."
            raise Refusal(Code.TOO_MANY_API_KEYS, detail)
        self.record(created)
        self.record(ApiKeySecretSet(key_id=created.key_id, secret_hash=secret_hash))

    def revoke_api_key(self, key_id: UUID) -> None:
        """Revoke an API key.

        Raises:
            Refusal: API_KEY_NOT_FOUND.
        """
        if key_id not in self.api_keys:
            raise not_found(Code.API_KEY_NOT_FOUND, key_id)
        self.record(ApiKeyRevoked(key_id=key_id))

    def create_bus_user(self, created: BusUserCreated) -> None:
        """Create a bus user. Raises as `check_creation` does."""
        check_creation(created, self.role, len(self.bus_users))
        self.record(created)

    def change_bus_user(self, change: BusUserReplayed | BusUserRevoked) -> None:
        """Have a bus user begin again, or revoke it.

        Raises:
            Refusal: BUS_USER_NOT_FOUND.
        """
        if change.bus_user_id not in self.bus_users:
            raise not_found(Code.BUS_USER_NOT_FOUND, change.bus_user_id)
        self.record(change)

    def _set_password(self, password_hash: str, reset_id: UUID | None) -> None:
        self.record(PasswordChanged(reset_id=reset_id))
        self.record(PasswordSet(password_hash=password_hash))

    def _revoke_families(self, reason: RevocationReason, but: UUID | None = None) -> None:
        for family_id in [known for known in self.families if known != but]:
            self.record(TokenFamilyRevoked(family_id=family_id, reason=reason))

    def _issue(self, family_id: UUID, token: RefreshTokenHash, replaces: str | None, now: datetime) -> None:
        self.record(
            RefreshTokenIssued(
                family_id=family_id,
                token_hash=token.sha256,
                expires_at=token.expires_at,
                replaces=replaces,
                issued_at=now,
            )
        )

    def apply_account(self, event: AccountEvent) -> None:
        """Apply an event of the account itself."""
        match event:
            case UserRegistered():
                self.role, self.is_service_account = event.role, event.is_service_account
            case RoleChanged():
                self.role = event.role
            case UserDisabled():
                self.is_active = False
            case UserEnabled():
                self.is_active = True
            case QuotasChanged():
                self.quotas = event.quotas
            case _:
                assert_never(event)

    def apply_login(self, event: LoginEvent) -> None:
        """Apply an event of a login."""
        match event:
            case RefreshTokenIssued():
                family = self.families.pop(event.family_id, TokenFamily())  # moves it to the end
                family.add_token(event)
                self.families[event.family_id] = family
            case TokenFamilyRevoked():
                self.families.pop(event.family_id, None)
            case UserLoggedIn():
                pass  # the first token, which is issued with it, opens the family
            case _:
                assert_never(event)

    def apply_password(self, event: PasswordEvent) -> None:
        """Apply an event of the password."""
        match event:
            case PasswordResetIssued():
                self.reset = PasswordReset(event.reset_id, event.expires_at)
            case PasswordChanged():
                self.reset = None
            case PasswordSet():
                pass  # no decision depends on it: passwords are checked against the read model
            case _:
                assert_never(event)

    def apply_api_key(self, event: ApiKeyEvent) -> None:
        """Apply an event of an API key."""
        match event:
            case ApiKeyCreated():
                self.api_keys[event.key_id] = event.expires_at
            case ApiKeyRevoked():
                self.api_keys.pop(event.key_id, None)
            case ApiKeySecretSet():
                pass  # no decision depends on it: keys are checked against the read model
            case _:
                assert_never(event)

    def apply_bus_user(self, event: BusUserEvent) -> None:
        """Apply an event of a bus user."""
        match event:
            case BusUserCreated():
                self.bus_users.append(event.bus_user_id)
            case BusUserRevoked():
                self.bus_users.remove(event.bus_user_id)
            case BusUserReplayed():
                pass  # no decision depends on it
            case _:
                assert_never(event)
