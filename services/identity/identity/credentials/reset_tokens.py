"""Tokens that reset a password: a user id and a secret. Only an id that derives from the secret is stored."""

import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Self
from uuid import UUID

RESET_TOKEN_LIFETIME = timedelta(hours=24)


@dataclass(frozen=True)
class ResetToken:
    """A token that resets the password of a user."""

    user_id: UUID
    secret: str = field(repr=False)

    @classmethod
    def new(cls, user_id: UUID) -> Self:
        """Return a token with a new secret of 256 random bits."""
        return cls(user_id, secrets.token_urlsafe(32))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the token with this text.

        Raises:
            ValueError: the text is not a reset token.
        """
        user_id, secret = text.split(".")
        return cls(UUID(user_id), secret)

    def __str__(self) -> str:
        return f"{self.user_id.hex}.{self.secret}"

    @property
    def id(self) -> UUID:
        """The id that is stored: a hash of the secret, which cannot be derived from it."""
        return UUID(bytes=hashlib.sha256(self.secret.encode()).digest()[:16], version=4)
