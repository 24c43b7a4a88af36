"""Names of servers in the form in which they are compared."""

import unicodedata


def name_key(name: str) -> str:
    """Return a name without case and Unicode variants: two servers of an owner must differ in it."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
