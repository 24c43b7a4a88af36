"""The key ring: Ed25519 keys that sign access tokens. The first one signs, all of them verify."""

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

ACCESS = timedelta(minutes=60)


class BrokenKeyRing(Exception):
    """The key ring cannot be used."""


@dataclass(frozen=True)
class KeyRing:
    """A JWK Set (RFC 7517) of private Ed25519 keys (RFC 8037)."""

    keys: tuple[Mapping[str, str], ...]

    @classmethod
    def read(cls, path: Path) -> "KeyRing":
        """Read a ring from a file.

        Raises:
            BrokenKeyRing: it is missing or holds no usable key.
        """
        try:
            ring = cls(tuple(json.loads(path.read_text())["keys"]))
            ring.public()
            ring.access_token(UUID(int=0), "viewer", UUID(int=0), UUID(int=0), datetime(2000, 1, 1, tzinfo=UTC))
        except (OSError, ValueError, LookupError, TypeError, AttributeError, jwt.PyJWTError) as error:
            raise BrokenKeyRing(f"KEY_RING_FILE: {path} is no JWK Set with Ed25519 keys ({error!r})") from None
        return ring

    def access_token(self, user_id: UUID, role: Role, family_id: UUID, token_id: UUID, now: datetime) -> str:
        """Sign an access token: `sid` is the family, so that one revocation ends all of a login's tokens."""
        claims = {
            "iss": TOKEN_ISSUER,
            "aud": TOKEN_AUDIENCE,
            "sub": str(user_id),
            "sid": str(family_id),
            "jti": str(token_id),
            "iat": now,
            "exp": now + ACCESS,
            "role": role,
        }
        key = jwt.PyJWK(dict(self.keys[0]), TOKEN_ALGORITHM).key
        return jwt.encode(claims, key, TOKEN_ALGORITHM, {"kid": self.keys[0]["kid"]})

    def public(self) -> KeysView:
        """Give the halves that verify."""
        shown = ("kty", "crv", "x", "kid")
        return KeysView(
            keys=[{name: key[name] for name in shown} | {"alg": TOKEN_ALGORITHM, "use": "sig"} for key in self.keys]
        )
