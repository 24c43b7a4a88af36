"""The commands of the identity service."""

from uuid import UUID

from pydantic import Field

from contracts.identity.queries import GetUser, TokensView, UserView
from contracts.messages import Command
from contracts.samples import FAMILY, USER


class RegisterUser(Command[UserView]):
    """Create an account with the role `user`. The e-mail address is already case-folded."""

    subject = "cmd.identity.register_user"
    outcome_query = GetUser
    sample = {
        "user_id": USER,
        "email": "ada@example.com",
        "username": "ada",
        "full_name": "Ada Lovelace",
        "password": "analytical engine",
    }

    user_id: UUID
    email: str
    username: str
    full_name: str | None = None
    password: str = Field(min_length=8, max_length=1024, repr=False)


class EnsureAdmin(Command[None]):
    """Create the first administrator; do nothing if there is one."""

    subject = "cmd.identity.ensure_admin"
    sample = {"user_id": USER, "email": "admin@example.com", "password": "analytical engine"}

    user_id: UUID
    email: str
    password: str = Field(min_length=8, max_length=1024, repr=False)


class LogIn(Command[TokensView]):
    """Log in with an e-mail address and a password, and return tokens of a new family."""

    subject = "cmd.identity.log_in"
    sample = {"email": "ada@example.com", "password": "analytical engine"}

    email: str
    password: str = Field(max_length=1024, repr=False)


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
