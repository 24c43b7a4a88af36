"""The `state` of an authorization: it names the server, and proves that the user returns from where we sent them."""

import base64
import binascii
import secrets
from hashlib import sha256
from uuid import UUID

STATE_BYTES = 32
ID_BYTES = 16


def new_state(server_id: UUID) -> str:
    """Return a new state for a server, which nobody can guess."""
    return base64.urlsafe_b64encode(server_id.bytes + secrets.token_bytes(STATE_BYTES)).decode().rstrip("=")


def server_of(state: str) -> UUID | None:
    """Return the id of the server that a state names; None if it is none of ours."""
    try:
        decoded = base64.b64decode(state + "=" * (-len(state) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    return UUID(bytes=decoded[:ID_BYTES]) if len(decoded) == ID_BYTES + STATE_BYTES else None


def hash_state(state: str) -> str:
    """Return the hash under which a state is stored. States are random, so a plain hash suffices."""
    return sha256(state.encode(errors="replace")).hexdigest()
