"""New key rings: for signing access tokens, for encrypting secrets, and for sealing responses."""

import base64
import hashlib
import json
import os

from runtime.secrets.signing_key import new_signing_key


def new_key_ring() -> str:
    """Return a new JWK Set with one key that signs access tokens, as `KEY_RING_FILE` holds it."""
    return json.dumps({"keys": [new_signing_key()]})


def new_symmetric_keys() -> str:
    """Return a new ring with one key of 256 random bits, as `SECRETS_KEY_FILE` and `REPLAY_KEY_FILE` hold it."""
    key = os.urandom(32)
    name = hashlib.sha256(key).hexdigest()[:16]
    return json.dumps({"keys": [{"id": name, "key": base64.b64encode(key).decode()}]})
