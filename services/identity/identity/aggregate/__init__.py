"""The aggregate `User`, and the token families in it."""

from identity.aggregate.password_reset import PasswordReset
from identity.aggregate.token_family import RefreshTokenHash
from identity.aggregate.user import MAX_API_KEYS, MAX_FAMILIES, User

__all__ = ["MAX_API_KEYS", "MAX_FAMILIES", "PasswordReset", "RefreshTokenHash", "User"]
