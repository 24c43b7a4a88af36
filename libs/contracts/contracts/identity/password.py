"""All messages about passwords: changing one, and resetting one that was lost."""

from datetime import datetime
from uuid import UUID

from pydantic import Field

from contracts.messages import Command, Event, View
from contracts.samples import FAMILY, RESET, TIME, USER


class PasswordResetView(View):
    """A token that sets a new password once, until it expires."""

    sample = {"reset_token": "0197a1f0000070008000000000000001.pC0Z...", "expires_at": TIME}

    reset_token: str = Field(repr=False, description="Token that sets a new password once; not shown again.")
    expires_at: datetime = Field(description="Time from which on the token is refused.")


class ChangePassword(Command[None]):
    """Change the password of the actor, and revoke all token families except `family_id`, the one of the request."""

    subject = "cmd.identity.change_password"
    sample = {
        "family_id": FAMILY,
        "current_password": "analytical engine",
        "new_password": "difference engine",
        "client_address": "192.0.2.1",
    }

    family_id: UUID
    current_password: str = Field(max_length=1024, repr=False)
    new_password: str = Field(min_length=8, max_length=1024, repr=False)
    client_address: str | None = None


class IssuePasswordReset(Command[PasswordResetView]):
    """Issue a token that resets the password of an account; it replaces an earlier one. For administrators only."""

    subject = "cmd.identity.issue_password_reset"
    sample = {"user_id": USER}

    user_id: UUID


class ResetPassword(Command[None]):
    """Set a new password with a reset token, and revoke all token families of the account."""

    subject = "cmd.identity.reset_password"
    sample = {"reset_token": "opaque", "new_password": "difference engine"}

    reset_token: str = Field(max_length=1024, repr=False)
    new_password: str = Field(min_length=8, max_length=1024, repr=False)


class PasswordSet(Event):
    """The password of an account was set; `password_hash` is an Argon2id encoding."""

    subject = "evt.identity.password_set"
    published = False
    sample = {"password_hash": "$argon2id$..."}

    password_hash: str = Field(repr=False)


class PasswordResetIssued(Event):
    """A token that resets the password was issued. `reset_id` derives from its secret, which is not stored."""

    subject = "evt.identity.password_reset_issued"
    sample = {"reset_id": RESET, "expires_at": TIME}

    reset_id: UUID
    expires_at: datetime


class PasswordChanged(Event):
    """The password was changed by its owner or reset.

    The event `PasswordSet` beside it has the hash.
    """

    subject = "evt.identity.password_changed"
    sample = {"reset_id": None}

    reset_id: UUID | None = None


PasswordEvent = PasswordSet | PasswordResetIssued | PasswordChanged
