"""The aggregate `User`, and the token families in it."""

from identity.aggregate.token_family import RefreshTokenHash
from identity.aggregate.user import MAX_API_KEYS, MAX_FAMILIES, PasswordReset, User

__all__ = ["MAX_API_KEYS", "MAX_FAMILIES", "PasswordReset", "RefreshTokenHash", "User"]
