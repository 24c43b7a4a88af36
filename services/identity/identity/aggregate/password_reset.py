"""A password that may be reset."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass
class PasswordReset:
    """The id of the token that resets the password, and when it expires."""

    id: UUID
    expires_at: datetime
