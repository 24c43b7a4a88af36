"""What no account decides alone: names are unique, and there is an administrator."""

from contracts.identity.user import RoleChanged, UserDisabled
from contracts.refusals import Code, Refusal
from eventing.constraints import Constraints
from eventing.database import Connection
from eventing.recording import Recorded

from identity.directory import ADMINS

UNIQUE_VIOLATIONS = {
    "users_email": Refusal(Code.EMAIL_TAKEN, "An account with this e-mail address exists."),
    "users_username": Refusal(Code.USERNAME_TAKEN, "An account with this username exists."),
    "users_known_as": Refusal(Code.USERNAME_TAKEN, "An account with a very similar username exists."),
}
"""The refusals for violations of unique indexes, by the name of the index."""
LAST_ADMIN = "There has to be an administrator: the last active one can neither get another role nor be disabled."

constrains = Constraints()


@constrains
async def check_other_admin(recorded: Recorded[RoleChanged | UserDisabled], db: Connection) -> None:
    """Check that another active administrator is left.

    Raises:
        Refusal: LAST_ADMIN.
    """
    if isinstance(recorded.event, RoleChanged) and recorded.event.role == "admin":
        return
    # The lock orders changes of different accounts, each of which is an append of its own: two administrators who
    # demote each other would otherwise both see one administrator left.
    await db.fetchval("SELECT pg_advisory_xact_lock(hashtextextended('identity: administrators', 0))")
    if not await db.fetchval(f"SELECT EXISTS ({ADMINS} AND id <> $1)", recorded.id):
        raise Refusal(Code.LAST_ADMIN, LAST_ADMIN)
