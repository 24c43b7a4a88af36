"""Accounts as the service knows them from the events of identity."""

from uuid import UUID

from contracts.identity.values import Role
from contracts.messages import Actor
from contracts.refusals import Code, Refusal
from eventing.database import Database
from runtime.bus.envelope import Envelope


class Accounts:
    """Reads the accounts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def role(self, user_id: UUID, envelope: Envelope) -> Role:
        """Return the role that a user has now; see `assumed_role` until the first event of the account was read."""
        if role := await self._database.fetchval("SELECT role FROM accounts WHERE user_id = $1", user_id):
            return role
        return assumed_role(user_id, envelope.actor)

    async def refusal(self, user_id: UUID) -> Refusal | None:
        """Return the refusal of agents of a user whose account is disabled; None if it is not."""
        if await self._database.fetchval("SELECT NOT is_active FROM accounts WHERE user_id = $1", user_id):
            return owner_disabled()
        return None


def owner_disabled() -> Refusal:
    """Return the refusal of agents of a user whose account is disabled."""
    return Refusal(Code.OWNER_DISABLED, "The account of the session's owner is disabled.")


def assumed_role(user_id: UUID, actor: Actor | None) -> Role:
    """Return the role of a user of whose account no event was read yet: that of the actor, if it is the user.

    If somebody else acts, as an administrator does who cancels a run, it is `user`.
    """
    return actor.role if actor and actor.user_id == user_id else "user"
