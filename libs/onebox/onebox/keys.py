"""The key ring for signing access tokens."""

import base64
import hashlib
import json

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm


def new_key_ring() -> str:
    """Return a new JWK Set with one private Ed25519 key, whose id is its thumbprint (RFC 7638)."""
    key = OKPAlgorithm.to_jwk(Ed25519PrivateKey.generate(), as_dict=True)
    public = json.dumps({name: key[name] for name in ("crv", "kty", "x")}, separators=(",", ":"))
    thumbprint = base64.urlsafe_b64encode(hashlib.sha256(public.encode()).digest()).rstrip(b"=")
    named = {name: key[name] for name in ("kty", "crv", "x", "d")} | {"kid": thumbprint.decode()}
    return json.dumps({"keys": [named]})
