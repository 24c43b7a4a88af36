"""User: an account, and the token families that were opened with its password."""

from dataclasses import dataclass
from datetime import datetime
from hmac import compare_digest
from typing import assert_never
from uuid import UUID

from contracts.identity.events import (
    PasswordSet,
    RefreshTokenIssued,
    TokenFamilyRevoked,
    UserFact,
    UserLoggedIn,
    UserRegistered,
)
from contracts.identity.values import Role
from contracts.refusals import Code, Refusal
from eventing.aggregate import Aggregate


@dataclass
class Family:
    """A login and what came of it by refreshing: only the newest refresh token is good."""

    token_hash: str
    expires_at: datetime


class User(Aggregate[UserFact]):
    """An account. A family that is not in `families` was revoked or never was."""

    role: Role
    password_hash: str

    def __init__(self, id: UUID) -> None:  # noqa: A002  the field's name
        super().__init__(id)
        self.families: dict[UUID, Family] = {}

    @property
    def owner(self) -> UUID:
        """A user belongs to nobody else."""
        return self.id

    def register(self, email: str, username: str, full_name: str | None, role: Role, password_hash: str) -> None:
        """Make the account."""
        self.record(UserRegistered(email=email, username=username, full_name=full_name, role=role))
        self.record(PasswordSet(password_hash=password_hash))

    def log_in(self, family_id: UUID, first: Family, now: datetime) -> None:
        """Open a family; those that expired are dropped."""
        for stale in [known for known, family in self.families.items() if family.expires_at <= now]:
            self.record(TokenFamilyRevoked(family_id=stale, reason="expired"))
        self.record(UserLoggedIn(family_id=family_id))
        self._issue(family_id, first)

    def refresh(self, family_id: UUID, token_hash: str, following: Family, now: datetime) -> bool:
        """Trade the family's newest refresh token for the `following` one.

        Gives False, and revokes the family, for a token that was used before: somebody has a copy.

        Raises:
            Refusal: INVALID_REFRESH_TOKEN, the family is revoked, expired or unknown.
        """
        family = self.families.get(family_id)
        if family is None or family.expires_at <= now:
            raise Refusal(Code.INVALID_REFRESH_TOKEN, "The refresh token is not valid. Log in again.")
        if not compare_digest(family.token_hash, token_hash):
            self.record(TokenFamilyRevoked(family_id=family_id, reason="reuse"))
            return False
        self._issue(family_id, following)
        return True

    def log_out(self, family_id: UUID) -> None:
        """End a family; one that has ended already stays so."""
        if family_id in self.families:
            self.record(TokenFamilyRevoked(family_id=family_id, reason="logout"))

    def _issue(self, family_id: UUID, family: Family) -> None:
        self.record(RefreshTokenIssued(family_id=family_id, token_hash=family.token_hash, expires_at=family.expires_at))

    def apply(self, fact: UserFact) -> None:
        """Fold one fact."""
        match fact:
            case UserRegistered():
                self.role = fact.role
            case PasswordSet():
                self.password_hash = fact.password_hash
            case UserLoggedIn():
                pass
            case RefreshTokenIssued():
                self.families[fact.family_id] = Family(fact.token_hash, fact.expires_at)
            case TokenFamilyRevoked():
                self.families.pop(fact.family_id, None)
            case _:
                assert_never(fact)
