"""The events of the identity service, all of the aggregate `User`."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from contracts.identity.values import Role
from contracts.messages import Event
from contracts.samples import FAMILY, TIME


class UserRegistered(Event):
    """An account was created."""

    subject = "evt.identity.user_registered"
    sample = {"email": "ada@example.com", "username": "ada", "full_name": "Ada Lovelace", "role": "user"}

    email: str
    username: str
    full_name: str | None
    role: Role


class PasswordSet(Event):
    """The password of an account was set; `password_hash` is an Argon2id encoding."""

    subject = "evt.identity.password_set"
    published = False
    sample = {"password_hash": "$argon2id$..."}

    password_hash: str = Field(repr=False)


class UserLoggedIn(Event):
    """The user logged in, which opened a token family."""

    subject = "evt.identity.user_logged_in"
    sample = {"family_id": FAMILY}

    family_id: UUID


class RefreshTokenIssued(Event):
    """A refresh token was issued to a family; `token_hash` is its SHA-256, `replaces` that of the token it replaces.

    Without `replaces` it is the first token of a login, or was recorded by a release without that field. Then it
    replaces all tokens of the family.
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
    """A token family was revoked: none of its tokens is valid any more."""

    subject = "evt.identity.token_family_revoked"
    sample = {"family_id": FAMILY, "reason": "logout"}

    family_id: UUID
    reason: Literal["logout", "reuse", "expired"]


type UserEvent = UserRegistered | PasswordSet | UserLoggedIn | RefreshTokenIssued | TokenFamilyRevoked
