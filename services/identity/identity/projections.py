"""The read model of the identity service: the accounts."""

from typing import assert_never

from contracts.identity.events import (
    PasswordSet,
    RefreshTokenIssued,
    TokenFamilyRevoked,
    UserFact,
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


async def project(recorded: Recorded[UserFact], db: Connection) -> None:
    """Write what one fact means for those who read."""
    match recorded.fact:
        case UserRegistered() as fact:
            await db.execute(
                "INSERT INTO users (id, email, username, known_as, full_name, role, created_at) "
                "VALUES ($1, $2, $3, $4, $5, $6, $7)",
                recorded.id, fact.email, fact.username, folded(fact.username), fact.full_name, fact.role, recorded.at,
            )  # fmt: skip
        case PasswordSet() as fact:
            await db.execute("UPDATE users SET password_hash = $2 WHERE id = $1", recorded.id, fact.password_hash)
        case UserLoggedIn():
            await db.execute("UPDATE users SET last_login_at = $2 WHERE id = $1", recorded.id, recorded.at)
        case TokenFamilyRevoked() as fact:
            await db.execute(
                "INSERT INTO revoked_families (family_id, reason, revoked_at) VALUES ($1, $2, $3) "
                "ON CONFLICT (family_id) DO NOTHING",
                fact.family_id, fact.reason, recorded.at,
            )  # fmt: skip
        case RefreshTokenIssued():
            pass  # nobody reads these; the aggregate knows
        case _:
            assert_never(recorded.fact)
