"""Refresh tokens: whose, a secret of their family, and one of their own; only the hash of the whole is stored."""

import hashlib
import re
import secrets
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

LIFETIME = timedelta(days=7)
_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class RefreshToken:
    """An opaque word for its holder; for us it says where to look.

    The id of a family is a hash of its secret. So whoever knows the secret has had one of its refresh tokens; access
    tokens only tell the id. In tokens of earlier releases the id stands in place of the secret.
    """

    user_id: UUID
    family: str
    secret: str

    @classmethod
    def new(cls, user_id: UUID) -> "RefreshToken":
        """Make the first one of a new family; both secrets have 256 random bits."""
        return cls(user_id, secrets.token_urlsafe(32), secrets.token_urlsafe(32))

    @classmethod
    def read(cls, word: str) -> "RefreshToken":
        """Read one back.

        Raises:
            ValueError: it is not one of ours.
        """
        user_id, family, secret = word.split(".")
        return cls(UUID(user_id), family, secret)

    def following(self) -> "RefreshToken":
        """Make another one of the same family."""
        return replace(self, secret=secrets.token_urlsafe(32))

    def __str__(self) -> str:
        return f"{self.user_id.hex}.{self.family}.{self.secret}"

    @property
    def family_id(self) -> UUID:
        """Of which login it came."""
        return (
            UUID(bytes=hashlib.sha256(self.family.encode()).digest()[:16], version=4)
            if self.proven
            else UUID(self.family)
        )

    @property
    def proven(self) -> bool:
        """Whether its holder must have had a refresh token of the family, this one or another."""
        return not _ID.fullmatch(self.family)

    @property
    def hash(self) -> str:
        """SHA-256 is enough: the secret is random, so nothing can be guessed from it."""
        return hashlib.sha256(str(self).encode()).hexdigest()
