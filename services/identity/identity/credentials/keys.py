"""The ring of Ed25519 keys for access tokens: the first key that is in use signs, all keys verify."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import jwt
from contracts.identity.login import KeysView
from contracts.identity.values import Role
from contracts.wire import TOKEN_ALGORITHM, TOKEN_AUDIENCE, TOKEN_ISSUER
from runtime import clock
from runtime.logging import get_logger
from runtime.secrets.signing_key import new_signing_key
from runtime.starting import CannotStart

log = get_logger()

ACCESS_TOKEN_LIFETIME = timedelta(minutes=60)
PUBLICATION_LEAD = timedelta(minutes=3)
"""How long a new key is published before it signs: longer than services and gateways take to read the ring again."""
REREAD_SECONDS = 5.0
NOT_BEFORE = "nbf"
"""The member of a key that holds the time from which it signs, in seconds since 1970; without it, it signs at once."""


class InvalidKeyRing(CannotStart):
    """The key ring cannot be used."""


@dataclass(frozen=True)
class KeyRing:
    """A JWK Set (RFC 7517) of private Ed25519 keys (RFC 8037), the newest first."""

    keys: tuple[Mapping[str, Any], ...]

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
            ring.access_token(UUID(int=0), "viewer", UUID(int=0), UUID(int=0), clock.now())
        except (OSError, ValueError, LookupError, TypeError, AttributeError, jwt.PyJWTError) as error:
            raise InvalidKeyRing(
                f"KEY_RING_FILE: {path} is not a JWK Set of private Ed25519 keys ({error!r})"
            ) from None
        return ring

    def write(self, path: Path) -> None:
        """Write the ring to its file by rename: a concurrent reader sees the old or the new one."""
        temporary = path.with_name(f"{path.name}.new")
        temporary.touch(mode=0o600)
        temporary.write_text(json.dumps({"keys": [dict(key) for key in self.keys]}))
        temporary.replace(path)

    def rotated(self, now: datetime) -> "KeyRing":
        """Return the ring with a new key, which signs after `PUBLICATION_LEAD`.

        Keys whose last token has expired are left out.
        """
        signing = self.signing_key(now)
        retired = now - ACCESS_TOKEN_LIFETIME - PUBLICATION_LEAD
        # Keys before the signing one wait for their turn; keys behind it may have signed tokens until it took over.
        last = self.keys.index(signing)
        kept = self.keys if _signs_from(signing) > retired else self.keys[: last + 1]
        new = new_signing_key() | {NOT_BEFORE: int((now + PUBLICATION_LEAD).timestamp())}
        return replace(self, keys=(new, *kept))

    def signing_key(self, now: datetime) -> Mapping[str, Any]:
        """Return the newest key whose time has come.

        Raises:
            LookupError: the ring has no such key.
        """
        for key in self.keys:
            if _signs_from(key) <= now:
                return key
        raise LookupError("no key of the ring is in use yet")

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
        signing = self.signing_key(now)
        key = jwt.PyJWK(dict(signing), TOKEN_ALGORITHM).key
        return jwt.encode(claims, key, TOKEN_ALGORITHM, {"kid": signing["kid"]})

    def public_keys(self) -> KeysView:
        """Return the public halves of all keys."""
        public_members = ("kty", "crv", "x", "kid")
        return KeysView(
            keys=[
                {name: key[name] for name in public_members} | {"alg": TOKEN_ALGORITHM, "use": "sig"}
                for key in self.keys
            ]
        )


class KeyRingFile:
    """The current content of the file with the key ring."""

    def __init__(self, path: Path) -> None:
        """Read the file. Raises as `KeyRing.read` does."""
        self.path, self.ring = path, KeyRing.read(path)

    async def follow(self) -> None:
        """Pause, and read the file again; to be called in a loop. A file that is not valid changes nothing."""
        await asyncio.sleep(REREAD_SECONDS)
        ring = await asyncio.to_thread(KeyRing.read, self.path)
        if ring != self.ring:
            log.info("key ring changed", keys=[key["kid"] for key in ring.keys])
            self.ring = ring


def _signs_from(key: Mapping[str, Any]) -> datetime:
    return datetime.fromtimestamp(key.get(NOT_BEFORE, 0), UTC)
