"""Keys of NATS (nkeys) and the tokens that they sign: a user proves who it is, and an account says what it may do."""

import base64
import binascii
import json
import secrets
from binascii import crc_hqx
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

ACCOUNT, USER, SEED = 0, 20 << 3, 18 << 3
"""The prefixes of keys: their first letters are A, U and S."""
KEY_BYTES, CHECKSUM_BYTES, MAX_TEXT = 32, 2, 58
HEADER = {"typ": "JWT", "alg": "ed25519-nkey"}


@dataclass(frozen=True)
class KeyPair:
    """The private key of an account or a user (`kind`)."""

    kind: int
    raw: bytes = field(repr=False)

    @classmethod
    def new(cls, kind: int) -> "KeyPair":
        """Return a new key."""
        return cls(kind, secrets.token_bytes(KEY_BYTES))

    @classmethod
    def of_seed(cls, seed: str) -> "KeyPair":
        """Return the key of a seed.

        Raises:
            ValueError: it is no seed.
        """
        first, second, *raw = _decoded(seed, 2)
        if first & 0xF8 != SEED:
            raise ValueError("is not the seed of an nkey")
        return cls((first & 7) << 5 | second >> 3, bytes(raw))

    @property
    def seed(self) -> str:
        """The private key as text: `SU…` or `SA…`."""
        return _encoded(bytes([SEED | self.kind >> 5, (self.kind & 31) << 3]) + self.raw)

    @property
    def public(self) -> str:
        """The public key as text: `U…` or `A…`."""
        return public_key(self.kind, self._key.public_key().public_bytes_raw())

    @property
    def _key(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.raw)

    def sign(self, data: bytes) -> bytes:
        """Return the signature of data."""
        return self._key.sign(data)

    def token(self, claims: dict[str, Any], issued_at: int) -> str:
        """Return a token with these claims, in the form that NATS expects; `issued_at` is a Unix time."""
        claims = claims | {"iss": self.public, "iat": issued_at, "jti": secrets.token_hex(16)}
        signed = f"{_base64(HEADER)}.{_base64(claims)}"
        return f"{signed}.{base64.urlsafe_b64encode(self.sign(signed.encode())).rstrip(b'=').decode()}"


def public_key(kind: int, raw: bytes) -> str:
    """Return a public key as text."""
    return _encoded(bytes([kind]) + raw)


def has_signed(public: str, signature: str, data: bytes) -> bool:
    """Return whether a signature in base64 is that of the user with a public key."""
    try:
        kind, *raw = _decoded(public, 1)
        Ed25519PublicKey.from_public_bytes(bytes(raw)).verify(_bytes(signature), data)
    except (InvalidSignature, ValueError):
        return False
    return kind == USER


def claims_of(token: str) -> dict[str, Any]:
    """Return the claims of a token from a trusted sender: its signature is not checked.

    Raises:
        ValueError: it is no token.
    """
    try:
        _, body, _ = token.split(".")
        return json.loads(_bytes(body))
    except ValueError:
        raise ValueError("is not a token") from None


def _encoded(data: bytes) -> str:
    return base64.b32encode(data + crc_hqx(data, 0).to_bytes(CHECKSUM_BYTES, "little")).rstrip(b"=").decode()


def _decoded(text: str, prefix_bytes: int) -> bytes:
    try:
        data = base64.b32decode(text[:MAX_TEXT] + "=" * (-len(text) % 8))
    except ValueError:
        data = b""
    data, checksum = data[:-CHECKSUM_BYTES], data[-CHECKSUM_BYTES:]
    is_whole = len(data) == prefix_bytes + KEY_BYTES and len(text) <= MAX_TEXT
    if not is_whole or crc_hqx(data, 0).to_bytes(CHECKSUM_BYTES, "little") != checksum:
        raise ValueError("is not an nkey")
    return data


def _base64(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value, separators=(",", ":")).encode()).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    # Clients of NATS use either alphabet, with or without padding.
    text = text.replace("+", "-").replace("/", "_").rstrip("=")
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error as error:
        raise ValueError(str(error)) from None
