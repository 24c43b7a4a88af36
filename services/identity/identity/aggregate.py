"""User: an account, and the token families that were opened with its password."""

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

GRACE = timedelta(seconds=30)
"""How long a refresh token that was used is answered anew: its first answer may have got lost, or two tabs hold it."""
MAX_LIVE_FAMILIES = 8
"""Refresh tokens of one family that are good at the same time, the newest; more than one come only of repetitions."""
MOST_FAMILIES = 100
"""Logins of a user that last at the same time. One more ends the one that was not refreshed for longest."""
REMEMBERED = 100
"""How many used refresh tokens of a family are known as such. An older one is told by the secret of its family."""


@dataclass
class RefreshTokenHash:
    """The SHA-256 of a refresh token, and until when it is good."""

    sha256: str
    expires_at: datetime


@dataclass
class Family:
    """A login and what came of it by refreshing: the hashes of the tokens that are good, and of those that were used.

    `used` tells when each was first traded; None is long ago.
    """

    live: dict[str, datetime] = field(default_factory=dict[str, datetime])
    used: dict[str, datetime | None] = field(default_factory=dict[str, datetime | None])

    @property
    def expires_at(self) -> datetime:
        """When the last of its tokens is no longer good."""
        return max(self.live.values())

    def take(self, event: RefreshTokenIssued) -> None:
        """Fold one new token."""
        replaced = list(self.live) if event.replaces is None else [event.replaces]
        for old in replaced:
            self.live.pop(old, None)
            self.used.setdefault(old, event.issued_at)
        self.live[event.token_hash] = event.expires_at
        for forgotten in list(self.live)[:-MAX_LIVE_FAMILIES]:
            del self.live[forgotten]
        for forgotten in list(self.used)[:-REMEMBERED]:
            del self.used[forgotten]


class User(Aggregate[UserEvent]):
    """An account. A family that is not in `families` was revoked or never was; the last one was refreshed last."""

    missing = Code.USER_NOT_FOUND

    role: Role
    families: dict[UUID, Family]

    def __init__(self, id: UUID) -> None:  # noqa: A002  the field's name
        super().__init__(id)
        self.families = {}

    @property
    def owner(self) -> UUID:
        """A user belongs to nobody else."""
        return self.id

    def register(self, email: str, username: str, full_name: str | None, role: Role, password_hash: str) -> None:
        """Make the account."""
        self.record(UserRegistered(email=email, username=username, full_name=full_name, role=role))
        self.record(PasswordSet(password_hash=password_hash))

    def log_in(self, family_id: UUID, first: RefreshTokenHash, now: datetime) -> None:
        """Open a family; those that expired are dropped, and so are others if there are too many."""
        for stale in [known for known, family in self.families.items() if family.expires_at <= now]:
            self.record(TokenFamilyRevoked(family_id=stale, reason="expired"))
        while len(self.families) >= MOST_FAMILIES:
            self.log_out(next(iter(self.families)))
        self.record(UserLoggedIn(family_id=family_id))
        self._issue(family_id, first, None, now)

    def refresh(
        self, family_id: UUID, presented: str, following: RefreshTokenHash, now: datetime, *, proven: bool = False
    ) -> bool:
        """Trade a refresh token, told by its hash, for the `following` one.

        One that was used a moment ago (`GRACE`) is traded again; its other successors stay good.
        Return False, and revoke the family, for one that was used earlier: somebody has a copy. So it is with one that
        is not known any more, if it is `proven` that it came of this family.

        Raises:
            Refusal: INVALID_REFRESH_TOKEN, the family is revoked, expired or unknown, or never had this token.
        """
        family = self.families.get(family_id)
        if family is None or family.expires_at <= now or not _known(family, presented, now, proven=proven):
            raise Refusal(Code.INVALID_REFRESH_TOKEN, "The refresh token is not valid. Log in again.")
        if presented not in family.live and not _repeatable(family, presented, now):
            self.record(TokenFamilyRevoked(family_id=family_id, reason="reuse"))
            return False
        self._issue(family_id, following, presented, now)
        return True

    def log_out(self, family_id: UUID) -> None:
        """End a family; one that has ended already stays so."""
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
        """Fold one event."""
        match event:
            case UserRegistered():
                self.role = event.role
            case PasswordSet() | UserLoggedIn():
                pass  # nothing is decided by them; passwords are checked against the read model
            case RefreshTokenIssued():
                family = self.families.pop(event.family_id, Family())
                family.take(event)
                self.families[event.family_id] = family
            case TokenFamilyRevoked():
                self.families.pop(event.family_id, None)
            case _:
                assert_never(event)


def _known(family: Family, presented: str, now: datetime, *, proven: bool) -> bool:
    until = family.live.get(presented)
    return proven or presented in family.used if until is None else until > now


def _repeatable(family: Family, presented: str, now: datetime) -> bool:
    used_at = family.used.get(presented)
    return used_at is not None and now - used_at <= GRACE
