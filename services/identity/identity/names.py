"""Normal forms of e-mail addresses and usernames: two that look the same to a reader are equal."""

import re
import unicodedata
from uuid import UUID

RESERVED_USERNAMES = frozenset({"", "admin", "administrator", "root", "system", "support", "moderator", "anonymous"})
"""Usernames, in comparable form, that nobody can register, because their holders would pass for operators."""
_SEPARATORS = re.compile(r"[._-]")


def normalized_email(email: str) -> str:
    """Return the form in which an e-mail address is stored and compared, the same as in the gateway."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", email).casefold())


def comparable_username(username: str) -> str:
    """Return the form in which a username is compared: without case, dots, hyphens and underscores."""
    return _SEPARATORS.sub("", unicodedata.normalize("NFKC", username).casefold())


def service_email(user_id: UUID) -> str:
    """Return the placeholder for the e-mail address of a service account: at a domain that can never exist.

    It is not derived from the username, or one that is taken would be refused as an e-mail address that is.
    """
    return f"{user_id}@service.invalid"
