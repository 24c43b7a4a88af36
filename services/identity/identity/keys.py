"""The ring of Ed25519 keys for access tokens: the first key signs, all keys verify."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import jwt
from contracts.identity.queries import KeysView
from contracts.identity.values import Role
from contracts.wire import TOKEN_ALGORITHM, TOKEN_AUDIENCE, TOKEN_ISSUER

ACCESS_TOKEN_LIFETIME = timedelta(minutes=60)


class InvalidKeyRing(Exception):
    """The key ring cannot be used."""


@dataclass(frozen=True)
class KeyRing:
    """A JWK Set (RFC 7517) of private Ed25519 keys (RFC 8037)."""

    keys: tuple[Mapping[str, str], ...]

    @classmethod
    def read(cls, path: Path) -> "KeyRing":
        """Read a key ring from a file.

        Raises:
            InvalidKeyRing: the file is missing or contains no usable key.
        """
        try:
            ring = cls(tuple(json.loads(path.read_text())["keys"]))
            ring.public_keys()
            # A key that cannot sign stops the start, not the first login.
            ring.access_token(UUID(int=0), "viewer", UUID(int=0), UUID(int=0), datetime(2000, 1, 1, tzinfo=UTC))
        except (OSError, ValueError, LookupError, TypeError, AttributeError, jwt.PyJWTError) as error:
            raise InvalidKeyRing(
                f"KEY_RING_FILE: {path} is not a JWK Set of private Ed25519 keys ({error!r})"
            ) from None
        return ring

    def access_token(self, user_id: UUID, role: Role, family_id: UUID, token_id: UUID, now: datetime) -> str:
        """Return a signed access token; `sid` is its token family, so that one revocation covers a whole login."""
        claims = {
            "iss": TOKEN_ISSUER,
            "aud": TOKEN_AUDIENCE,
            "sub": str(user_id),
            "sid": str(family_id),
            "jti": str(token_id),
            "iat": now,
            "exp": now + ACCESS_TOKEN_LIFETIME,
            "role": role,
        }
        key = jwt.PyJWK(dict(self.keys[0]), TOKEN_ALGORITHM).key
        return jwt.encode(claims, key, TOKEN_ALGORITHM, {"kid": self.keys[0]["kid"]})

    def public_keys(self) -> KeysView:
        """Return the public halves of all keys."""
        public_members = ("kty", "crv", "x", "kid")
        return KeysView(
            keys=[
                {name: key[name] for name in public_members} | {"alg": TOKEN_ALGORITHM, "use": "sig"}
                for key in self.keys
            ]
        )
