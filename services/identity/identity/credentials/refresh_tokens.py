"""Refresh tokens: a user id, a secret of the family and a secret of the token. Only the hash of the whole is stored."""

import hashlib
import re
import secrets
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

REFRESH_TOKEN_LIFETIME = timedelta(days=7)
_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class RefreshToken:
    """A refresh token, which is opaque to its holder.

    The id of a family is a hash of its secret. Access tokens contain only the id, so a client that presents the secret
    has had a refresh token of the family. Tokens of earlier releases contain the id in place of the secret.
    """

    user_id: UUID
    family: str
    secret: str

    @classmethod
    def new(cls, user_id: UUID) -> "RefreshToken":
        """Return the first token of a new family; both secrets have 256 random bits."""
        return cls(user_id, secrets.token_urlsafe(32), secrets.token_urlsafe(32))

    @classmethod
    def parse(cls, text: str) -> "RefreshToken":
        """Return the token with this text.

        Raises:
            ValueError: the text is not a refresh token.
        """
        user_id, family, secret = text.split(".")
        return cls(UUID(user_id), family, secret)

    def successor(self) -> "RefreshToken":
        """Return a new token of the same family."""
        return replace(self, secret=secrets.token_urlsafe(32))

    def __str__(self) -> str:
        return f"{self.user_id.hex}.{self.family}.{self.secret}"

    @property
    def family_id(self) -> UUID:
        """The id of the token family, or login, that the token belongs to."""
        return (
            UUID(bytes=hashlib.sha256(self.family.encode()).digest()[:16], version=4)
            if self.has_family_secret
            else UUID(self.family)
        )

    @property
    def has_family_secret(self) -> bool:
        """Whether the token contains the secret of its family, which only holders of its refresh tokens know."""
        return not _ID.fullmatch(self.family)

    @property
    def hash(self) -> str:
        """The hash that is stored. SHA-256 is sufficient, since the secrets are random and cannot be guessed."""
        return hashlib.sha256(str(self).encode()).hexdigest()
