"""Names of people: which of them are one and the same to a reader."""

import re
import unicodedata

RESERVED = frozenset({"", "admin", "administrator", "root", "system", "support", "moderator", "anonymous"})
"""Names, folded, that are given by the operator alone: they would be believed."""
_SEPARATORS = re.compile(r"[._-]")


def folded_address(email: str) -> str:
    """Return what an e-mail address is known by; the gateway folds those that clients give in the same way."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", email).casefold())


def folded(username: str) -> str:
    """Return what a user name is known by: case, dots, hyphens and underscores make no other name of it."""
    return _SEPARATORS.sub("", unicodedata.normalize("NFKC", username).casefold())
