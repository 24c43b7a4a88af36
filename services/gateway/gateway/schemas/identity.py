"""Models of accounts and tokens."""

import unicodedata
from typing import Annotated
from uuid import UUID

from contracts.identity.login import KeysView, LogIn, RefreshTokens, TokensView
from contracts.identity.user import RegisterUser, UserView
from contracts.identity.values import Quotas, Scope
from pydantic import AfterValidator, EmailStr, Field, StringConstraints

from gateway import ids
from gateway.schemas.base import Money, RequestBody, ResponseModel, SecretResponse, pattern_rule

USERNAME = r"^[A-Za-z0-9_.-]{3,50}$"
USERNAME_RULE = "Must be 3 to 50 ASCII letters, digits, dots, hyphens or underscores"


def folded(text: str) -> str:
    """Return an e-mail address or a username in the form in which it is compared."""
    # Compatible forms of a letter become one, like full-width letters; twice, as folding may leave composable letters.
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


class Registration(RequestBody):
    """An account to create."""

    sample = {name: value for name, value in RegisterUser.sample.items() if name != "user_id"}

    email: Annotated[EmailStr, AfterValidator(folded), Field(description="E-mail address; log in with it.")]
    username: Annotated[
        str,
        Field(pattern=USERNAME, description=f"Unique username. {USERNAME_RULE}."),
        pattern_rule(USERNAME_RULE),
    ]
    password: Annotated[
        str, Field(min_length=8, max_length=1024, repr=False, description="Password; common passwords are refused.")
    ]
    full_name: Annotated[
        Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)] | None,
        Field(description="Full name, for display."),
    ] = None

    def command(self) -> RegisterUser:
        """Return the command."""
        return RegisterUser(
            user_id=ids.new_id(),
            email=self.email,
            username=self.username,
            full_name=self.full_name,
            password=self.password,
        )


class Credentials(RequestBody):
    """An e-mail address and a password."""

    sample = LogIn.sample

    # Less strict than at registration: the address of the first administrator may end in `@localhost`.
    email: Annotated[
        str,
        Field(pattern=r"^[^@\s]+@[^@\s]+$", max_length=320, description="E-mail address of the account."),
        pattern_rule("Must be an e-mail address"),
        AfterValidator(folded),
    ]
    password: Annotated[str, Field(min_length=1, max_length=1024, repr=False, description="Password of the account.")]

    def command(self, client_address: str | None) -> LogIn:
        """Return the command."""
        return LogIn(email=self.email, password=self.password, client_address=client_address)


class RefreshToken(RequestBody):
    """A refresh token to exchange for new tokens."""

    sample = RefreshTokens.sample

    refresh_token: Annotated[
        str, Field(min_length=1, max_length=1024, repr=False, description="The latest refresh token of the login.")
    ]

    def command(self) -> RefreshTokens:
        """Return the command."""
        return RefreshTokens(refresh_token=self.refresh_token)


class UserQuotas(Quotas, ResponseModel):
    """The quotas that administrators have set for a user; for one that is null, the default of the role applies."""

    concurrent_runs: Annotated[int | None, Field(description="Runs in progress at the same time.")] = None
    sessions_per_month: Annotated[int | None, Field(description="Sessions created in a calendar month, in UTC.")] = None
    storage_bytes: Annotated[int | None, Field(description="Bytes in all workspaces and archives.")] = None
    budget_per_month_usd: Annotated[
        Money | None, Field(description="Cost of the runs in a calendar month, in US dollars.")
    ] = None


class User(UserView, ResponseModel):
    """An account."""

    # The same, with money as a number.
    quotas: UserQuotas = UserQuotas()  # pyright: ignore[reportIncompatibleVariableOverride]


class Me(User):
    """The account of the client, and what the client may do with its access token or API key."""

    sample = UserView.sample | {"scopes": ["read", "write", "admin"], "api_key_id": None}

    scopes: Annotated[list[Scope], Field(description="What the credentials allow, as far as the role allows it.")]
    api_key_id: Annotated[UUID | None, Field(description="Id of the API key; null for an access token.")]


class Tokens(TokensView, SecretResponse):
    """The tokens of a login."""


class KeySet(KeysView, ResponseModel):
    """The public keys that verify access tokens, a JWK Set (RFC 7517)."""
