"""Who may read what is about all accounts."""

from contracts.refusals import Code, Refusal

from identity.dependencies import Context


def check_admin(context: Context) -> None:
    """Check that the actor is an administrator.

    Raises:
        Refusal: ADMINS_ONLY.
    """
    if context.actor.role != "admin":
        raise Refusal(Code.ADMINS_ONLY, "Only administrators may read this.")
