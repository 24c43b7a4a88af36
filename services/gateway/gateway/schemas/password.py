"""Models of passwords."""

from typing import Annotated, Any
from uuid import UUID

from contracts.identity.password import ChangePassword, PasswordResetView, ResetPassword
from pydantic import Field

from gateway.schemas.base import RequestBody, SecretResponse

MIN_LENGTH, MAX_LENGTH = 8, 1024

NewPassword = Annotated[
    str,
    Field(
        min_length=MIN_LENGTH,
        max_length=MAX_LENGTH,
        repr=False,
        description="New password; common passwords are refused.",
    ),
]
_NEW: dict[str, Any] = {"new_password": "difference engine"}


class PasswordChange(RequestBody):
    """A new password, and the current one."""

    sample = {"current_password": "analytical engine"} | _NEW

    current_password: Annotated[
        str, Field(min_length=1, max_length=MAX_LENGTH, repr=False, description="Current password of the account.")
    ]
    new_password: NewPassword

    def command(self, family_id: UUID, client_address: str | None) -> ChangePassword:
        """Return the command; the token family is the one that stays."""
        return ChangePassword(family_id=family_id, client_address=client_address, **vars(self))


class PasswordReset(RequestBody):
    """A new password, and the token that allows to set it."""

    sample = {"reset_token": PasswordResetView.sample["reset_token"]} | _NEW

    reset_token: Annotated[
        str, Field(min_length=1, max_length=MAX_LENGTH, repr=False, description="Token from an administrator.")
    ]
    new_password: NewPassword

    def command(self) -> ResetPassword:
        """Return the command."""
        return ResetPassword(**vars(self))


class IssuedPasswordReset(PasswordResetView, SecretResponse):
    """A token that resets a password once, and a link to the console's form for it."""

    sample = PasswordResetView.sample | {
        "link": f"https://agents.example.com/console/#reset={PasswordResetView.sample['reset_token']}"
    }

    link: Annotated[str, Field(repr=False, description="Page at which the user sets a new password.")]
