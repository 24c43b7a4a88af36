"""What the identity service tells: the events of a User."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from contracts.identity.values import Role
from contracts.messages import Event
from contracts.samples import FAMILY, TIME


class UserRegistered(Event):
    """An account exists."""

    subject = "evt.identity.user_registered"
    sample = {"email": "ada@example.com", "username": "ada", "full_name": "Ada Lovelace", "role": "user"}

    email: str
    username: str
    full_name: str | None
    role: Role


class PasswordSet(Event):
    """The account's password changed; `password_hash` is an Argon2id encoding."""

    subject = "evt.identity.password_set"
    published = False
    sample = {"password_hash": "$argon2id$..."}

    password_hash: str = Field(repr=False)


class UserLoggedIn(Event):
    """A token family was opened."""

    subject = "evt.identity.user_logged_in"
    sample = {"family_id": FAMILY}

    family_id: UUID


class RefreshTokenIssued(Event):
    """The family has a new refresh token, with this SHA-256, in place of the one that it `replaces`.

    Without `replaces` it is the first of its login, or was issued before this was told: then it replaces all.
    """

    subject = "evt.identity.refresh_token_issued"
    published = False
    sample = {"family_id": FAMILY, "token_hash": "9f86d0", "expires_at": TIME}

    family_id: UUID
    token_hash: str = Field(repr=False)
    expires_at: datetime
    replaces: str | None = Field(default=None, repr=False)
    issued_at: datetime | None = None


class TokenFamilyRevoked(Event):
    """No token of the family is good any more."""

    subject = "evt.identity.token_family_revoked"
    sample = {"family_id": FAMILY, "reason": "logout"}

    family_id: UUID
    reason: Literal["logout", "reuse", "expired"]


type UserEvent = UserRegistered | PasswordSet | UserLoggedIn | RefreshTokenIssued | TokenFamilyRevoked
