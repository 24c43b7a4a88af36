"""Accounts as the service knows them from the events of identity."""

from dataclasses import dataclass
from uuid import UUID

from contracts.identity.values import Role
from contracts.messages import Actor
from contracts.refusals import Code, Refusal
from eventing.database import Database
from runtime.bus.envelope import Envelope

from session.quotas.rules import LIMITS

STANDING = f"""
    SELECT coalesce(a.role, $2) AS role, a.is_active IS NOT FALSE AS is_active, limits.storage_bytes,
        CASE WHEN s.measured IS NOT TRUE THEN coalesce(s.changes, 0) END AS changes
    FROM ({LIMITS}) AS limits
    LEFT JOIN accounts AS a ON a.user_id = $1
    LEFT JOIN session_storage AS s ON s.session_id = $3"""  # noqa: S608  no input


@dataclass(frozen=True)
class Standing:
    """What decides whether an agent may begin: the role, state and quota of storage of the owner of its session.

    `changes` is the number of changes of a workspace whose size has to be measured; None if it is known.
    """

    role: Role
    is_active: bool
    storage_bytes: int | None
    changes: int | None


class Accounts:
    """Reads the accounts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def role(self, user_id: UUID, envelope: Envelope) -> Role:
        """Return the role that a user has now; see `assumed_role` until the first event of the account was read."""
        if role := await self._database.fetchval("SELECT role FROM accounts WHERE user_id = $1", user_id):
            return role
        return assumed_role(user_id, envelope.actor)

    async def standing(self, user_id: UUID, session_id: UUID, envelope: Envelope) -> Standing:
        """Return what decides now whether an agent of a user's session may begin, with the role that `role` returns."""
        assumed = assumed_role(user_id, envelope.actor)
        row = await self._database.fetchrow(STANDING, user_id, assumed, session_id) or {}
        return Standing(**row)


def owner_disabled() -> Refusal:
    """Return the refusal of agents of a user whose account is disabled."""
    return Refusal(Code.OWNER_DISABLED, "The account of the session's owner is disabled.")


def assumed_role(user_id: UUID, actor: Actor | None) -> Role:
    """Return the role of a user of whose account no event was read yet: that of the actor, if it is the user.

    If somebody else acts, as an administrator does who cancels a run, it is `user`.
    """
    return actor.role if actor and actor.user_id == user_id else "user"
