"""Links, with which anybody can download a report until they expire."""

from hashlib import sha256


def hash_token(token: str) -> str:
    """Return the hash under which the token of a link is stored. Tokens are random, so a plain hash suffices."""
    return sha256(token.encode()).hexdigest()
