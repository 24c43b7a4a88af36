"""The projection of the identity service's events to its tables."""

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

from identity.names import comparable_username

UNIQUE_VIOLATIONS = {
    "users_email": Refusal(Code.EMAIL_TAKEN, "An account with this e-mail address exists."),
    "users_username": Refusal(Code.USERNAME_TAKEN, "An account with this username exists."),
    "users_known_as": Refusal(Code.USERNAME_TAKEN, "An account with a very similar username exists."),
}
"""The refusals for violations of unique indexes, by the name of the index."""


async def project(recorded: Recorded[UserEvent], db: Connection) -> None:
    """Write one event to the read model."""
    match recorded.event:
        case UserRegistered() as event:
            await db.execute(
                "INSERT INTO users (id, email, username, known_as, full_name, role, created_at) "
                "VALUES ($1, $2, $3, $4, $5, $6, $7)",
                recorded.id, event.email, event.username, comparable_username(event.username), event.full_name,
                event.role, recorded.at,
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
            pass  # only the aggregate needs these
        case _:
            assert_never(recorded.event)
