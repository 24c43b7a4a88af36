"""New keys that sign access tokens."""

import hashlib
import json
from base64 import urlsafe_b64encode

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def new_signing_key() -> dict[str, str]:
    """Return a new private Ed25519 key as a JWK (RFC 8037), whose id is its thumbprint (RFC 7638)."""
    key = Ed25519PrivateKey.generate()
    public = {"crv": "Ed25519", "kty": "OKP", "x": _encoded(key.public_key().public_bytes_raw())}
    thumbprint = hashlib.sha256(json.dumps(public, separators=(",", ":")).encode()).digest()
    return public | {"d": _encoded(key.private_bytes_raw()), "kid": _encoded(thumbprint)}


def _encoded(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
