"""Authenticated encryption of secrets with AES-256-GCM.

A secret is sealed for the place that it is stored at, and cannot be unsealed if it was moved to another one.
"""

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE_BYTES = 12
KEY_BYTES = 32


class SecretUnreadable(Exception):
    """A secret cannot be read: a key is missing or wrong, or the ciphertext was changed or moved."""


def new_key() -> bytes:
    """Return a new random key."""
    return AESGCM.generate_key(KEY_BYTES * 8)


def seal(key: bytes, plain: bytes, place: str) -> bytes:
    """Encrypt a secret that is stored at `place`, which is authenticated but not stored."""
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plain, place.encode())


def unseal(key: bytes, sealed: bytes, place: str) -> bytes:
    """Decrypt a secret that is stored at `place`.

    Raises:
        SecretUnreadable: it was sealed with another key or for another place, or was changed.
    """
    try:
        return AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], place.encode())
    except (InvalidTag, ValueError):  # ValueError: too short to be a ciphertext
        raise SecretUnreadable(f"{place}: the key is wrong, or the ciphertext was changed or moved") from None
