"""New key rings: for signing access tokens, and for encrypting secrets."""

import base64
import hashlib
import json
import os

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm


def new_key_ring() -> str:
    """Return a new JWK Set with one private Ed25519 key, whose id is its thumbprint (RFC 7638)."""
    key = OKPAlgorithm.to_jwk(Ed25519PrivateKey.generate(), as_dict=True)
    public = json.dumps({name: key[name] for name in ("crv", "kty", "x")}, separators=(",", ":"))
    thumbprint = base64.urlsafe_b64encode(hashlib.sha256(public.encode()).digest()).rstrip(b"=")
    named = {name: key[name] for name in ("kty", "crv", "x", "d")} | {"kid": thumbprint.decode()}
    return json.dumps({"keys": [named]})


def new_master_keys() -> str:
    """Return a new ring with one master key of 256 random bits, as `SECRETS_KEY_FILE` holds it."""
    key = os.urandom(32)
    name = hashlib.sha256(key).hexdigest()[:16]
    return json.dumps({"keys": [{"id": name, "key": base64.b64encode(key).decode()}]})
