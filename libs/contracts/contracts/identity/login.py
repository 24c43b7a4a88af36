"""All messages about logins: tokens, their families, and the keys that verify them."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from contracts.messages import Command, Event, Query, View
from contracts.samples import FAMILY, TIME

type RevocationReason = Literal["logout", "reuse", "expired", "logout_all", "password_changed", "disabled"]


class TokensView(View):
    """The tokens of a login or a refresh."""

    sample = {
        "access_token": "eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCJ9...",
        "token_type": "bearer",
        "expires_in": 3600,
        "refresh_token": "opaque",
        "refresh_expires_in": 604_800,
    }

    access_token: str = Field(description="Access token, a JWT; send it as `Authorization: Bearer <token>`.")
    token_type: Literal["bearer"] = Field(default="bearer", description="Always `bearer`.")
    expires_in: int = Field(description="Lifetime of the access token in seconds.")
    refresh_token: str = Field(description="Refresh token; can be used once.")
    refresh_expires_in: int = Field(description="Lifetime of the refresh token in seconds.")


class KeysView(View):
    """The public keys that verify access tokens, as a JWK Set (RFC 7517)."""

    sample = {
        "keys": [
            {"kty": "OKP", "crv": "Ed25519", "kid": "2026-11", "use": "sig", "alg": "EdDSA", "x": "11qYAYKxCrfV..."}
        ]
    }

    keys: list[dict[str, str]] = Field(description="The keys, as JSON Web Keys.")


class GetKeys(Query[KeysView]):
    """Return the public keys that verify access tokens."""

    subject = "qry.identity.get_keys"
    sample = {}


class LogIn(Command[TokensView]):
    """Log in with an e-mail address and a password, and return tokens of a new family.

    Failures are counted by account and by `client_address`, the network address of the client.
    """

    subject = "cmd.identity.log_in"
    sample = {"email": "ada@example.com", "password": "analytical engine"}

    email: str
    password: str = Field(max_length=1024, repr=False)
    client_address: str | None = None


class RefreshTokens(Command[TokensView]):
    """Exchange a refresh token, which can be used once, for a new pair of tokens."""

    subject = "cmd.identity.refresh_tokens"
    sample = {"refresh_token": "opaque"}

    refresh_token: str = Field(max_length=1024, repr=False)


class LogOut(Command[None]):
    """Revoke a token family of the actor."""

    subject = "cmd.identity.log_out"
    sample = {"family_id": FAMILY}

    family_id: UUID


class LogOutEverywhere(Command[None]):
    """Revoke all token families of the actor."""

    subject = "cmd.identity.log_out_everywhere"
    sample = {}


class UserLoggedIn(Event):
    """The user logged in, which opened a token family."""

    subject = "evt.identity.user_logged_in"
    sample = {"family_id": FAMILY}

    family_id: UUID


class RefreshTokenIssued(Event):
    """A refresh token was issued to a family; `token_hash` is its SHA-256, `replaces` that of the token it replaces.

    Without `replaces` it is the first token of a login, or was recorded by a release without that field. Then it
    replaces all tokens of the family.
    """

    subject = "evt.identity.refresh_token_issued"
    published = False
    sample = {"family_id": FAMILY, "token_hash": "9f86d0", "expires_at": TIME}

    family_id: UUID
    token_hash: str = Field(repr=False)
    expires_at: datetime
    replaces: str | None = Field(default=None, repr=False)
    issued_at: datetime | None = None


class TokenFamilyRevoked(Event):
    """A token family was revoked: none of its tokens is valid any more."""

    subject = "evt.identity.token_family_revoked"
    sample = {"family_id": FAMILY, "reason": "logout"}

    family_id: UUID
    reason: RevocationReason


LoginEvent = UserLoggedIn | RefreshTokenIssued | TokenFamilyRevoked
