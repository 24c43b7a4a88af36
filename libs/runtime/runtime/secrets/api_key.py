"""The text of an API key: `agk_<id>_<secret>`."""

import hashlib
import secrets
from dataclasses import dataclass, field
from typing import Self
from uuid import UUID

PREFIX = "agk_"


@dataclass(frozen=True)
class ApiKeyText:
    """An API key as its holder has it. The prefix lets scanners of source code find keys that were published."""

    id: UUID
    secret: str = field(repr=False)

    @classmethod
    def new(cls, id: UUID) -> Self:
        """Return a key with a new secret of 256 random bits."""
        return cls(id, secrets.token_urlsafe(32))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the key with this text.

        Raises:
            ValueError: the text is not an API key.
        """
        id, secret = text.removeprefix(PREFIX).split("_", 1)
        return cls(UUID(id), secret)

    def __str__(self) -> str:
        return f"{PREFIX}{self.id.hex}_{self.secret}"

    @property
    def secret_hash(self) -> str:
        """The SHA-256 of the secret. A slow hash is not needed, since the secret is random and cannot be guessed."""
        return hashlib.sha256(self.secret.encode()).hexdigest()
