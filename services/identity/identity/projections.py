"""The read model of the identity service: the accounts."""

from typing import assert_never

from contracts.identity.events import (
    PasswordSet,
    RefreshTokenIssued,
    TokenFamilyRevoked,
    UserEvent,
    UserLoggedIn,
    UserRegistered,
)
from contracts.refusals import Code, Refusal
from eventing.database import Connection
from eventing.recording import Recorded

from identity.names import folded

TAKEN = {
    "users_email": Refusal(Code.EMAIL_TAKEN, "There is an account with this e-mail address."),
    "users_username": Refusal(Code.USERNAME_TAKEN, "There is an account with this username."),
    "users_known_as": Refusal(Code.USERNAME_TAKEN, "There is an account with a username that reads like this one."),
}
"""What it means when one of the table's unique indexes refuses a row."""


async def project(recorded: Recorded[UserEvent], db: Connection) -> None:
    """Write what one event means for those who read."""
    match recorded.event:
        case UserRegistered() as event:
            await db.execute(
                "INSERT INTO users (id, email, username, known_as, full_name, role, created_at) "
                "VALUES ($1, $2, $3, $4, $5, $6, $7)",
                recorded.id, event.email, event.username, folded(event.username), event.full_name, event.role,
                recorded.at,
            )  # fmt: skip
        case PasswordSet() as event:
            await db.execute("UPDATE users SET password_hash = $2 WHERE id = $1", recorded.id, event.password_hash)
        case UserLoggedIn():
            await db.execute("UPDATE users SET last_login_at = $2 WHERE id = $1", recorded.id, recorded.at)
        case TokenFamilyRevoked() as event:
            await db.execute(
                "INSERT INTO revoked_families (family_id, reason, revoked_at) VALUES ($1, $2, $3) "
                "ON CONFLICT (family_id) DO NOTHING",
                event.family_id, event.reason, recorded.at,
            )  # fmt: skip
        case RefreshTokenIssued():
            pass  # nobody reads these; the aggregate knows
        case _:
            assert_never(recorded.event)
