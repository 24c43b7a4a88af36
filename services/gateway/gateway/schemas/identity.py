"""Accounts and tokens, as clients see them."""

import re
import unicodedata
from typing import Annotated

from contracts.identity.commands import LogIn, RefreshTokens, RegisterUser
from contracts.identity.queries import KeysView, TokensView, UserView
from contracts.samples import TIME, USER
from pydantic import AfterValidator, EmailStr, Field, StringConstraints, WithJsonSchema
from runtime import clock

from gateway.schemas.shown import Body, Shown, example

USERNAME = r"^[A-Za-z0-9_.-]{3,50}$"


def _folded(email: str) -> str:
    # Letters that look alike are one, like full-width ones; once more, since folding may leave what can be composed.
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", email).casefold())


def _username(name: str) -> str:
    if not re.fullmatch(USERNAME, name):
        raise ValueError("Use 3 to 50 letters, digits, dots, hyphens or underscores, all ASCII")
    return name


class Registration(Body):
    """A new account."""

    model_config = example({name: value for name, value in RegisterUser.sample.items() if name != "user_id"})

    email: Annotated[EmailStr, AfterValidator(_folded)]
    username: Annotated[str, AfterValidator(_username), WithJsonSchema({"type": "string", "pattern": USERNAME})]
    password: Annotated[str, Field(min_length=8, max_length=1024, repr=False)]
    full_name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)] | None = None

    def command(self) -> RegisterUser:
        """Ask for the account."""
        return RegisterUser(
            user_id=clock.new_id(),
            email=self.email,
            username=self.username,
            full_name=self.full_name,
            password=self.password,
        )


class Credentials(Body):
    """An e-mail address and a password."""

    model_config = example(LogIn.sample)

    # Not as strict as at registration: the operator's own first account may be at `localhost`.
    email: Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+$", max_length=320), AfterValidator(_folded)]
    password: Annotated[str, Field(min_length=1, max_length=1024, repr=False)]

    def command(self) -> LogIn:
        """Ask for tokens."""
        return LogIn(email=self.email, password=self.password)


class RefreshToken(Body):
    """A refresh token, to be used up."""

    model_config = example(RefreshTokens.sample)

    refresh_token: Annotated[str, Field(min_length=1, max_length=1024, repr=False)]

    def command(self) -> RefreshTokens:
        """Ask for new tokens."""
        return RefreshTokens(refresh_token=self.refresh_token)


class User(UserView, Shown):
    """An account."""

    model_config = example(
        {
            "id": USER,
            "email": "ada@example.com",
            "username": "ada",
            "full_name": "Ada Lovelace",
            "role": "user",
            "is_active": True,
            "created_at": TIME,
        }
    )


class Tokens(TokensView, Shown):
    """What a client holds after a login. Lifetimes are in seconds."""

    model_config = example(
        {
            "access_token": "eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCJ9...",
            "token_type": "bearer",
            "expires_in": 3600,
            "refresh_token": "opaque",
            "refresh_expires_in": 604_800,
        }
    )


class KeySet(KeysView, Shown):
    """The public keys of access tokens, a JWK Set (RFC 7517)."""

    model_config = example(
        {
            "keys": [
                {"kty": "OKP", "crv": "Ed25519", "kid": "2026-11", "use": "sig", "alg": "EdDSA", "x": "11qYAYKxCrfV..."}
            ]
        }
    )
