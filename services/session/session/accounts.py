"""What the service knows of accounts, from the events of identity."""

from uuid import UUID

from contracts.identity.values import Role
from contracts.refusals import Code, Refusal
from eventing.database import Database
from runtime.envelope import Envelope


class Accounts:
    """Reads the accounts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def role(self, user_id: UUID, envelope: Envelope) -> Role:
        """Return the role that a user has now.

        Until the first event of the account was read, it is that in the envelope of a message of the user.
        """
        if role := await self._database.fetchval("SELECT role FROM accounts WHERE user_id = $1", user_id):
            return role
        return envelope.actor.role if envelope.actor and envelope.actor.user_id == user_id else "user"

    async def refusal(self, user_id: UUID) -> Refusal | None:
        """Return the refusal of agents of a user whose account is disabled; None if it is not."""
        if await self._database.fetchval("SELECT NOT is_active FROM accounts WHERE user_id = $1", user_id):
            return Refusal(Code.OWNER_DISABLED, "The account of the session's owner is disabled.")
        return None
