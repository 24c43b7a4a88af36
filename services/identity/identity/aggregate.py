"""The aggregate `User`: an account with the token families of its logins."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import assert_never
from uuid import UUID

from contracts.identity.events import (
    PasswordSet,
    RefreshTokenIssued,
    TokenFamilyRevoked,
    UserEvent,
    UserLoggedIn,
    UserRegistered,
)
from contracts.identity.values import Role
from contracts.refusals import Code, Refusal
from eventing.aggregate import Aggregate

REUSE_GRACE_PERIOD = timedelta(seconds=30)
"""How long a used refresh token is accepted again: the first reply may have been lost, or two tabs share the token."""
MAX_LIVE_TOKENS = 8
"""Refresh tokens of one family that are valid at the same time. Only accepted repetitions make more than one."""
MAX_FAMILIES = 100
"""Token families of one user. A further login revokes the family that was refreshed least recently."""
MAX_USED_TOKENS = 100
"""Used refresh tokens that a family remembers. The reuse of an older one is detected by the secret of its family."""


@dataclass
class RefreshTokenHash:
    """The SHA-256 of a refresh token, and when it expires."""

    sha256: str
    expires_at: datetime


@dataclass
class TokenFamily:
    """The refresh tokens of one login, by their hashes.

    `live` maps the valid tokens to their expiry, `used` the exchanged ones to the time of their first exchange, which
    is None for events of earlier releases and then counts as long ago.
    """

    live: dict[str, datetime] = field(default_factory=dict[str, datetime])
    used: dict[str, datetime | None] = field(default_factory=dict[str, datetime | None])

    @property
    def expires_at(self) -> datetime:
        """The time at which the last valid token expires."""
        return max(self.live.values())

    def add_token(self, event: RefreshTokenIssued) -> None:
        """Apply the issue of a token: it becomes valid, and the token that it replaces becomes used."""
        replaced = list(self.live) if event.replaces is None else [event.replaces]
        for old in replaced:
            self.live.pop(old, None)
            self.used.setdefault(old, event.issued_at)
        self.live[event.token_hash] = event.expires_at
        for dropped in list(self.live)[:-MAX_LIVE_TOKENS]:
            del self.live[dropped]
        for dropped in list(self.used)[:-MAX_USED_TOKENS]:
            del self.used[dropped]


class User(Aggregate[UserEvent]):
    """An account. `families` holds the token families that are not revoked, least recently refreshed first."""

    missing = Code.USER_NOT_FOUND

    role: Role
    families: dict[UUID, TokenFamily]

    def __init__(self, id: UUID) -> None:
        super().__init__(id)
        self.families = {}

    @property
    def owner(self) -> UUID:
        """Return the user itself: accounts have no other owner."""
        return self.id

    def register(self, email: str, username: str, full_name: str | None, role: Role, password_hash: str) -> None:
        """Create the account."""
        self.record(UserRegistered(email=email, username=username, full_name=full_name, role=role))
        self.record(PasswordSet(password_hash=password_hash))

    def log_in(self, family_id: UUID, first: RefreshTokenHash, now: datetime) -> None:
        """Open a token family. Revoke expired families and, above `MAX_FAMILIES`, the least recently refreshed ones."""
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
        if family is None or family.expires_at <= now or not _is_known(family, presented, now, has_family_secret):
            raise Refusal(Code.INVALID_REFRESH_TOKEN, "The refresh token is not valid. Log in again.")
        if presented not in family.live and not _in_grace_period(family, presented, now):
            self.record(TokenFamilyRevoked(family_id=family_id, reason="reuse"))
            return False
        self._issue(family_id, replacement, presented, now)
        return True

    def log_out(self, family_id: UUID) -> None:
        """Revoke a token family; do nothing if it is not open."""
        if family_id in self.families:
            self.record(TokenFamilyRevoked(family_id=family_id, reason="logout"))

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

    def apply(self, event: UserEvent) -> None:
        """Apply one event to the state."""
        match event:
            case UserRegistered():
                self.role = event.role
            case PasswordSet() | UserLoggedIn():
                pass  # no decision depends on them: passwords are checked against the read model
            case RefreshTokenIssued():
                family = self.families.pop(event.family_id, TokenFamily())  # moves it to the end
                family.add_token(event)
                self.families[event.family_id] = family
            case TokenFamilyRevoked():
                self.families.pop(event.family_id, None)
            case _:
                assert_never(event)


def _is_known(family: TokenFamily, presented: str, now: datetime, has_family_secret: bool) -> bool:
    expires_at = family.live.get(presented)
    return has_family_secret or presented in family.used if expires_at is None else expires_at > now


def _in_grace_period(family: TokenFamily, presented: str, now: datetime) -> bool:
    used_at = family.used.get(presented)
    return used_at is not None and now - used_at <= REUSE_GRACE_PERIOD
