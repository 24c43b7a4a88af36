"""Verifies access tokens, which the identity service signs with Ed25519, and API keys, and caches them."""

import time
from collections import OrderedDict
from dataclasses import replace
from uuid import UUID

import jwt
from contracts.identity.values import Role
from contracts.messages import Actor
from contracts.wire import TOKEN_ALGORITHM, TOKEN_AUDIENCE, TOKEN_ISSUER
from pydantic import BaseModel, ValidationError
from runtime.bus import Unavailable

from gateway.clients.auth.api_keys import ApiKeys
from gateway.clients.auth.keys import Keys
from gateway.clients.auth.revocations import Revocations
from gateway.clients.auth.token import Token, is_api_key, refused

EXPIRED = "The access token has expired. Get a new one with `POST /api/v1/auth/refresh`, or log in."
MAX_CACHED = 10_000
MAX_TOKEN_LENGTH = 4096


class _Claims(BaseModel):
    sub: UUID
    sid: UUID
    role: Role
    exp: float


class Tokens:
    """Verifies access tokens and API keys. Checking a signature takes 0.1 ms, so the results are cached."""

    def __init__(self, keys: Keys, revocations: Revocations, api_keys: ApiKeys) -> None:
        self.keys, self.revocations, self.api_keys = keys, revocations, api_keys
        self.cached: OrderedDict[str, Token] = OrderedDict()

    async def verify(self, encoded: str) -> Token:
        """Return the claims of an access token or an API key, with the role that its user has now.

        Raises:
            Problem: it is not valid, has expired, or was revoked.
            Unavailable: the revocations, the key that signed it, or the API key are not known at the moment.
        """
        if not self.revocations.known:
            raise Unavailable("the revoked tokens are not known yet")
        token = self.cached.get(encoded)
        if token is None or not self._is_fresh(token):
            token = await self._read(encoded, token)
        self._store(encoded, token)
        access = self.revocations.access_of(token.actor.user_id)
        if access and access.role != token.actor.role:
            token = replace(token, actor=Actor(user_id=token.actor.user_id, role=access.role))
        self.check(token)
        if token.is_api_key:
            self.api_keys.record_use(token.family)
        return token

    def check(self, token: Token) -> None:
        """Check that a token that was verified before is still valid.

        Raises:
            Problem: it has expired, was revoked, or its key was withdrawn; its user was disabled or has another role.
        """
        if token.expires_at <= time.time():
            raise refused(EXPIRED if not token.is_api_key else "The API key has expired.")
        self.check_access(token)

    def check_access(self, token: Token) -> None:
        """Check a token that was verified before as `check` does, but let it expire: requests may outlast it.

        Raises:
            Problem: it was revoked, or its key was withdrawn; its user was disabled or has another role.
        """
        if self.is_revoked(token):
            raise refused(f"The {_kind(token)} was revoked.")
        access = self.revocations.access_of(token.actor.user_id)
        if token.key_id is not None and token.key_id not in self.keys.by_id:
            raise refused("The access token is not valid.")
        if access and access.role != token.actor.role:
            raise refused("The role of the account has changed. Connect again.")

    def is_revoked(self, token: Token) -> bool:
        """Return whether a token that was verified before was revoked, or its user disabled."""
        access = self.revocations.access_of(token.actor.user_id)
        return token.family in self.revocations or (access is not None and not access.is_active)

    def _is_fresh(self, token: Token) -> bool:
        return token.reread_at > time.monotonic() if token.is_api_key else token.key_id in self.keys.by_id

    def _store(self, encoded: str, token: Token) -> None:
        self.cached[encoded] = token
        self.cached.move_to_end(encoded)
        if len(self.cached) > MAX_CACHED:
            self.cached.popitem(last=False)

    async def _read(self, encoded: str, known: Token | None) -> Token:
        if len(encoded) > MAX_TOKEN_LENGTH:
            raise refused("The access token is not valid.")
        if is_api_key(encoded):
            return await self._read_api_key(encoded, known)
        try:
            return await self._verified_claims(encoded)
        except jwt.ExpiredSignatureError:
            raise refused(EXPIRED) from None
        except (jwt.PyJWTError, ValidationError, ValueError, RecursionError):
            raise refused("The access token is not valid.") from None

    async def _read_api_key(self, text: str, known: Token | None) -> Token:
        try:
            return await self.api_keys.read(text)
        except Unavailable:
            if known is None:
                raise
            return known  # it was valid, and nobody can revoke it while the identity service is unavailable

    async def _verified_claims(self, encoded: str) -> Token:
        key_id = jwt.get_unverified_header(encoded).get("kid")
        key = await self.keys.find(key_id) if isinstance(key_id, str) else None
        if key is None:
            raise ValueError("the token names an unknown key")
        payload = jwt.decode(
            encoded,
            key,
            algorithms=[TOKEN_ALGORITHM],
            audience=TOKEN_AUDIENCE,
            issuer=TOKEN_ISSUER,
            options={"require": ["sub", "jti", "iat", "exp", "role", "sid"], "verify_iat": False},
        )
        claims = _Claims.model_validate(payload)
        return Token(Actor(user_id=claims.sub, role=claims.role), claims.sid, claims.exp, str(key_id))


def _kind(token: Token) -> str:
    return "API key" if token.is_api_key else "access token"
