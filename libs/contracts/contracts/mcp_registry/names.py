"""Names of servers, and ids used in their place."""

import re
import unicodedata
from uuid import UUID

_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def name_key(name: str) -> str:
    """Return a name without case and Unicode variants: two servers of an owner must differ in it."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


def id_of(reference: str) -> UUID | None:
    """Return the id that a reference is, also in Unicode variants of its characters; None if it is a name."""
    key = name_key(reference)
    return UUID(key) if _ID.fullmatch(key) else None
