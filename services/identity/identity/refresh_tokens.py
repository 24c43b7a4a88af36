"""Refresh tokens: whose, of which family, and a secret; only the hash of the whole is stored."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

LIFETIME = timedelta(days=7)


@dataclass(frozen=True)
class RefreshToken:
    """An opaque word for its holder; for us it says where to look."""

    user_id: UUID
    family_id: UUID
    secret: str

    @classmethod
    def new(cls, user_id: UUID, family_id: UUID) -> "RefreshToken":
        """Make one with 256 random bits."""
        return cls(user_id, family_id, secrets.token_urlsafe(32))

    @classmethod
    def read(cls, word: str) -> "RefreshToken":
        """Read one back.

        Raises:
            ValueError: it is not one of ours.
        """
        user_id, family_id, secret = word.split(".")
        return cls(UUID(user_id), UUID(family_id), secret)

    def __str__(self) -> str:
        return f"{self.user_id.hex}.{self.family_id.hex}.{self.secret}"

    @property
    def hash(self) -> str:
        """SHA-256 is enough: the secret is random, so nothing can be guessed from it."""
        return hashlib.sha256(str(self).encode()).hexdigest()
